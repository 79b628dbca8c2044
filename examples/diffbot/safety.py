"""Between who commands and the motors: nothing stale, nothing too fast, nothing after a bump.

It passes commands on while they are fresh. When the bumper touches something it presses the
emergency stop, which every actuator obeys; release it with
`dsmq-nodes topic pub --once /emergency_stop std_msgs/msg/Bool '{data: false}'`.
"""

import math

from pydantic import Field

from dsmq_nodes import Actuator, Node, Parameters, run
from dsmq_nodes.messages import Bool, Twist


class Safety(Node):
    """Passes cmd_vel on as wheel_command as long as that is safe."""

    class Params(Parameters):
        command_timeout_sec: float = Field(
            0.2, gt=0, le=2, frozen=True, description="a command is stale after this"
        )
        max_speed: float = Field(0.6, gt=0, le=2, description="m/s")
        max_turn_rate: float = Field(2.0, gt=0, le=6, description="rad/s")

    params: Params

    def __init__(self) -> None:
        super().__init__("safety")
        self.publisher = self.create_publisher(Twist, "wheel_command", 1)
        timeout = self.params.command_timeout_sec
        self.actuator = Actuator(self, Twist, "cmd_vel", self.pass_on, timeout=timeout)
        self.create_subscription(Bool, "bumper", self.on_bumper, 1)

    def pass_on(self, msg: Twist) -> None:
        if not math.isfinite(msg.linear.x + msg.angular.z):  # no limit holds what is no number
            self.get_logger().error("a command that is no number stops the wheels", once=True)
            self.enter_safe_state()
            return
        msg.linear.x = limited(msg.linear.x, self.params.max_speed)
        msg.angular.z = limited(msg.angular.z, self.params.max_turn_rate)
        self.publisher.publish(msg)

    def enter_safe_state(self) -> None:
        """No fresh command, the emergency stop is pressed, or we are ending: stop the wheels."""
        self.publisher.publish(Twist())

    def on_bumper(self, msg: Bool) -> None:
        if msg.data:
            self.get_logger().error("the bumper touches something")
            self.actuator.emergency_stop.press()


def limited(value: float, most: float) -> float:
    """A value, or the nearest one that is no more than `most` to either side of 0."""
    return min(max(value, -most), most)


if __name__ == "__main__":
    run(Safety)
