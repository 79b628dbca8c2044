"""The graph: the ends of topics and services of this process, and of others by the broker's graph.

The ends of this process are known at once, with their profiles. The graph shows the nodes and types
of other processes' ends. The profiles of nodes for rclpy are known too (shown_profiles.py); an end
without a known profile is compatible with any.
"""

import math
import os
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from dsmq_nodes.rclpy.impl.topics.event_infos import (
    EventHub,
    PublisherEventType,
    SubscriptionEventType,
    count_one,
    counting,
)
from dsmq_nodes.rclpy.impl.topics.qos_rules import QoSPolicyKind, faults, kind_of_event
from dsmq_nodes.rclpy.impl.topics.shown_profiles import ShownProfiles
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.topic_names import REPLY, REQUEST, is_kits_own

PUBLISHER: Final = "publisher"
SUBSCRIPTION: Final = "subscription"
SERVICE: Final = "service"
CLIENT: Final = "client"
_POLL_SEC: Final = 0.25
_OPPOSITE: Final = {PUBLISHER: SUBSCRIPTION, SUBSCRIPTION: PUBLISHER}


@dataclass(eq=False)
class End:
    """One end of a topic or a service.

    Attributes:
        kind: one of the four above.
        name: the topic's or service's absolute name.
        type_name: its type, as `std_msgs/msg/String`.
        node: the node's name without its namespace; empty for a tool.
        namespace: the node's namespace.
        qos: its profile; None where it is not known.
        events: its events; None for an end of another process.
        refused: the nodes of other processes that have no compatible end.
        liveliness: which publishers are alive, for a subscription with a callback for that event.
        kept: the parts, the number and the time of the newest messages that a publisher of this
            process keeps for late subscriptions.
    """

    kind: str
    name: str
    type_name: str
    node: str
    namespace: str
    qos: Any = None
    events: EventHub | None = None
    refused: frozenset[str] = frozenset()
    liveliness: Any = None
    kept: deque[tuple[Any, int, int]] = field(default_factory=lambda: deque(maxlen=0))

    @property
    def full_node(self) -> str:
        """The node's absolute name."""
        return f"{self.namespace.rstrip('/')}/{self.node}"


class Ends:
    """All ends.

    Attributes:
        waiting: the wakeups that are set at each change.
        deliveries: the functions that take this process's messages, by topic: as in DDS the
            messages have arrived when `publish` returns, so that the next spin sees all of them.
        latched: a lock for publishing a message that is kept, and for passing kept messages to a
            late subscription. So each subscription gets all of them once, in order.
        own_peers: the absolute names of this process's nodes, as the kit has them.
    """

    def __init__(self) -> None:
        self._own: list[End] = []
        self._nodes: list[tuple[str, str]] = []
        self._others: list[End] = []
        self._other_nodes: list[tuple[str, str]] = []
        self._lock = threading.RLock()
        self.waiting: weakref.WeakSet[Any] = weakref.WeakSet()
        self.deliveries: dict[str, list[Callable[..., None]]] = {}
        self.latched = threading.RLock()
        self.own_peers: set[str] = set()

    # This process

    def add_node(self, name: str, namespace: str) -> None:
        """Add a node of this process."""
        with self._lock:
            self._nodes.append((name, namespace))
        self._changed()

    def remove_node(self, name: str, namespace: str) -> None:
        """Remove a node of this process."""
        with self._lock:
            if (name, namespace) in self._nodes:
                self._nodes.remove((name, namespace))
        self._changed()

    def add(self, end: End) -> None:
        """Add an end of this process; both ends of each pair are notified."""
        with self._lock:
            others = self._pairs(end)
            self._own.append(end)
        for other in others:
            self._meet(end, other)
        if end.kind in _OPPOSITE:
            end.refused = _refused(self._others, end)
        if end.liveliness is not None:
            end.liveliness.see(_fitting(self._others, end))
        self._changed()

    def remove(self, end: End) -> None:
        """Remove an end of this process."""
        with self._lock:
            if end not in self._own:
                return
            self._own.remove(end)
            others = self._pairs(end)
        for other in others:
            if not _faults(end, other):
                _match(other, -1)
                if other.liveliness is not None:
                    other.liveliness.remove(end)
        self._changed()

    def _pairs(self, end: End) -> list[End]:
        kind = _OPPOSITE.get(end.kind)
        known = (*self._own, *self._others)
        return [each for each in known if each.kind == kind and each.name == end.name]

    def _meet(self, end: End, other: End) -> None:
        wrong = _faults(end, other)
        for each in (end, other):
            if wrong:
                _refuse(each, wrong[-1])
            else:
                _match(each, 1)

    def own_types(self, name: str) -> set[str]:
        """Return the types that this process uses on a topic."""
        with self._lock:
            kinds = (PUBLISHER, SUBSCRIPTION)
            return {e.type_name for e in self._own if e.name == name and e.kind in kinds}

    def deliver(self, name: str, take: Callable[..., None]) -> None:
        """Pass the messages of this process on a topic to `take(parts, sender, number, at_ns)`."""
        with self._lock:
            self.deliveries[name] = [*self.deliveries.get(name, ()), take]

    def deliver_kept(self, name: str, take: Callable[..., None]) -> None:
        """Do as `deliver`, and first pass the messages that publishers here keep, oldest first."""
        with self.latched:
            now_ns = time.time_ns()
            found = [
                (at_ns, number, parts, sender)
                for sender in self.named(PUBLISHER, name)
                for parts, number, at_ns in sender.kept
                if now_ns - at_ns < (sender.qos.lifespan.nanoseconds or math.inf)
            ]
            for at_ns, number, parts, sender in sorted(found, key=lambda each: each[:2]):
                take(parts, sender, number, at_ns)
            self.deliver(name, take)

    def end_delivery(self, name: str, take: Callable[..., None]) -> None:
        """No longer pass messages to `take`."""
        with self._lock:
            kept = [each for each in self.deliveries.get(name, ()) if each != take]
            self.deliveries[name] = kept
            if not kept:
                del self.deliveries[name]

    # Other processes

    def take_graph(self, graph: Any) -> None:
        """Take a new graph of the broker."""
        pid, profiles = os.getpid(), ShownProfiles(graph)
        found: list[End] = []
        for topic in graph.topics:
            if is_kits_own(topic.name):
                continue
            for kind, ends in (
                (PUBLISHER, topic.publishers),
                (SUBSCRIPTION, topic.subscribers),
            ):
                for each in ends:
                    if each.pid != pid:
                        found += _ends_of(kind, topic.name, each, profiles)
        peers = [each.name for each in graph.peers if each.pid != pid and each.name]
        nodes = [_split(name) for name in peers if not is_kits_own(name)]
        with self._lock:
            before, self._others = self._others, found
            self._other_nodes = nodes
            own = [each for each in self._own if each.kind in _OPPOSITE]
        for end in own:
            self._compare(end, before, found)
        self._changed()

    def _compare(self, end: End, before: list[End], found: list[End]) -> None:
        """Notify one of this process's ends of others that have come and gone."""
        fit = _fitting(found, end)
        change = len(fit) - len(_fitting(before, end))
        if change:
            _match(end, change)
        if end.liveliness is not None:
            end.liveliness.see(fit)
        for _, policy in (_misfits(found, end) - _misfits(before, end)).elements():
            _refuse(end, policy)
        end.refused = _refused(found, end)

    def _changed(self) -> None:
        for each in list(self.waiting):
            each.set()

    # Questions

    def all(self, kind: str) -> list[End]:
        """Return every end of a kind."""
        with self._lock:
            return [each for each in (*self._own, *self._others) if each.kind == kind]

    def named(self, kind: str, name: str) -> list[End]:
        """Return the ends of a kind of one topic or service."""
        return [each for each in self.all(kind) if each.name == name]

    def fitting(self, end: End) -> int:
        """Return the number of other ends of a topic that are compatible with one of ours."""
        with self._lock:
            return sum(not _faults(end, other) for other in self._pairs(end))

    def of_node(self, kind: str, node: str, namespace: str) -> list[End]:
        """Return the ends of a kind that a node has."""
        return [
            each for each in self.all(kind) if each.node == node and each.namespace == namespace
        ]

    def nodes(self) -> list[tuple[str, str]]:
        """Return the nodes: name and namespace."""
        with self._lock:
            return [*self._nodes, *self._other_nodes]


def _faults(one: End, other: End) -> list[QoSPolicyKind]:
    if one.qos is None or other.qos is None:
        return []
    if one.kind == PUBLISHER:
        return faults(one.qos, other.qos)
    return faults(other.qos, one.qos)


def _refuse(end: End, policy: QoSPolicyKind) -> None:
    if end.events is None:
        return

    def change(info: Any) -> None:
        count_one(info)
        info.last_policy_kind = kind_of_event(policy)

    end.events.happen(
        PublisherEventType.RCL_PUBLISHER_OFFERED_INCOMPATIBLE_QOS
        if end.kind == PUBLISHER
        else SubscriptionEventType.RCL_SUBSCRIPTION_REQUESTED_INCOMPATIBLE_QOS,
        change,
    )


def _match(end: End, change: int) -> None:
    if end.events is None:
        return
    end.events.happen(
        PublisherEventType.RCL_PUBLISHER_MATCHED
        if end.kind == PUBLISHER
        else SubscriptionEventType.RCL_SUBSCRIPTION_MATCHED,
        counting(total_count=max(change, 0), current_count=change),
    )


def _is_opposite(other: End, end: End) -> bool:
    return other.kind == _OPPOSITE[end.kind] and other.name == end.name


def _fitting(others: list[End], end: End) -> list[End]:
    return [each for each in others if _is_opposite(each, end) and not _faults(end, each)]


def _misfits(others: list[End], end: End) -> Counter[tuple[str, QoSPolicyKind]]:
    """Return the nodes with ends that do not fit one of ours, and the last policy that fails."""
    opposite = [(each.full_node, _faults(end, each)) for each in others if _is_opposite(each, end)]
    return Counter((node, wrong[-1]) for node, wrong in opposite if wrong)


def _refused(others: list[End], end: End) -> frozenset[str]:
    """Return the nodes of which no end fits: a message names its node, not its publisher."""
    fitting = {each.full_node for each in _fitting(others, end)}
    return frozenset(node for node, _ in _misfits(others, end)) - fitting


def _split(name: str) -> tuple[str, str]:
    namespace, _, own = name.rpartition("/")
    return own, namespace or "/"


def _ends_of(kind: str, topic: str, shown: Any, profiles: ShownProfiles) -> list[End]:
    """Return the ends of a node that the graph shows as one."""
    node, namespace = _split(shown.node)
    for suffix, other in ((REPLY, SERVICE), (REQUEST, CLIENT)):
        if topic.endswith(suffix):
            if kind != PUBLISHER:
                return []
            type_name = shown.type.removesuffix("_Response").removesuffix("_Request")
            return [End(other, topic.removesuffix(suffix), type_name, node, namespace)]
    known = profiles.of(kind, topic, shown)
    return [End(kind, topic, shown.type, node, namespace, each) for each in known]


ends: Final = Ends()
"""Those that this process knows."""


def wait_for_server(is_ready: Callable[[], bool], timeout_sec: float | None, context: Any) -> bool:
    """Wait until a server is ready, for ever if `timeout_sec` is None; False on timeout."""
    wakeup = Wakeup()
    ends.waiting.add(wakeup)
    began_sec = time.monotonic()
    left_sec = math.inf if timeout_sec is None else timeout_sec
    with context.waking(wakeup):
        while not is_ready():
            if not left_sec > 0.0:
                return False
            wakeup.wait(min(left_sec, _POLL_SEC))
            if timeout_sec is not None:
                left_sec = began_sec + timeout_sec - time.monotonic()
    return True


def names_and_types(found: list[End]) -> list[tuple[str, list[str]]]:
    """Return each name with its types, both sorted."""
    by_name: dict[str, set[str]] = {}
    for each in found:
        by_name.setdefault(each.name, set()).add(each.type_name)
    return [(name, sorted(types)) for name, types in sorted(by_name.items())]
