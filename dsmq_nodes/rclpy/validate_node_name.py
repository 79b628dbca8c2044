"""Checks of a node name."""

from dsmq_nodes.rclpy.exceptions import InvalidNodeNameException
from dsmq_nodes.rclpy.impl.names.name_rules import node_fault


def validate_node_name(node_name: str) -> bool:
    """Check a name.

    Raises:
        InvalidNodeNameException: it breaks the rules; the text points at the place.
    """
    fault = node_fault(node_name)
    if fault is not None:
        raise InvalidNodeNameException(node_name, *fault)
    return True
