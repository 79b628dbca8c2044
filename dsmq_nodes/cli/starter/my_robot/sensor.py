"""The distance sensor. It makes up a wall, and wheels that follow the commands."""

from pydantic import Field

from dsmq_nodes import Actuator, Node, Parameters, run
from dsmq_nodes.cli.starter.my_robot.messages import Distance
from dsmq_nodes.messages import Twist


class DistanceSensor(Node):
    """Publishes `distance`; its wheels obey `cmd_vel`, and stop at the emergency stop."""

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
        self.wheels = Actuator(self, Twist, "cmd_vel", self.on_cmd_vel, timeout=0.5)
        self.create_timer(self.period_sec, self.tick)

    def on_cmd_vel(self, msg: Twist) -> None:
        """Take over the speed."""
        self.speed = msg.linear.x

    def enter_safe_state(self) -> None:
        """Stop: without commands, at the emergency stop, without the broker, at the end."""
        self.speed = 0.0

    def tick(self) -> None:
        """Measure: put your sensor here."""
        self.metres = max(0.0, self.metres - self.speed * self.period_sec)
        self.distance.publish(Distance(header=self.stamp("base_link"), metres=self.metres))


if __name__ == "__main__":
    run(DistanceSensor)
