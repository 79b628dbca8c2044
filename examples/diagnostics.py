"""Diagnostics: a node tells how its battery is, on the topic that all tools know."""

from dsmq_nodes import Node, run
from dsmq_nodes.diagnostics import DiagnosticStatusWrapper, DiagnosticUpdater
from dsmq_nodes.messages import DiagnosticArray, DiagnosticStatus


class Battery(Node):
    """Loses 5 % twice a second."""

    def __init__(self) -> None:
        super().__init__("battery")
        self.percent = 60
        self.create_timer(0.5, self.drain)
        DiagnosticUpdater(self).add("charge", self.check)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 1)

    def drain(self) -> None:
        self.percent = max(0, self.percent - 5)

    def check(self, stat: DiagnosticStatusWrapper) -> None:
        is_low = self.percent <= 50
        stat.summary(
            DiagnosticStatus.WARN if is_low else DiagnosticStatus.OK,
            "charge me soon" if is_low else "charged",
        )
        stat.add("percent", self.percent)

    def on_diagnostics(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            self.get_logger().info(f"{status.name}: level {status.level}, {status.message}")


if __name__ == "__main__":
    run(Battery)
