"""Which actions there are: a server publishes their status, a client subscribes it."""

from typing import Any

from dsmq_nodes.rclpy.impl.also_importable import also_importable
from dsmq_nodes.topic_names import ACTION

_FEEDBACK = f"{ACTION}/feedback"
_FEEDBACK_TYPE = "_FeedbackMessage"
Found = list[tuple[str, list[str]]]


def _actions(topics: Found) -> Found:
    return [
        (name.removesuffix(_FEEDBACK), [each.removesuffix(_FEEDBACK_TYPE) for each in types])
        for name, types in topics
        if name.endswith(_FEEDBACK)
    ]


def get_action_client_names_and_types_by_node(
    node: Any, remote_node_name: str, remote_node_namespace: str
) -> Found:
    """The actions that a node calls.

    Raises:
        NodeNameNonExistentError: there is no such node.
    """
    return _actions(
        node.get_subscriber_names_and_types_by_node(remote_node_name, remote_node_namespace)
    )


def get_action_server_names_and_types_by_node(
    node: Any, remote_node_name: str, remote_node_namespace: str
) -> Found:
    """The actions that a node serves.

    Raises:
        NodeNameNonExistentError: there is no such node.
    """
    return _actions(
        node.get_publisher_names_and_types_by_node(remote_node_name, remote_node_namespace)
    )


def get_action_names_and_types(node: Any) -> Found:
    """All actions."""
    return _actions(node.get_topic_names_and_types())


__getattr__ = also_importable(__name__)
