"""Expands topic names as programs write them to absolute ones."""

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names import name_rules
from dsmq_nodes.rclpy.impl.names.c_text import c_text

_SIGNATURE = "rclpy_expand_topic_name(arg0: str, arg1: str, arg2: str) -> str"


def expand_topic_name(topic_name: str, node_name: str, node_namespace: str) -> str:
    """Return the absolute name of a topic; the result may still break the rules of absolute names.

    Raises:
        ValueError: a name breaks the rules, or a substitution does not exist.
    """
    missing = RCLError("failed to do name expansion: input_topic_name argument is null")
    given = topic_name, node_name, node_namespace
    topic_name = c_text(topic_name, missing, _SIGNATURE, *given)
    for what, name, fault in (
        ("topic name", topic_name, name_rules.topic_fault(topic_name)),
        ("node name", node_name, name_rules.node_fault(node_name)),
        ("node namespace", node_namespace, name_rules.namespace_fault(node_namespace)),
    ):
        if fault is not None:
            raise ValueError(f"{what} '{name}' is invalid: {fault[0]}")
    try:
        return name_rules.absolute(topic_name, node_name, node_namespace)
    except KeyError as unknown:
        name = unknown.args[0]
        raise ValueError(
            f"topic name '{topic_name}' is invalid: unknown substitution: {{{name}}}"
        ) from None
