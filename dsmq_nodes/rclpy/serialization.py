"""Messages as bytes: CDR, as ROS 2 has them on its wire and in its bags."""

from typing import Any

from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments
from dsmq_nodes.rclpy.impl.topics.cdr import from_cdr, to_cdr
from dsmq_nodes.rclpy.type_support import check_for_type_support


def serialize_message(message: Any) -> bytes:
    """Return a message as bytes.

    Raises:
        TypeError: a field holds a wrong value.
    """
    check_for_type_support(type(message))
    return to_cdr(message)


def deserialize_message(serialized_message: bytes, message_type: Any) -> Any:
    """Return the message in bytes.

    Raises:
        RMWError: they are no message of this type.
        TypeError: they are no bytes.
    """
    check_for_type_support(message_type)
    given: object = serialized_message
    if not isinstance(given, bytes):
        raise wrong_arguments(
            "rclpy_deserialize(arg0: bytes, arg1: object) -> object", given, message_type
        )
    return from_cdr(serialized_message, message_type)
