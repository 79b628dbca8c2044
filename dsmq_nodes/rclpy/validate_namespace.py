"""Checks of a namespace."""

from dsmq_nodes.rclpy.exceptions import InvalidNamespaceException
from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault


def validate_namespace(namespace: str) -> bool:
    """Check a name.

    Raises:
        InvalidNamespaceException: it breaks the rules; the text points at the place.
    """
    fault = namespace_fault(namespace)
    if fault is not None:
        raise InvalidNamespaceException(namespace, *fault)
    return True
