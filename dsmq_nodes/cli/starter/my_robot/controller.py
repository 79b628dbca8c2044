"""The controller: from distances to speeds."""

from pydantic import Field

from dsmq_nodes import Node, Parameters, run
from dsmq_nodes.cli.starter.my_robot.messages import Distance
from dsmq_nodes.messages import Twist


class Controller(Node):
    """Drives towards the wall, slower the nearer it is; stands still when it sees nothing."""

    class Params(Parameters):
        """Parameters, with their units."""

        speed: float = Field(0.5, gt=0, description="At most, in m/s.")
        stop_at: float = Field(0.5, ge=0, description="Distance to stop at, in metres.")
        timeout: float = Field(
            0.3, gt=0, frozen=True, description="How many seconds a distance is valid."
        )

    params: Params

    def __init__(self) -> None:
        super().__init__("controller")
        self.cmd_vel = self.create_publisher(Twist, "cmd_vel", 1)
        self.create_subscription(
            Distance,
            "distance",
            self.on_distance,
            1,
            timeout=self.params.timeout,
            on_timeout=self.enter_safe_state,
        )

    def on_distance(self, msg: Distance) -> None:
        """Drive, as fast as the distance allows."""
        command = Twist()
        command.linear.x = min(self.params.speed, max(0.0, msg.metres - self.params.stop_at))
        self.cmd_vel.publish(command)

    def enter_safe_state(self) -> None:
        """Stand still: called when distances stop coming, and however the node ends."""
        self.cmd_vel.publish(Twist())


if __name__ == "__main__":
    run(Controller)
