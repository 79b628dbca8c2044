"""Checks of a full topic name."""

from dsmq_nodes.rclpy.exceptions import InvalidServiceNameException, InvalidTopicNameException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.name_rules import full_topic_fault

_SIGNATURE = "rclpy_get_validation_error_for_full_topic_name(arg0: str) -> object"


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a name.

    Raises:
        InvalidTopicNameException: it breaks the rules; the text points at the place.
        InvalidServiceNameException: the same for a service.
    """
    missing = RMWError("failed to validate name: error not set")
    text = c_text(name, missing, _SIGNATURE)
    fault = full_topic_fault(text)
    if fault is not None:
        raise (InvalidServiceNameException if is_service else InvalidTopicNameException)(
            name, *fault
        )
    return True
