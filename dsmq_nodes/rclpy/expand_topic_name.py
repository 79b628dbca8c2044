"""From a name as a program writes it to the absolute one."""

from dsmq_nodes.rclpy.exceptions import (
    InvalidNamespaceException,
    InvalidNodeNameException,
    InvalidTopicNameException,
)
from dsmq_nodes.rclpy.impl.names import name_rules


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """The absolute name of a topic; the result may still break the rules of absolute names.

    Raises:
        InvalidTopicNameException: the topic's name breaks the rules.
        InvalidNodeNameException: the node's name does.
        InvalidNamespaceException: the namespace does.
        ValueError: a substitution that does not exist.
    """
    fault = name_rules.topic_fault(topic_name)
    if fault is not None:
        raise InvalidTopicNameException(topic_name, *fault)
    fault = name_rules.node_fault(node_name)
    if fault is not None:
        raise InvalidNodeNameException(node_name, *fault)
    fault = name_rules.namespace_fault(node_namespace)
    if fault is not None:
        raise InvalidNamespaceException(node_namespace, *fault)
    try:
        return name_rules.absolute(topic_name, node_name, node_namespace)
    except KeyError as unknown:
        name = unknown.args[0]
        raise ValueError(
            f"topic name '{topic_name}' is invalid: unknown substitution: {{{name}}}"
        ) from None
