"""A node's own diagnostics, on `/diagnostics`."""

import inspect
from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, Final

from dsmq_nodes.graph.callback import as_error, awaited, check_takes, to_await
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.diagnostic import DiagnosticArray, DiagnosticStatus, KeyValue
from dsmq_nodes.messages.fields import byte
from dsmq_nodes.printable import error_text
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC


class DiagnosticStatusWrapper(DiagnosticStatus, type_name=DiagnosticStatus.type_name):
    """A status that a callback fills in; until then it is an error."""

    level: byte = DiagnosticStatus.ERROR
    message: str = "no summary was given"

    def summary(self, level: int, message: str) -> None:
        """Set the level, `DiagnosticStatus.OK`, WARN, ERROR or STALE, and a text."""
        self.level, self.message = level, message

    def add(self, key: str, value: object) -> None:
        """Add a value."""
        self.values.append(KeyValue(key=key, value=str(value)))


_Callback = Callable[[DiagnosticStatusWrapper], object]
_CLOSED: Final = inspect.CORO_CLOSED


class DiagnosticUpdater:
    """Calls callbacks for the states of a node's parts, and publishes these states.

    Attributes:
        hardware_id: identifies the hardware, such as a serial number.
    """

    NO_HARDWARE: ClassVar[str] = "none"

    def __init__(self, node: Node, period: float = 1.0) -> None:
        """Call the callbacks every `period` seconds."""
        self.hardware_id = self.NO_HARDWARE
        self._node = of_kind(node, Node, "the node of a DiagnosticUpdater")
        self._waits: Coroutine[Any, Any, None] | None = None
        self._tasks: dict[str, _Callback] = {}
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, 1)
        node.create_timer(period, self.force_update)

    def add(self, name: str, callback: _Callback) -> None:
        """Add a part: `callback(stat)` calls `stat.summary` and `stat.add`.

        Raises:
            ValueError: there is a part of this name already.
            TypeError: the callback cannot be called or awaited.
        """
        check_takes(callback, f"the diagnostic task {name!r}", "stat")
        if name in self._tasks:
            node = self._node.get_fully_qualified_name()
            raise ValueError(f"{node} has a part {name!r} already: use another name")
        self._tasks[name] = callback

    def force_update(self) -> None:
        """Call all callbacks and publish, now or when their coroutines have ended.

        An exception of a callback becomes a status, and is logged. While a coroutine is awaited, no
        callback is called again.
        """
        if self._waits is not None and inspect.getcoroutinestate(self._waits) != _CLOSED:
            return
        statuses: list[DiagnosticStatus] = []
        tasks = list(self._tasks.items())
        while tasks:
            name, callback = tasks.pop(0)
            stat, work = self._ask(name, callback)
            statuses.append(stat)
            if work is not None:
                self._waits = self._run_remaining(stat, callback, work, statuses, tasks)
                self._node.create_task(self._waits)
                return
        self._publish(statuses)

    async def _run_remaining(
        self,
        stat: DiagnosticStatusWrapper,
        callback: _Callback,
        work: Awaitable[object],
        statuses: list[DiagnosticStatus],
        tasks: list[tuple[str, _Callback]],
    ) -> None:
        """Wait for one part, and call the callbacks of the others."""
        await self._await_status(stat, callback, work)
        for name, other in tasks:
            stat, further = self._ask(name, other)
            statuses.append(stat)
            if further is not None:
                await self._await_status(stat, other, further)
        self._publish(statuses)

    def _publish(self, statuses: list[DiagnosticStatus]) -> None:
        if statuses:
            self._publisher.publish(DiagnosticArray(header=self._node.stamp(), status=statuses))

    async def _await_status(
        self, stat: DiagnosticStatusWrapper, callback: _Callback, work: Awaitable[object]
    ) -> None:
        try:
            await awaited(work)
        except Exception as error:  # noqa: BLE001  as in `_ask`
            self._failed(stat, callback, error)

    def _ask(
        self, name: str, callback: _Callback
    ) -> tuple[DiagnosticStatusWrapper, Awaitable[object] | None]:
        stat = DiagnosticStatusWrapper(
            name=f"{self._node.get_name()}: {name}", hardware_id=self.hardware_id
        )
        work = None
        try:
            work = to_await(callback(stat), callback)
        except (Exception, CancelledError) as error:  # noqa: BLE001  reported, harms no other
            self._failed(stat, callback, as_error(error))
        return stat, work

    def _failed(self, stat: DiagnosticStatusWrapper, callback: _Callback, error: Exception) -> None:
        self._node._kit.dispatcher.exceptions.log(callback, error)
        stat.summary(DiagnosticStatus.ERROR, error_text(error))
