"""The actions of the graph: a server publishes their status, a client subscribes to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import (
    NodeNameNonExistentError,
    RCLError,
    wrong_arguments,
)
from dsmq_nodes.topic_names import ACTION

_FEEDBACK = f"{ACTION}/feedback"
_FEEDBACK_TYPE = "_FeedbackMessage"
_BY_NODE = (
    "get_action_{}_names_and_types_by_node(self: rclpy._rclpy_pybind11.Node, arg0: str, "
    "arg1: str) -> list"
)
Found = list[tuple[str, list[str]]]


@contextmanager
def _errors_of(end: str, *given: object) -> Iterator[None]:
    """Name an action's ends in the errors of graph questions."""
    if not all(isinstance(each, str) for each in given):
        raise wrong_arguments(_BY_NODE.format(end), *given)
    try:
        yield
    except RCLError as error:
        why = "error not set" if isinstance(error, NodeNameNonExistentError) else str(error)
        reason = why.partition(" names and types: ")[2] or why
        raise RCLError(f"Failed to get action {end} names and type: {reason}") from None


def _actions(topics: Found) -> Found:
    return [
        (name.removesuffix(_FEEDBACK), [each.removesuffix(_FEEDBACK_TYPE) for each in types])
        for name, types in topics
        if name.endswith(_FEEDBACK)
    ]


def get_action_client_names_and_types_by_node(
    node: Any, remote_node_name: str, remote_node_namespace: str
) -> Found:
    """Return the actions that a node calls.

    Raises:
        RCLError: there is no such node.
    """
    with _errors_of("client", remote_node_name, remote_node_namespace):
        ask = node.get_subscriber_names_and_types_by_node
        return _actions(ask(remote_node_name, remote_node_namespace))


def get_action_server_names_and_types_by_node(
    node: Any, remote_node_name: str, remote_node_namespace: str
) -> Found:
    """Return the actions that a node serves.

    Raises:
        RCLError: there is no such node.
    """
    with _errors_of("server", remote_node_name, remote_node_namespace):
        ask = node.get_publisher_names_and_types_by_node
        return _actions(ask(remote_node_name, remote_node_namespace))


def get_action_names_and_types(node: Any) -> Found:
    """Return all actions."""
    node.handle.check()
    return _actions(node.get_topic_names_and_types())
