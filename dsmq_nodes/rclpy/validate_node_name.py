"""Checks of a node name."""

from dsmq_nodes.rclpy.exceptions import InvalidNodeNameException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import check_name
from dsmq_nodes.rclpy.impl.names.name_rules import node_fault


def validate_node_name(node_name: str) -> bool:
    """Check a name.

    Raises:
        InvalidNodeNameException: it breaks the rules; the text points at the place.
    """
    missing = RMWError("failed to validate node name: error not set")
    return check_name(node_name, "node_name", node_fault, missing, InvalidNodeNameException)
