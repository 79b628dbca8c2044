"""Checks of the name of a parameter."""

from dsmq_nodes.rclpy.exceptions import InvalidParameterException


def validate_parameter_name(name: str) -> bool:
    """Check a name: only the empty one is invalid.

    Raises:
        InvalidParameterException: it is empty.
    """
    if not name:
        raise InvalidParameterException(name)
    return True
