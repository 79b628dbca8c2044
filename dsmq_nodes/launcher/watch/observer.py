"""A node in the launcher: it notices when other nodes are ready, and keeps their statistics."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol

from dsmq_nodes.diagnostics import DiagnosticAggregator
from dsmq_nodes.graph.node import Node
from dsmq_nodes.launcher.supervise.crowd import is_stopped
from dsmq_nodes.launcher.supervise.member import Member, MemberState
from dsmq_nodes.launcher.watch.control import Control
from dsmq_nodes.launcher.watch.rates import RateWatch, rated_timer
from dsmq_nodes.launcher.watch.stop_memory import StopMemory
from dsmq_nodes.launcher.watch.summary import summary
from dsmq_nodes.messages.dsmq_msgs import BrokerStatistics, Graph, NodeStatistics
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC, GRAPH_TOPIC, NODES_TOPIC, STATISTICS_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.launcher.supervise.supervisor import Supervisor

_LAST_WORDS_SEC: Final = 0.5
_MOST_NODES: Final = 1000  # 4 KB each; one that has published nothing for longest goes first
_LAUNCH: Final = "launch"


class _Observer(Node):
    """A node in which an exception of a callback ends neither other callbacks nor the launch."""

    on_exception = "log"


class LiveView(Protocol):
    """Shows what an observer has received (view.py)."""

    async def run(self, supervisor: "Supervisor", observer: "GraphObserver") -> None:
        """Show it until cancelled."""


class GraphObserver:
    """Watches `/dsmq/graph` and `/dsmq/nodes`, and takes commands.

    Attributes:
        statistics: the last statistics of each node, by its name.
        broker_statistics: the last statistics of the broker, if there is a view.
    """

    def __init__(
        self,
        view: LiveView | None = None,
        *,
        strict_rates: bool = False,
        name: str = _LAUNCH,
        stop: StopMemory | None = None,
    ) -> None:
        """Prepare to watch.

        view: shows the graph and the statistics.
        strict_rates: a missed rate ends the launch; otherwise it is a warning.
        name: the name of its node; `launch` if the broker is the launch's own.
        stop: keeps the emergency stop.
        """
        self.statistics: dict[str, NodeStatistics] = {}
        self.broker_statistics = BrokerStatistics()
        self._view = view
        self._strict_rates = strict_rates
        self._name = name
        self._stop = stop
        self._rates = RateWatch()
        self._silent: dict[str, Member] = {}
        self._connected: set[int] = set()
        self._changed = asyncio.Event()
        self._node: asyncio.Future[Node] = asyncio.get_running_loop().create_future()
        self._first: dict[str, asyncio.Event] = {}
        self._control: Control | None = None

    async def watch(self, host: str, port: int, supervisor: "Supervisor") -> None:
        """Watch until cancelled; report ready nodes to the supervisor."""
        node = await _made(lambda: _Observer(self._name, namespace="/dsmq", broker=(host, port)))
        try:
            await self._watch(node, supervisor)
        finally:
            if self._stop:
                await self._stop.end(is_asked=supervisor.end.is_asked)
            self._control = None
            node.destroy_node()

    async def _watch(self, node: Node, supervisor: "Supervisor") -> None:
        def on_node(msg: NodeStatistics) -> None:
            self._on_node(msg, node.name, supervisor)

        def on_graph(msg: Graph) -> None:
            self._on_graph(msg, supervisor)
            if self._stop and any(each.name == EMERGENCY_STOP_TOPIC for each in msg.topics):
                self._stop.begin(node)

        if self._stop and self._stop.is_kept:
            self._stop.begin(node)
        node.create_subscription(Graph, GRAPH_TOPIC, on_graph, 1)
        node.create_subscription(NodeStatistics, NODES_TOPIC, on_node, 1000)
        if self._view is not None:
            node.create_subscription(BrokerStatistics, STATISTICS_TOPIC, self._on_broker, 1)
        node.create_timer(1.0, lambda: self._check_silence(node, supervisor))
        if self._name == _LAUNCH:  # one for the whole graph is enough
            DiagnosticAggregator(node)
        self._control = Control(node, supervisor)
        if not self._node.done():
            self._node.set_result(node)
        await asyncio.gather(node.spin_async(), self._show(supervisor))

    def _on_graph(self, msg: Graph, supervisor: "Supervisor") -> None:
        self._connected = {peer.pid for peer in msg.peers}
        self._changed.set()
        # A lifecycle node shows its own state.
        ready = [each for each in msg.peers if each.state not in {"", "starting"}]
        supervisor.nodes_ready({(each.name, each.pid) for each in ready})

    def _on_node(self, msg: NodeStatistics, own_name: str, supervisor: "Supervisor") -> None:
        msg.name = one_line(msg.name)  # any peer may publish there, under any name
        if msg.name == own_name:
            return
        self.statistics.pop(msg.name, None)  # to be the last one again
        self.statistics[msg.name] = msg
        if msg.name in self._silent:
            self._silent.pop(msg.name).mark_silent(silent=False)
        if len(self.statistics) > _MOST_NODES:
            del self.statistics[next(iter(self.statistics))]
        self._check_rate(supervisor, msg)

    async def _show(self, supervisor: "Supervisor") -> None:
        if self._view is not None:
            await self._view.run(supervisor, self)

    def _check_rate(self, supervisor: "Supervisor", msg: NodeStatistics) -> None:
        # While nodes still start, the others get less of the CPU.
        if not supervisor.all_ready:
            return
        self._rates.tick(time.monotonic())
        if missed := self._rates.take(msg, time.monotonic()):
            self._fail_or_report(supervisor, msg.name, missed)
        if self._strict_rates and (why := self._rates.not_measured(msg, time.monotonic())):
            supervisor.report(f"{msg.name.removeprefix('/')}: {why}")

    def _check_silence(self, node: Node, supervisor: "Supervisor") -> None:
        if node._kit.is_broker_lost:  # only the broker is silent
            self._rates = RateWatch()
        if not supervisor.all_ready:  # nodes get less of the CPU
            return
        now_sec = time.monotonic()
        self._rates.tick(now_sec)
        ready = [each for each in supervisor.members.values() if each.state == MemberState.READY]
        for member in ready:
            for each in () if member.is_silent else member.plan.telling_nodes:
                self._rates.begun(each.name, member.pid, now_sec)
        for name, pid, silent in self._rates.silent(now_sec):
            for member in ready:
                if member.pid == pid:
                    why = f"it is stopped: `kill -CONT {pid}`" if is_stopped(pid) else "it hangs"
                    self._report_silent(supervisor, member, name, f"{silent}: {why}")

    def _report_silent(
        self, supervisor: "Supervisor", member: Member, name: str, what: str
    ) -> None:
        statistics = self.statistics.get(name)
        if statistics is not None and rated_timer(statistics) is not None:
            self._fail_or_report(supervisor, name, what)
        elif member.plan.is_of_kit:  # another program may spin its nodes when it likes
            supervisor.report(f"{name.removeprefix('/')}: {what}")
        else:
            return
        self._silent[name] = member
        member.mark_silent(silent=True)

    def _fail_or_report(self, supervisor: "Supervisor", name: str, what: str) -> None:
        if self._strict_rates:
            supervisor.fail(name.removeprefix("/"), what, end=True)
        else:
            supervisor.report(f"{name.removeprefix('/')}: {one_line(what)}")

    def _on_broker(self, msg: BrokerStatistics) -> None:
        self.broker_statistics = msg

    async def first_message(self, topic: str) -> None:
        """Wait for a topic's first message, of whatever type."""
        node = await asyncio.shield(self._node)
        if topic not in self._first:
            self._first[topic] = asyncio.Event()
            node._kit.topics.await_message(topic, self._first[topic].set)
        await self._first[topic].wait()

    def changed(self) -> None:
        """Publish the state of the processes, since one has changed."""
        if self._control is not None:
            self._control.publish_state()

    async def last_words(self, pids: set[int]) -> None:
        """Wait until the broker shows these processes as gone: then their messages have come."""
        with contextlib.suppress(TimeoutError):  # the broker may be gone
            async with asyncio.timeout(_LAST_WORDS_SEC):
                while pids & self._connected:
                    self._changed.clear()
                    await self._changed.wait()

    def summary(self) -> Iterable[str]:
        """Return a table of each node's statistics."""
        return summary(self.statistics.values())


async def _made(make: Callable[[], Node]) -> Node:
    """Make a node in a thread, since that takes seconds if the broker is stopped."""
    loop = asyncio.get_running_loop()
    node: asyncio.Future[Node] = loop.create_future()

    def done(made: Node | None, error: BaseException | None) -> None:
        if error is not None and not node.done():
            node.set_exception(error)
        elif made is not None and not node.done():
            node.set_result(made)
        elif made is not None:
            made.destroy_node()  # nothing waits for it any longer

    def target() -> None:
        made, raised = None, None
        try:
            made = make()
        except BaseException as error:  # noqa: BLE001  it is raised where the node is awaited
            raised = error
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does the process
            loop.call_soon_threadsafe(done, made, raised)

    # A daemon thread does not delay the end.
    threading.Thread(target=target, name="observer", daemon=True).start()
    return await node
