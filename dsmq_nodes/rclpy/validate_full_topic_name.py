"""Checks of a full topic name."""

from dsmq_nodes.rclpy.exceptions import InvalidServiceNameException, InvalidTopicNameException
from dsmq_nodes.rclpy.impl.names.name_rules import full_topic_fault


def validate_full_topic_name(name: str, *, is_service: bool = False) -> bool:
    """Check a name.

    Raises:
        InvalidTopicNameException: it breaks the rules; the text points at the place.
        InvalidServiceNameException: the same for a service.
    """
    fault = full_topic_fault(name)
    if fault is not None:
        raise (InvalidServiceNameException if is_service else InvalidTopicNameException)(
            name, *fault
        )
    return True
