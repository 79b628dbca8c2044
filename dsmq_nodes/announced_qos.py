"""The QoS that an end of a topic announces to others, by a topic beside it.

The queue has no QoS. The part of a profile that others need is in the name of a topic on which
nothing is published, and the broker's graph shows whose topic it is:
`/dsmq/qos/publisher/q1_2_100000000_0_0_0/scan`. The numbers are the fields of `AnnouncedQoS`. For a
node with several publishers of a topic one name announces all: `q1_2_0_1_0_0q2_2_0_1_0_0`.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from dsmq_nodes.topic_names import REPLY

_START: Final = "/dsmq/qos/"
_OF_RCLPY: Final = f"/get_type_description{REPLY}"  # every program for rclpy has this service
End = tuple[str, str, str, int]
"""`publisher` or `subscription`, its topic, its node, its process number."""


class AnnouncedQoS(NamedTuple):
    """The announced QoS; 0: not announced.

    Attributes:
        reliability: 1 reliable, 2 best effort, as ROS numbers them.
        durability: 1 transient local, 2 volatile.
        deadline_ns: the longest time between two messages.
        liveliness: 1 automatic, 3 manual by topic.
        lease_ns: how long the end counts as alive.
        lifespan_ns: how long a message is valid.
    """

    reliability: int = 0
    durability: int = 0
    deadline_ns: int = 0
    liveliness: int = 0
    lease_ns: int = 0
    lifespan_ns: int = 0


USUAL: Final = AnnouncedQoS(reliability=1, durability=2, liveliness=1)
"""The QoS of an end of a program for rclpy that announces nothing."""


def qos_topic(kind: str, topic: str, *qos: AnnouncedQoS) -> str:
    """Return the name of the topic that announces a node's `publisher`s or `subscription`s."""
    codes = [f"q{'_'.join(map(str, each))}" for each in qos]
    return f"{_START}{kind}/{''.join(codes)}{topic}"


def announced_qos(topics: Iterable[Any]) -> dict[End, AnnouncedQoS]:
    """Return the QoS that a graph's topics announce, by end: of several, the first one."""
    return {end: announced[0] for end, announced in all_announced_qos(topics).items()}


def all_announced_qos(topics: Iterable[Any]) -> dict[End, list[AnnouncedQoS]]:
    """Return the announced QoS of each node's publishers or subscriptions of a topic."""
    found: dict[End, list[AnnouncedQoS]] = {}
    for beside in topics:
        if not beside.name.startswith(_START):
            continue
        kind, code, name = beside.name.removeprefix(_START).split("/", 2)
        try:
            qos = [AnnouncedQoS(*map(int, each.split("_"))) for each in code.split("q")[1:]]
        except (TypeError, ValueError):
            continue  # another program's topic
        for end in beside.publishers:
            key = kind, f"/{name}", end.node, end.pid
            # While one announcement replaces another, both are there; the longer one has all ends.
            # An end is announced before it exists, and until it has gone.
            found[key] = max(found.get(key, []), qos, key=len)
    return found


def kept_by_all(announced: Iterable[AnnouncedQoS]) -> AnnouncedQoS:
    """Return the deadline and lifespan that all of several publishers keep: the longest."""
    found = [*announced]
    deadlines = [each.deadline_ns for each in found]
    lifespans = [each.lifespan_ns for each in found]
    return AnnouncedQoS(
        deadline_ns=max(deadlines) if all(deadlines) else 0,
        lifespan_ns=max(lifespans) if all(lifespans) else 0,
    )


def nodes_of_rclpy(topics: Iterable[Any]) -> set[tuple[str, int]]:
    """Return the nodes, with processes, that are programs for rclpy: their QoS has defaults."""
    return {
        (end.node, end.pid)
        for topic in topics
        if topic.name.endswith(_OF_RCLPY)
        for end in topic.publishers
    }


def misfit(offered: AnnouncedQoS, requested: AnnouncedQoS) -> str:
    """Return why a publisher's QoS does not fit a subscription's, by ROS's rules; "": it fits."""
    rules = (
        (
            offered.reliability == 2 and requested.reliability == 1,
            "it is best effort, the subscription asks for reliable",
        ),
        (
            offered.durability == 2 and requested.durability == 1,
            "it is volatile, the subscription asks for transient local",
        ),
        (
            _is_longer(offered.deadline_ns, requested.deadline_ns),
            "its deadline is longer than the one that the subscription asks for, or it has none",
        ),
        (
            offered.liveliness == 1 and requested.liveliness == 3,
            "its liveliness is automatic, the subscription asks for manual by topic",
        ),
        (
            _is_longer(offered.lease_ns, requested.lease_ns),
            "its lease is longer than the one that the subscription asks for, or it has none",
        ),
    )
    return "; ".join(text for is_so, text in rules if is_so)


def _is_longer(offered_ns: int, requested_ns: int) -> bool:
    return requested_ns > 0 and not 0 < offered_ns <= requested_ns
