"""Classes of interfaces by their names."""

from typing import Any

from dsmq_nodes.errors import MessageError
from dsmq_nodes.rclpy.interfaces import action_named, class_named, service_named

_FINDERS: dict[str, Any] = {"msg": class_named, "srv": service_named, "action": action_named}


def get_interface(identifier: str) -> Any:
    """The class of `std_msgs/msg/String`, `std_srvs/srv/SetBool` or an action.

    Raises:
        ValueError: the name is not of that form.
        ModuleNotFoundError: there is no such interface.
    """
    parts = identifier.split("/")
    if len(parts) != 3 or parts[1] not in _FINDERS:
        raise ValueError(f"Expected the full name of an interface, got '{identifier}'")
    return _found(parts[1], identifier)


def get_message(identifier: str) -> Any:
    """The class of a message: `std_msgs/msg/String` or `std_msgs/String`; raises as above."""
    return _of_kind("msg", identifier)


def get_service(identifier: str) -> Any:
    """The class of a service; raises as above."""
    return _of_kind("srv", identifier)


def get_action(identifier: str) -> Any:
    """The class of an action; raises as above."""
    return _of_kind("action", identifier)


def _of_kind(kind: str, identifier: str) -> Any:
    parts = identifier.split("/")
    if len(parts) == 2:
        parts.insert(1, kind)
    if len(parts) != 3 or parts[1] != kind:
        raise ValueError(f"Expected the full name of a {kind}, got '{identifier}'")
    return _found(kind, "/".join(parts))


def _found(kind: str, name: str) -> Any:
    try:
        return _FINDERS[kind](name)
    except MessageError as error:
        raise ModuleNotFoundError(str(error)) from None


def is_message(cls: object) -> bool:
    """Whether something is a message class, or a message."""
    return hasattr(cls, "get_fields_and_field_types")
