"""Checks of a topic's name, as a program writes it."""

from dsmq_nodes.rclpy.exceptions import InvalidServiceNameException, InvalidTopicNameException
from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.name_rules import topic_fault

TOPIC_SEPARATOR_STRING = "/"
_SIGNATURE = "rclpy_get_validation_error_for_topic_name(arg0: str) -> object"


def validate_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a name.

    Raises:
        InvalidTopicNameException: it breaks the rules; the text points at the place.
        InvalidServiceNameException: the same for a service.
    """
    missing = RCLError("failed to validate name: topic_name argument is null")
    text = c_text(name, missing, _SIGNATURE)
    fault = topic_fault(text)
    if fault is not None:
        raise (InvalidServiceNameException if is_service else InvalidTopicNameException)(
            name, *fault
        )
    return True
