"""Answers a node's questions about the graph: ends of topics, their nodes, their profiles."""

import time
from typing import Final

from dsmq_nodes.rclpy.duration import Infinite
from dsmq_nodes.rclpy.expand_topic_name import expand_topic_name
from dsmq_nodes.rclpy.impl.c_errors import (
    NodeNameNonExistentError,
    RCLError,
    wrong_arguments,
)
from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault, node_fault
from dsmq_nodes.rclpy.impl.names.node_names import NodeNames
from dsmq_nodes.rclpy.impl.nodes.ends import (
    CLIENT,
    PUBLISHER,
    SERVICE,
    SUBSCRIPTION,
    End,
    ends,
    names_and_types,
)
from dsmq_nodes.rclpy.impl.nodes.node_handle import NodeHandle, graph_follower
from dsmq_nodes.rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from dsmq_nodes.rclpy.topic_endpoint_info import TopicEndpointInfo, TopicEndpointTypeEnum
from dsmq_nodes.rclpy.type_hash import TypeHash
from dsmq_nodes.rclpy.validate_full_topic_name import validate_full_topic_name

_POLL_SEC: Final = 0.1
_BY_NODE: Final = (
    "rclpy_get_{}_names_and_types_by_node(arg0: rclpy::Node, arg1: str, arg2: str) -> list"
)


class GraphQuestions:
    """The questions of one node, while that is not destroyed."""

    def __init__(self, handle: NodeHandle, names: NodeNames) -> None:
        self._handle = handle
        self._names = names

    def of_node(self, kind: str, name: str, namespace: str) -> list[tuple[str, list[str]]]:
        """Return the ends of a kind that a node has.

        Raises:
            NodeNameNonExistentError: there is no such node.
            RCLError: its name breaks the rules.
            TypeError: its name or namespace is no text.
        """
        what = _as_rcl_writes(kind)
        with self._handle:
            given: tuple[object, ...] = name, namespace
            if not all(isinstance(each, str) for each in given):
                raise wrong_arguments(_BY_NODE.format(what), self._handle, *given)
            self._handle.check_context(f"failed to get {what} names and types")
            fault = namespace_fault(namespace or "/") or node_fault(name)
            if fault is not None:
                has_slash = len(namespace) > 1 and namespace.endswith("/")
                code = (3 if has_slash else 2) if name else 1  # as rmw counts its errors
                raise RCLError(f"failed to get {what} names and types: {fault[0]}, result: {code}")
            graph_follower.ask()
            if (name, namespace or "/") not in ends.nodes():
                raise NodeNameNonExistentError(
                    f"cannot get {what} names and types for nonexistent node: error not set"
                )
            return names_and_types(ends.of_node(kind, name, namespace or "/"))

    def all(self, what: str, *kinds: str) -> list[End]:
        """Return all ends of some kinds; `what` begins the text of an error.

        Raises:
            RCLError: the context was shut down, by a signal.
        """
        with self._handle:
            self._handle.check_context(what)
            graph_follower.ask()
            return [each for kind in kinds for each in ends.all(kind)]

    def nodes(self) -> list[tuple[str, str]]:
        """Return all nodes: name and namespace; raises as `all`."""
        with self._handle:
            self._handle.check_context("Failed to get node names")
            graph_follower.ask()
            return ends.nodes()

    def count(self, kind: str, name: str) -> int:
        """Return the number of ends of a kind of a topic or a service."""
        full = self._full(name, is_service=kind in {SERVICE, CLIENT})
        what = f"Error in rcl_count_{_as_rcl_writes(kind)}s"
        return sum(each.name == full for each in self.all(what, kind))

    def infos(self, kind: str, topic: str, *, no_mangle: bool) -> list[TopicEndpointInfo]:
        """Return a description of each end of a topic."""
        if not no_mangle:
            topic = self._names.remapped(self._full(topic, is_service=False), is_service=False)
            what = f"Failed to get information by topic for {kind}s"
            return [_info(each) for each in self.all(what, kind) if each.name == topic]
        self._handle.check()
        return []  # the names of DDS are others

    def _full(self, name: str, *, is_service: bool) -> str:
        self._handle.check()
        full = expand_topic_name(name, self._handle.name, self._handle.namespace)
        validate_full_topic_name(full, is_service=is_service)
        return full

    def wait_for_node(self, full_name: str, timeout_sec: float) -> bool:
        """Wait until there is a node of an absolute name."""
        namespace, _, name = f"/{full_name.lstrip('/')}".rpartition("/")
        until_sec = time.monotonic() + timeout_sec
        while time.monotonic() < until_sec:
            if (name, namespace or "/") in self.nodes():
                return True
            time.sleep(_POLL_SEC)
        return False


def _as_rcl_writes(kind: str) -> str:
    return "subscriber" if kind == SUBSCRIPTION else kind


def _info(end: End) -> TopicEndpointInfo:
    is_publisher = end.kind == PUBLISHER
    info = TopicEndpointInfo(
        node_name=end.node,
        node_namespace=end.namespace,
        topic_type=end.type_name,
        topic_type_hash=TypeHash(),
        endpoint_type=TopicEndpointTypeEnum.PUBLISHER
        if is_publisher
        else TopicEndpointTypeEnum.SUBSCRIPTION,
        endpoint_gid=[0] * 16,
    )
    if end.qos is not None:
        info.qos_profile = _as_discovered(end.qos)
    return info


def _as_discovered(qos: QoSProfile) -> QoSProfile:
    """Return a profile as discovery shows it in ROS: no history; no limit of time is infinite."""
    lease = qos.liveliness_lease_duration
    return QoSProfile(
        history=HistoryPolicy.UNKNOWN,
        depth=0,
        reliability=qos.reliability or ReliabilityPolicy.RELIABLE,
        durability=qos.durability or DurabilityPolicy.VOLATILE,
        lifespan=qos.lifespan if qos.lifespan.nanoseconds else Infinite,
        deadline=qos.deadline if qos.deadline.nanoseconds else Infinite,
        liveliness=qos.liveliness or LivelinessPolicy.AUTOMATIC,
        liveliness_lease_duration=lease if lease.nanoseconds else Infinite,
    )
