"""Checks of a namespace."""

from dsmq_nodes.rclpy.exceptions import InvalidNamespaceException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import check_name
from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault


def validate_namespace(namespace: str) -> bool:
    """Check a name.

    Raises:
        InvalidNamespaceException: it breaks the rules; the text points at the place.
    """
    missing = RMWError("failed to validate namespace: namespace_ argument is null")
    return check_name(namespace, "namespace", namespace_fault, missing, InvalidNamespaceException)
