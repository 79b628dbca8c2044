"""Simulated time: a world that runs ten times as fast as ours, and a robot that lives in it."""

from dsmq_nodes import Node, run
from dsmq_nodes.messages import Clock, Time


class World(Node):
    """Says on /clock what time it is."""

    def __init__(self) -> None:
        super().__init__("world")
        self.publisher = self.create_publisher(Clock, "/clock", 1)
        self.elapsed_ns = 0
        self.create_timer(0.02, self.tick)

    def tick(self) -> None:
        self.elapsed_ns += 200_000_000
        self.publisher.publish(Clock(clock=Time.from_nanoseconds(self.elapsed_ns)))


class Robot(Node):
    """Ticks once a second; the parameter `use_sim_time: true` would do the same for any node."""

    use_sim_time = True

    def __init__(self) -> None:
        super().__init__("robot")
        self.create_timer(1.0, self.tick)

    def tick(self) -> None:
        self.get_logger().info(f"tick at {self.get_clock().now().sec} s")


if __name__ == "__main__":
    run(World, Robot)
