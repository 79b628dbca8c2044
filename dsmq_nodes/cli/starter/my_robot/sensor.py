"""The distance sensor. It makes up a wall, and a robot that follows its commands."""

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.cli.starter.my_robot.messages import Distance
from dsmq_nodes.messages import Twist


class DistanceSensor(Node):
    """Publishes `distance`; subscribes `cmd_vel` to know how the robot moves."""

    class Params(Parameters):
        """Parameters, with their units."""

        start: float = Field(2.0, ge=0, description="Distance to the wall at first, in metres.")

    params: Params
    rate_hz = 20.0

    def __init__(self) -> None:
        super().__init__("distance_sensor")
        self.metres = self.params.start
        self.speed = 0.0  # m/s
        self.distance = self.create_publisher(Distance, "distance", 5)
        self.create_subscription(Twist, "cmd_vel", self.on_cmd_vel, 1)
        self.create_timer(self.period_sec, self.tick)

    def on_cmd_vel(self, msg: Twist) -> None:
        """Take over the speed."""
        self.speed = msg.linear.x

    def tick(self) -> None:
        """Measure: put your sensor here."""
        self.metres = max(0.0, self.metres - self.speed * self.period_sec)
        self.distance.publish(Distance(header=self.stamp("base_link"), metres=self.metres))


if __name__ == "__main__":
    run(DistanceSensor)
