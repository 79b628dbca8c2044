"""Checks of a topic's name, as a program writes it."""

from dsmq_nodes.rclpy.exceptions import InvalidServiceNameException, InvalidTopicNameException
from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names.c_text import check_name
from dsmq_nodes.rclpy.impl.names.name_rules import topic_fault

TOPIC_SEPARATOR_STRING = "/"


def validate_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a name.

    Raises:
        InvalidTopicNameException: it breaks the rules; the text points at the place.
        InvalidServiceNameException: the same for a service.
    """
    missing = RCLError("failed to validate name: topic_name argument is null")
    kind = InvalidServiceNameException if is_service else InvalidTopicNameException
    return check_name(name, "topic_name", topic_fault, missing, kind)
