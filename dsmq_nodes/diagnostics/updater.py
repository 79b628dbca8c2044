"""What a node knows of its own parts, on `/diagnostics`."""

from collections.abc import Callable
from typing import ClassVar

from dsmq_nodes.diagnostics.aggregator import DIAGNOSTICS_TOPIC
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.diagnostic import DiagnosticArray, DiagnosticStatus, KeyValue
from dsmq_nodes.messages.fields import byte


class DiagnosticStatusWrapper(DiagnosticStatus, type_name=DiagnosticStatus.type_name):
    """A status that a callback fills in; it is an error until it says otherwise."""

    level: byte = DiagnosticStatus.ERROR
    message: str = "no summary was given"

    def summary(self, level: int, message: str) -> None:
        """How the part is: `DiagnosticStatus.OK`, WARN, ERROR or STALE, and in words."""
        self.level, self.message = level, message

    def add(self, key: str, value: object) -> None:
        """A value beside it."""
        self.values.append(KeyValue(key=key, value=str(value)))


class DiagnosticUpdater:
    """Asks callbacks how the parts of a node are, and publishes what they say.

    Attributes:
        hardware_id: which piece of hardware it is about, such as a serial number.
    """

    NO_HARDWARE: ClassVar[str] = "none"

    def __init__(self, node: Node, period: float = 1.0) -> None:
        """Ask every `period` seconds."""
        self.hardware_id = self.NO_HARDWARE
        self._node = node
        self._parts: dict[str, Callable[[DiagnosticStatusWrapper], object]] = {}
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, 1)
        node.create_timer(period, self.force_update)

    def add(self, name: str, callback: Callable[[DiagnosticStatusWrapper], object]) -> None:
        """Have `callback(stat)` asked how a part is: it calls `stat.summary` and `stat.add`.

        Raises:
            ValueError: there is a part of this name already.
        """
        if name in self._parts:
            raise ValueError(f"{self._node.name} has a part {name!r} already: use another name")
        self._parts[name] = callback

    def force_update(self) -> None:
        """Ask and publish now; what a callback raises is a status too, and goes to the log."""
        statuses = [self._ask(name, callback) for name, callback in self._parts.items()]
        if statuses:
            self._publisher.publish(DiagnosticArray(header=self._node.stamp(), status=statuses))

    def _ask(
        self, name: str, callback: Callable[[DiagnosticStatusWrapper], object]
    ) -> DiagnosticStatus:
        stat = DiagnosticStatusWrapper(
            name=f"{self._node.get_name()}: {name}", hardware_id=self.hardware_id
        )
        try:
            callback(stat)
        except Exception as error:  # noqa: BLE001  it is told twice, and harms no other part
            self._node._spinner.exceptions.tell(callback, error)  # noqa: SLF001  the kit's own
            stat.summary(DiagnosticStatus.ERROR, f"{type(error).__name__}: {error}")
        return stat
