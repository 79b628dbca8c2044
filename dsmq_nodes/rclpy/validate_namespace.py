"""Checks of a namespace."""

from dsmq_nodes.rclpy.exceptions import InvalidNamespaceException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault

_SIGNATURE = "rclpy_get_validation_error_for_namespace(arg0: str) -> object"


def validate_namespace(namespace: str) -> bool:
    """Check a name.

    Raises:
        InvalidNamespaceException: it breaks the rules; the text points at the place.
    """
    missing = RMWError("failed to validate namespace: namespace_ argument is null")
    text = c_text(namespace, missing, _SIGNATURE)
    fault = namespace_fault(text)
    if fault is not None:
        raise InvalidNamespaceException(namespace, *fault)
    return True
