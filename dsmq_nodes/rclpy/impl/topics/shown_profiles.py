"""Profiles that other processes see: a node announces those of its ends (announced_qos.py).

A node of rclpy that announces nothing has one end with the usual profile: reliable, volatile,
nothing else. The profile of any other node that announces nothing is not known, and fits all; so
do the topics of services and actions and those that every node has, for which none is announced.
"""

import contextlib
import threading
from collections.abc import Sequence
from typing import Any, Final

from dsmq_nodes.announced_qos import (
    AnnouncedQoS,
    End,
    all_announced_qos,
    nodes_of_rclpy,
    qos_topic,
)
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from dsmq_nodes.topic_names import EVERY_NODES_TOPICS, is_call

USUAL: Final = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)


def _is_announced(topic: str) -> bool:
    return topic not in EVERY_NODES_TOPICS and not is_call(topic)


def _announced(qos: QoSProfile) -> AnnouncedQoS:
    return AnnouncedQoS(
        reliability=int(qos.reliability) or 1,
        durability=int(qos.durability) or 2,
        deadline_ns=max(qos.deadline.nanoseconds, 0),
        liveliness=int(qos.liveliness) or 1,
        lease_ns=max(qos.liveliness_lease_duration.nanoseconds, 0),
        lifespan_ns=max(qos.lifespan.nanoseconds, 0),
    )


def _profile(announced: AnnouncedQoS) -> QoSProfile:
    return QoSProfile(
        depth=10,
        reliability=ReliabilityPolicy(announced.reliability),
        durability=DurabilityPolicy(announced.durability),
        deadline=Duration(nanoseconds=announced.deadline_ns),
        liveliness=LivelinessPolicy(announced.liveliness),
        liveliness_lease_duration=Duration(nanoseconds=announced.lease_ns),
        lifespan=Duration(nanoseconds=announced.lifespan_ns),
    )


class AnnouncedProfiles:
    """Publishes the profiles of a node's ends, on a topic beside each topic, at each change."""

    def __init__(self, kit: Any) -> None:
        self._kit = kit
        self._announced: dict[tuple[str, str], list[AnnouncedQoS]] = {}
        self._beside: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, topic: str, qos: QoSProfile, carrier: Any) -> None:
        """Add an end of a topic; others see its profile before the end itself."""
        if _is_announced(topic):
            with self._lock:
                self._announced.setdefault((kind, topic), []).append(_announced(qos))
                self._show(kind, topic, carrier)

    def remove(self, kind: str, topic: str, qos: QoSProfile, carrier: Any) -> None:
        """Remove an end."""
        if _is_announced(topic):
            with self._lock:
                self._announced[kind, topic].remove(_announced(qos))
                self._show(kind, topic, carrier)

    def _show(self, kind: str, topic: str, carrier: Any) -> None:
        announced, before = self._announced[kind, topic], self._beside.pop((kind, topic), None)
        if announced and announced != [_announced(USUAL)]:
            name = qos_topic(kind, topic, *announced)
            self._beside[kind, topic] = io.run(self._kit.create_publisher, carrier, name, 1)
        if before is not None:
            io.run(self._kit.destroy_publisher, before)


class ShownProfiles:
    """The profiles that a graph shows."""

    def __init__(self, graph: Any) -> None:
        self._nodes = nodes_of_rclpy(graph.topics)
        self._found: dict[End, list[QoSProfile]] = {}
        for end, announced in all_announced_qos(graph.topics).items():
            with contextlib.suppress(ValueError):  # a stranger's numbers
                self._found[end] = [_profile(each) for each in announced]

    def of(self, kind: str, topic: str, end: Any) -> Sequence[QoSProfile | None]:
        """Return the profiles of a node's ends of a topic; None: not known."""
        is_usual = _is_announced(topic) and (end.node, end.pid) in self._nodes
        usual = [USUAL if is_usual else None]
        return self._found.get((kind, topic, end.node, end.pid), usual)
