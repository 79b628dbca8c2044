"""A robot for clients: `python -m tests.gateways.rosbridge.run_server`."""

from dsmq_nodes import run
from dsmq_nodes.messages import LaserScan, TransformStamped
from dsmq_nodes.tf import TransformBroadcaster
from tests.gateways.rosbridge.robots import Server, Thing


class Robot(Server):
    """Publishes a scan, a type of a user and a transform, ten times a second."""

    def __init__(self) -> None:
        super().__init__()
        self.frames = TransformBroadcaster(self)
        self.create_timer(0.1, self.tick)

    def tick(self) -> None:
        self.scan.publish(LaserScan(ranges=[1.5, float("inf"), 2.5], angle_min=-1.0))
        self.thing.publish(Thing(name="NaN", weight=0.5, number=2**60 + 1, pixels=b"\x00\xff"))
        moved = TransformStamped(child_frame_id="base_link")
        moved.header.frame_id = "map"
        moved.header.stamp = self.get_clock().now()
        moved.transform.translation.x = 1.5
        self.frames.send_transform(moved)


if __name__ == "__main__":
    run(Robot)
