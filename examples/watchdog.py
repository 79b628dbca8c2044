"""A motor that stops when commands stop coming, when the emergency stop is pressed, and at the end.

dsmq-nodes topic pub /speed std_msgs/msg/Float64 '{data: 0.5}'
dsmq-nodes topic pub --once /emergency_stop std_msgs/msg/Bool '{data: true}'
"""

from dsmq_nodes import Actuator, Node, run
from dsmq_nodes.messages import Float64


class Motor(Node):
    """Obeys `speed`, in m/s; a command is good for half a second."""

    def __init__(self) -> None:
        super().__init__("motor")
        self.speed = 0.0
        Actuator(self, Float64, "speed", self.drive, timeout=0.5)

    def drive(self, msg: Float64) -> None:
        self.speed = msg.data
        self.get_logger().info(f"driving at {self.speed:.2f} m/s")

    def enter_safe_state(self) -> None:
        """Called by the actuator, when the broker is lost, and however the node ends."""
        self.speed = 0.0
        self.get_logger().info("standing still")


if __name__ == "__main__":
    run(Motor)
