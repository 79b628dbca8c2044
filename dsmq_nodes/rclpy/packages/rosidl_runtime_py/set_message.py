"""Messages set from dicts."""

from array import array
from typing import Any

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.interfaces.idl_types import AbstractNestedType, NamespacedType


def set_message_fields(
    msg: Any,
    values: dict[str, Any],
    expand_header_auto: bool = False,
    expand_time_now: bool = False,
) -> list[Any]:
    """Set the fields of a message from a dict; what it does not name stays.

    Raises:
        AttributeError: a field does not exist.
        TypeError: the values are no dict.
        ValueError: a value is of another type.
    """
    if not isinstance(values, dict):
        raise TypeError(
            f"Value '{values}' is expected to be a dictionary but is a {type(values).__name__}"
        )
    kinds = dict(zip(msg.get_fields_and_field_types(), msg.SLOT_TYPES, strict=True))
    for name, value in values.items():
        if name not in kinds:
            raise AttributeError(f"'{type(msg).__name__}' object has no attribute '{name}'")
        setattr(msg, name, _value(getattr(msg, name), kinds[name], value))
    return []


def _value(now: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, NamespacedType):
        if isinstance(value, dict):
            set_message_fields(now, value)
            return now
        return value
    if isinstance(kind, AbstractNestedType) and isinstance(kind.value_type, NamespacedType):
        cls = class_named("/".join((*kind.value_type.namespaces, kind.value_type.name)))
        return [_made(cls, each) for each in value]
    if isinstance(now, array) or hasattr(now, "dtype") or isinstance(now, list):
        return value
    if isinstance(now, bytes):
        return bytes([value]) if isinstance(value, int) else value
    return type(now)(value)


def _made(cls: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    made = cls()
    set_message_fields(made, value)
    return made
