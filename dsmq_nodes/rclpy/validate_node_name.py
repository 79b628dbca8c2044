"""Checks of a node name."""

from dsmq_nodes.rclpy.exceptions import InvalidNodeNameException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.name_rules import node_fault

_SIGNATURE = "rclpy_get_validation_error_for_node_name(arg0: str) -> object"


def validate_node_name(node_name: str) -> bool:
    """Check a name.

    Raises:
        InvalidNodeNameException: it breaks the rules; the text points at the place.
    """
    missing = RMWError("failed to validate node name: error not set")
    text = c_text(node_name, missing, _SIGNATURE)
    fault = node_fault(text)
    if fault is not None:
        raise InvalidNodeNameException(node_name, *fault)
    return True
