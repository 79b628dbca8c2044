"""Finds interfaces by their names in ROS, and makes the classes of each once.

A type is a message of this kit, one that a program registered, or one of a `.msg`, `.srv` or
`.action` file in a folder of interfaces (`interface_folders`).
"""

import importlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from msgspec.structs import replace

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.definition import message_definition
from dsmq_nodes.messages.schema.from_definition import message_from_definition
from dsmq_nodes.messages.schema.interface_folders import add_share, definition_in_folders
from dsmq_nodes.messages.schema.interface_text import MessageDefinition
from dsmq_nodes.rclpy.interfaces.conversion import Conversion
from dsmq_nodes.rclpy.interfaces.message_class import make_message_class
from dsmq_nodes.rclpy.interfaces.service_class import (
    action_definition,
    event_definition,
    make_action_class,
    make_service_class,
)

# Types that this kit has no classes of: read as they are in ROS, for programs that use them.
add_share(Path(__file__).parents[1] / "share")

_messages: Final[dict[str, type[Message]]] = {}
_by_class: Final[dict[type, Conversion]] = {}
# Zeros that ROS's own definitions state as defaults: `Quaternion.X__DEFAULT` exists.
_EXPLICIT_ZEROS: Final[dict[str, dict[str, Any]]] = {
    "geometry_msgs/msg/Quaternion": {"x": 0.0, "y": 0.0, "z": 0.0},
    "rcl_interfaces/msg/ParameterDescriptor": {"read_only": False, "dynamic_typing": False},
}


def ros_class(message_class: type[Message]) -> Any:
    """Return the class in ROS's clothes of a message class of ours."""
    _register(message_class)
    return conversion_named(message_class.type_name).ros_class


def to_ros(message: Message) -> Any:
    """Return a message of ours in ROS's clothes."""
    cls = type(message)
    if cls.type_name not in _messages:
        _register(cls)
    return conversion_named(cls.type_name).to_ros(message)


def from_ros(message: Any) -> Message:
    """Return our message of one in ROS's clothes.

    Raises:
        TypeError, OverflowError, ValueError, AttributeError: a field holds a wrong value.
    """
    return conversion_of(type(message)).from_ros(message)


def conversion_of(cls: type) -> Conversion:
    """Return the conversion of a message class in ROS's clothes, or of a subclass of it.

    Raises:
        TypeError: it is no such class.
    """
    found = _by_class.get(cls)
    if found is not None:
        return found
    for base in getattr(cls, "__mro__", ()):
        if base in _by_class:
            return _by_class[base]
    raise TypeError(f"{cls!r} is no message class of ROS")


@cache
def conversion_named(type_name: str) -> Conversion:
    """Return the conversion of a message type: `std_msgs/msg/String`, `std_srvs/srv/Empty_Request`.

    Raises:
        MessageError: there is no such type.
    """
    definition = definition_named(type_name)
    made = make_message_class(definition, class_named)
    found = Conversion(definition, made, conversion_named, lambda: message_named(type_name))
    _by_class[made] = found
    return found


def class_named(type_name: str) -> Any:
    """Return the message class in ROS's clothes of a type; raises as `conversion_named`."""
    return conversion_named(type_name).ros_class


@cache
def service_named(type_name: str) -> Any:
    """Return the service class in ROS's clothes of `std_srvs/srv/SetBool`; raises as above."""
    return make_service_class(type_name, class_named)


@cache
def action_named(type_name: str) -> Any:
    """Return the action class in ROS's clothes of `test_msgs/action/Fibonacci`; raises as above."""
    return make_action_class(type_name, class_named, service_named)


def definition_named(type_name: str) -> MessageDefinition:
    """Return the definition of a message type.

    Raises:
        MessageError: there is no such type, or its definition cannot be read.
    """
    known = _messages.get(type_name) or _standard(type_name)
    if known is not None:
        return _with_explicit_zeros(message_definition(known))
    own = _of_itself(type_name) or definition_in_folders(type_name)
    if own is None:
        raise MessageError(f"there is no interface {type_name}")
    return own


def _with_explicit_zeros(definition: MessageDefinition) -> MessageDefinition:
    zeros = _EXPLICIT_ZEROS.get(definition.type_name)
    if not zeros:
        return definition
    fields = (
        replace(each, default=zeros.get(each.name, each.default)) for each in definition.fields
    )
    return replace(definition, fields=tuple(fields))


@cache
def message_named(type_name: str) -> type[Message]:
    """Return our message class of a type; raises as `definition_named`."""
    known = _messages.get(type_name) or _standard(type_name)
    return known or message_from_definition(definition_named(type_name), message_named)


def _of_itself(type_name: str) -> MessageDefinition | None:
    """Return the definition of a message that ROS derives from a service or an action."""
    if type_name.endswith("_Event"):
        return event_definition(type_name)
    return action_definition(type_name) if "/action/" in type_name else None


def _standard(type_name: str) -> type[Message] | None:
    package, kind, name = type_name.split("/")
    found = standard_interfaces(package).get(f"{package}/{kind}/{name.split('_')[0]}")
    for part in name.split("_")[1:]:
        found = getattr(found, part, None)
    is_message = isinstance(found, type) and issubclass(found, Message)
    return found if is_message and found.type_name == type_name else None  # type: ignore[union-attr]


@cache
def standard_interfaces(package: str) -> dict[str, Any]:
    """Return the messages, services and actions of a ROS package in this kit, by their names."""
    found: dict[str, Any] = {}
    short = package.removesuffix("_msgs")
    for name in dict.fromkeys((short, package, f"{short}_srv", f"{package}_srv", "base")):
        where = f"dsmq_nodes.messages.{name}"
        if importlib.util.find_spec(where) is None:
            continue
        for each, value in vars(importlib.import_module(where)).items():
            type_name = getattr(value, "type_name", None)
            if not each.startswith("_") and isinstance(type_name, str) and isinstance(value, type):
                found[type_name] = value
    return {name: each for name, each in found.items() if name.startswith(f"{package}/")}


def _register(message_class: type[Message]) -> None:
    """Store a class, and those of its fields, under their names."""
    if message_class.type_name in _messages:
        return
    _messages[message_class.type_name] = message_class
    for field in message_class.model_fields.values():
        for nested in _nested(field.annotation):
            _register(nested)


def _nested(annotation: Any) -> Iterator[type[Message]]:
    if isinstance(annotation, type) and issubclass(annotation, Message):
        yield annotation
    for inner in get_args(annotation):
        yield from _nested(inner)
