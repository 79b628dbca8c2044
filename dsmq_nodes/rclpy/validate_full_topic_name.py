"""Checks of a full topic name."""

from dsmq_nodes.rclpy.exceptions import InvalidServiceNameException, InvalidTopicNameException
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.names.c_text import check_name
from dsmq_nodes.rclpy.impl.names.name_rules import full_topic_fault


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a name.

    Raises:
        InvalidTopicNameException: it breaks the rules; the text points at the place.
        InvalidServiceNameException: the same for a service.
    """
    missing = RMWError("failed to validate name: error not set")
    kind = InvalidServiceNameException if is_service else InvalidTopicNameException
    return check_name(name, "full_topic_name", full_topic_fault, missing, kind)
