"""Profiles that other processes see: an end that is not of the usual one has a topic beside it.

Nothing is published there; its name says the profile, and the broker's graph whose it is:
`/dsmq/qos/publisher/q2_2_0_0_0/chatter`. The numbers are reliability, durability, deadline in ns,
liveliness, lease in ns. A node of rclpy without such a topic has the usual profile: reliable,
volatile, nothing else. Of any other node's ends nothing is known, and they fit to all.
"""

from typing import Any, Final

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from dsmq_nodes.topic_names import EVERY_NODES_TOPICS, REPLY, is_call

_START: Final = "/dsmq/qos/"
_OF_RCLPY: Final = f"/get_type_description{REPLY}"
USUAL: Final = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)
_End = tuple[str, str, str, int]
"""Kind, topic, node, process."""


def name_of(kind: str, topic: str, qos: QoSProfile) -> str:
    """The topic beside an end; "" for a usual profile, and for what every node has."""
    if topic in EVERY_NODES_TOPICS or is_call(topic):
        return ""
    numbers = _numbers(qos)
    if numbers == _numbers(USUAL):
        return ""
    return f"{_START}{kind}/q{'_'.join(map(str, numbers))}{topic}"


def _numbers(qos: QoSProfile) -> tuple[int, ...]:
    return (
        int(qos.reliability) or 1,
        int(qos.durability) or 2,
        qos.deadline.nanoseconds,
        int(qos.liveliness) or 1,
        qos.liveliness_lease_duration.nanoseconds,
    )


class ShownProfiles:
    """The profiles that a graph shows."""

    def __init__(self, graph: Any) -> None:
        self._nodes: set[tuple[str, int]] = set()
        self._found: dict[_End, QoSProfile] = {}
        for topic in graph.topics:
            if topic.name.endswith(_OF_RCLPY):
                self._nodes.update((each.node, each.pid) for each in topic.publishers)
            elif topic.name.startswith(_START):
                self._read(topic)

    def _read(self, topic: Any) -> None:
        kind, code, name = topic.name.removeprefix(_START).split("/", 2)
        try:
            numbers = [int(each) for each in code.removeprefix("q").split("_")]
            reliability, durability, deadline_ns, liveliness, lease_ns = numbers
            profile = QoSProfile(
                depth=10,
                reliability=ReliabilityPolicy(reliability),
                durability=DurabilityPolicy(durability),
                deadline=Duration(nanoseconds=deadline_ns),
                liveliness=LivelinessPolicy(liveliness),
                liveliness_lease_duration=Duration(nanoseconds=lease_ns),
            )
        except ValueError:
            return  # a stranger's topic
        for each in topic.publishers:
            self._found[kind, f"/{name}", each.node, each.pid] = profile

    def of(self, kind: str, topic: str, end: Any) -> QoSProfile | None:
        """The profile of one end of a topic; None: not known."""
        usual = USUAL if (end.node, end.pid) in self._nodes else None
        return self._found.get((kind, topic, end.node, end.pid), usual)
