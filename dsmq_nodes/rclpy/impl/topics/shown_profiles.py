"""Profiles that other processes see: an end that has not the usual one tells it (told_qos.py).

A node of rclpy that tells nothing of an end has the usual profile: reliable, volatile, nothing
else. What any other node does not tell is not known, and fits to all; so do the topics of services
and actions and those that every node has, of which nothing is told.
"""

import contextlib
from typing import Any, Final

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from dsmq_nodes.told_qos import End, ToldQoS, nodes_of_rclpy, told_qos, topic_beside
from dsmq_nodes.topic_names import EVERY_NODES_TOPICS, is_call

USUAL: Final = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)


def name_of(kind: str, topic: str, qos: QoSProfile) -> str:
    """The topic beside an end; "" for a usual profile, and where nothing is told."""
    if not _is_told(topic):
        return ""
    told = _told(qos)
    return topic_beside(kind, topic, told) if told != _told(USUAL) else ""


def _is_told(topic: str) -> bool:
    return topic not in EVERY_NODES_TOPICS and not is_call(topic)


def _told(qos: QoSProfile) -> ToldQoS:
    return ToldQoS(
        reliability=int(qos.reliability) or 1,
        durability=int(qos.durability) or 2,
        deadline_ns=max(qos.deadline.nanoseconds, 0),
        liveliness=int(qos.liveliness) or 1,
        lease_ns=max(qos.liveliness_lease_duration.nanoseconds, 0),
        lifespan_ns=max(qos.lifespan.nanoseconds, 0),
    )


def _profile(told: ToldQoS) -> QoSProfile:
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy(told.reliability),
        durability=DurabilityPolicy(told.durability),
        deadline=Duration(nanoseconds=told.deadline_ns),
        liveliness=LivelinessPolicy(told.liveliness),
        liveliness_lease_duration=Duration(nanoseconds=told.lease_ns),
        lifespan=Duration(nanoseconds=told.lifespan_ns),
    )


class ShownProfiles:
    """The profiles that a graph shows."""

    def __init__(self, graph: Any) -> None:
        self._nodes = nodes_of_rclpy(graph.topics)
        self._found: dict[End, QoSProfile] = {}
        for end, told in told_qos(graph.topics).items():
            with contextlib.suppress(ValueError):  # a stranger's numbers
                self._found[end] = _profile(told)

    def of(self, kind: str, topic: str, end: Any) -> QoSProfile | None:
        """The profile of one end of a topic; None: not known."""
        is_usual = _is_told(topic) and (end.node, end.pid) in self._nodes
        usual = USUAL if is_usual else None
        return self._found.get((kind, topic, end.node, end.pid), usual)
