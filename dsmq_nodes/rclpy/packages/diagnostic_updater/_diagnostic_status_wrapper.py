"""A status that a task fills in."""

from typing import Any

from dsmq_nodes.rclpy.interfaces import class_named

KeyValue = class_named("diagnostic_msgs/msg/KeyValue")
DiagnosticStatus: Any = class_named("diagnostic_msgs/msg/DiagnosticStatus")


class DiagnosticStatusWrapper(DiagnosticStatus):  # type: ignore[misc]
    """A DiagnosticStatus with `summary`, `mergeSummary` and `add`."""

    def summary(self, *args: Any) -> None:
        """Set the level and the text, or copy them from another status."""
        if len(args) == 1:
            self.level, self.message = args[0].level, args[0].message
        else:
            self.level, self.message = _level(args[0]), str(args[1])

    def clearSummary(self) -> None:  # noqa: N802
        """Set OK, without a text."""
        self.summary(DiagnosticStatus.OK, "")

    def mergeSummary(self, *args: Any) -> None:  # noqa: N802
        """Take the worse level; the text of the worse status, or both texts if neither is OK."""
        level, message = (args[0].level, args[0].message) if len(args) == 1 else args
        level = _level(level)
        is_bad = [each > DiagnosticStatus.OK for each in (level, self.level)]
        if is_bad[0] == is_bad[1]:
            self.message = f"{self.message}; {message}" if self.message else message
        elif level > self.level:
            self.message = message
        self.level = max(level, self.level)

    def summaryf(self, *args: Any) -> None:
        """Set the level, and the text formatted with `%`."""
        self.summary(args[0], args[1] % tuple(args[2:]))

    def add(self, key: str, val: Any) -> None:
        """Add a value."""
        self.values.append(KeyValue(key=key, value=str(val)))


def _level(level: Any) -> bytes:
    return level if isinstance(level, bytes) else bytes([level])
