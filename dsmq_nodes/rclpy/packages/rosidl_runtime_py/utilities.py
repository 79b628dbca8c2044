"""Finds classes of interfaces by their names."""

from typing import Any

from dsmq_nodes.rclpy.interfaces.idl_types import NamespacedType
from dsmq_nodes.rclpy.packages.rosidl_runtime_py.import_message import (
    import_message_from_namespaced_type,
)


def get_interface(identifier: str) -> Any:
    """Return the class of `std_msgs/msg/String`, `std_srvs/srv/SetBool` or an action.

    Raises:
        ModuleNotFoundError: there is no such package.
        AttributeError: it has no such interface.
        ValueError: the name is not of that form, or of another kind.
    """
    return import_message_from_namespaced_type(get_namespaced_type(identifier))


def get_message(identifier: str) -> Any:
    """Return the class of a message: `std_msgs/msg/String`, `std_msgs/String`; raises as above."""
    found = import_message_from_namespaced_type(get_message_namespaced_type(identifier))
    if not is_message(found):
        raise ValueError(f"Expected the full name of a message, got '{identifier}'")
    return found


def get_service(identifier: str) -> Any:
    """Return the class of a service; raises as above."""
    found = import_message_from_namespaced_type(get_service_namespaced_type(identifier))
    if not is_service(found):
        raise ValueError(f"Expected the full name of a service, got '{identifier}'")
    return found


def get_action(identifier: str) -> Any:
    """Return the class of an action; raises as above."""
    found = import_message_from_namespaced_type(get_action_namespaced_type(identifier))
    if not is_action(found):
        raise ValueError(f"Expected the full name of an action, got '{identifier}'")
    return found


def get_namespaced_type(identifier: str) -> NamespacedType:
    """Return the type of a full name."""
    return _type(identifier, "")


def get_message_namespaced_type(identifier: str) -> NamespacedType:
    """Return the type of a message's name, with or without `msg`."""
    return _type(identifier, "msg")


def get_service_namespaced_type(identifier: str) -> NamespacedType:
    """Return the type of a service's name, with or without `srv`."""
    return _type(identifier, "srv")


def get_action_namespaced_type(identifier: str) -> NamespacedType:
    """Return the type of an action's name, with or without `action`."""
    return _type(identifier, "action")


def _type(identifier: str, kind: str) -> NamespacedType:
    *namespaces, name = identifier.split("/")
    if len(namespaces) == 1 and kind:
        namespaces.append(kind)
    return NamespacedType(namespaces, name)


def is_message(interface: object) -> bool:
    """Whether something is a message class, or a message."""
    return hasattr(interface, "SLOT_TYPES")


def is_service(interface: object) -> bool:
    """Whether something is a service class."""
    return hasattr(interface, "Request") and hasattr(interface, "Response")


def is_action(interface: object) -> bool:
    """Whether something is an action class."""
    return all(hasattr(interface, name) for name in ("Goal", "Result", "Feedback"))
