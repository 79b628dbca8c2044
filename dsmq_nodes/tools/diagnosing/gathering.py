"""Gathers the input of `doctor`: the graph, counters, the launch, some stamps."""

import time
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.errors import ConnectionFailedError
from dsmq_nodes.graph.spin.blocked import BLOCKED_FOR
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.messages.diagnostic import DiagnosticArray, DiagnosticStatus
from dsmq_nodes.messages.dsmq_msgs import LaunchProcess, LaunchState, NodeStatistics
from dsmq_nodes.messages.rcl_interfaces import Log
from dsmq_nodes.tools.diagnosing.seen import SILENT_SEC, Seen, Stamp
from dsmq_nodes.tools.graph_model import BrokerCounters, GraphModel, read_statistics
from dsmq_nodes.tools.lookup import visible_topics
from dsmq_nodes.tools.stamps import has_header, time_in
from dsmq_nodes.topic_names import (
    CLOCK_TOPIC,
    DIAGNOSTICS_TOPIC,
    NODES_TOPIC,
    ROSOUT_TOPIC,
    STATISTICS_TOPIC,
    is_hidden,
    is_launch,
)

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.wire import Reply
    from dsmq_nodes.tools.session import Session

_STALE: Final = DiagnosticStatus.STALE
_BOOL: Final = "std_msgs/msg/Bool"
_COUNTERS_SEC: Final = 10.0  # the broker sends its counters once a second, unless it is overloaded
_MOST_NS: Final = 2**63  # an integer in JSON may be larger than the largest float


class _Switch(msgspec.Struct):
    """A message that may be an emergency stop's: such a one has the time of its change."""

    data: bool = False
    changed_ns: int = 0


_read_switch: Final = json_reader(_Switch)


class Gathering:
    """Reads messages one by one until there are enough to judge."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._began_sec = time.monotonic()
        self._statistics: list[BrokerCounters] = []
        self._nodes: dict[str, NodeStatistics] = {}
        self._before: dict[str, NodeStatistics] = {}
        self._processes: dict[str, list[LaunchProcess]] = {}  # by launch
        self._stamps: dict[str, Stamp] = {}
        self._transits_sec: dict[str, float] = {}
        self._clock_sec: float | None = None
        self._statuses: dict[tuple[str, str], DiagnosticStatus] = {}
        self._stops: dict[str, float] = {}
        self._blocked: dict[str, str] = {}
        # with several messages for each node
        everybodys = [NODES_TOPIC, DIAGNOSTICS_TOPIC, ROSOUT_TOPIC]
        self._takers = {
            NODES_TOPIC: self._take_node,
            DIAGNOSTICS_TOPIC: self._take_statuses,
            ROSOUT_TOPIC: self._take_log,
            STATISTICS_TOPIC: self._take_statistics,
            CLOCK_TOPIC: self._take_clock,
        }
        graph = session.graph()
        self._awaited = _expected_nodes(graph)
        launches = {peer.name for peer in graph.peers if is_launch(peer.name)}
        self._takers |= {f"{each}/state": self._take_launch for each in launches}
        self._switches = [each.name for each in graph.topics if each.latched and each.type == _BOOL]
        self._topics = [*self._takers, *self._switches, *_stamped(session, graph)]
        for topic in self._topics:
            session.subscribe(topic, depth=1000 if topic in everybodys else 1)

    @property
    def is_enough(self) -> bool:
        """Whether the broker's counters were read twice, which a difference needs."""
        return len(self._statistics) > 1

    def gather(self, wait_sec: float) -> None:
        """Read messages for `wait_sec`; longer while the broker or a node has sent no counters."""
        while (left_sec := self._left_sec(wait_sec)) > 0.0:
            self.take(left_sec)

    def _left_sec(self, wait_sec: float) -> float:
        if not self.is_enough:
            wait_sec = max(wait_sec, _COUNTERS_SEC)
        elif self._silent_nodes():
            wait_sec = max(wait_sec, SILENT_SEC)
        return self._began_sec + wait_sec - time.monotonic()

    def _silent_nodes(self) -> set[str]:
        """Return nodes that sent no counters, unless `/diagnostics` reports them already."""
        known = {name for (_, name), each in self._statuses.items() if each.level == _STALE}
        return self._awaited - self._nodes.keys() - known

    def take(self, timeout_sec: float) -> bool:
        """Read the next message; return False if none came in time."""
        reply = self._session.next_message(self._topics, timeout_sec)
        if reply is None:
            return False
        if reply.topic in self._switches:
            self._session.understood(reply, partial(self._take_switch, reply.topic))
        elif reply.topic in self._takers:
            self._session.understood(reply, partial(self._takers[reply.topic], reply.sender))
            if reply.topic == NODES_TOPIC:
                self._take_transit(reply)
        else:
            header_sec = time_in(reply.text or "", "header", "stamp")
            now_sec = time.time_ns() * 1e-9
            stamp = Stamp(header_sec, reply.stamp * 1e-9, now_sec, self._clock_sec)
            self._stamps[reply.topic] = stamp
            self._session.unsubscribe(reply.topic)  # they may be large, as a camera's
        return True

    def _take_statistics(self, _: str, text: str) -> None:
        self._statistics.append(read_statistics(text))

    def _take_node(self, _: str, text: str) -> None:
        statistics = NodeStatistics.from_json(text)
        self._before.setdefault(statistics.name, statistics)
        self._nodes[statistics.name] = statistics

    def _take_transit(self, reply: "Reply") -> None:
        if reply.stamp and reply.sender:
            transit_sec = (time.time_ns() - reply.stamp) * 1e-9
            self._transits_sec[reply.sender] = min(
                transit_sec, self._transits_sec.get(reply.sender, transit_sec)
            )

    def _take_launch(self, launch: str, text: str) -> None:
        self._processes[launch] = LaunchState.from_json(text).processes

    def _take_clock(self, _: str, text: str) -> None:
        self._clock_sec = time_in(text, "clock")

    def _take_log(self, node: str, text: str) -> None:
        if BLOCKED_FOR in text:
            self._blocked[node] = Log.from_json(text).msg

    def _take_switch(self, topic: str, text: str) -> None:
        state = _read_switch(text)
        if state.data and state.changed_ns:
            self._stops[topic] = min(state.changed_ns, _MOST_NS) * 1e-9
        else:
            self._stops.pop(topic, None)

    def _take_statuses(self, node: str, text: str) -> None:
        for each in DiagnosticArray.from_json(text).status:
            self._statuses[node, each.name] = each

    def seen(self, graph: GraphModel) -> Seen:
        """Return the gathered input, with the current graph.

        Raises:
            ConnectionFailedError: the broker has sent no counters.
        """
        if not self.is_enough:
            raise ConnectionFailedError("the broker sends no statistics: is it overloaded?")
        is_over = self._left_sec(SILENT_SEC) <= 0.0
        return Seen(
            graph=graph,
            silent=sorted(self._silent_nodes() & _names(graph)) if is_over else [],
            before=self._statistics[0],
            now=self._statistics[-1],
            nodes=self._nodes,
            nodes_before=self._before,
            processes=[each for found in self._processes.values() for each in found],
            stamps=self._stamps,
            clock_sec=time.time_ns() * 1e-9,
            transits_sec=self._transits_sec,
            stops=self._stops,
            blocked=self._blocked,
            statuses=[(node, each) for (node, _), each in self._statuses.items()],
        )


def _names(graph: GraphModel) -> set[str]:
    return {each.name for each in graph.peers}


def _expected_nodes(graph: GraphModel) -> set[str]:
    """Return the nodes that are spun: each publishes its counters once a second."""
    topics = [each for each in graph.topics if each.name == NODES_TOPIC]
    publishing = {end.node for each in topics for end in each.publishers}
    spun = {each.name for each in graph.peers if each.state not in {"", "starting"}}
    return {name for name in publishing & spun if not is_hidden(name)}


def _stamped(session: "Session", graph: GraphModel) -> list[str]:
    """Return the topics whose messages have a header, by their schemas; no latched ones."""
    schemas = session.schemas()
    return [
        topic.name
        for topic in visible_topics(graph, own=False)
        if not topic.latched
        and topic.name != DIAGNOSTICS_TOPIC
        and any(has_header(schemas.get(end.schema_id, {})) for end in topic.publishers)
    ]
