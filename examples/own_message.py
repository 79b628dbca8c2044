"""A message of one's own is a class. No build step, no registry: import it where it is used."""

from dsmq_nodes import Message, Node, run
from dsmq_nodes.messages import Header


class BatteryLevel(Message):
    """What is left in a battery."""

    header: Header = Header()
    percent: float
    cell_voltages: list[float] = []  # V


class Battery(Node):
    """Runs down by a percent every half a second."""

    def __init__(self) -> None:
        super().__init__("battery")
        self.percent = 100.0
        self.publisher = self.create_publisher(BatteryLevel, "battery", 10)
        self.create_subscription(BatteryLevel, "battery", self.on_battery, 10)
        self.create_timer(0.5, self.measure)

    def measure(self) -> None:
        self.percent -= 1.0
        msg = BatteryLevel(header=self.stamp(), percent=self.percent)
        msg.cell_voltages = [3.0 + 0.012 * self.percent] * 3
        self.publisher.publish(msg)

    def on_battery(self, msg: BatteryLevel) -> None:
        self.get_logger().info(f"{msg.percent:.0f} %, {min(msg.cell_voltages):.2f} V")


if __name__ == "__main__":
    run(Battery)
