"""Sets the fields of messages from dicts."""

from array import array
from functools import partial
from typing import Any, Final

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.interfaces.idl_types import AbstractNestedType, NamespacedType

_HEADER: Final = ("std_msgs", "msg", "Header")
_TIME: Final = ("builtin_interfaces", "msg", "Time")


def set_message_fields(
    msg: Any,
    values: dict[str, Any],
    expand_header_auto: bool = False,
    expand_time_now: bool = False,
) -> list[Any]:
    """Set the fields of a message from a dict; those that it does not name stay.

    A message in a field is made anew: what the dict does not name there has its default.

    Args:
        msg: the message.
        values: its fields.
        expand_header_auto: "auto" for a header is its stamp, to be set by the caller.
        expand_time_now: "now" for a time is to be set by the caller.

    Returns:
        A function for each of these times, which sets it.

    Raises:
        AttributeError: a field does not exist.
        TypeError: the values are no dict.
        ValueError: a value is of another type.
    """
    setting = _Setting(is_header_auto=expand_header_auto, is_time_now=expand_time_now)
    setting.fields(msg, values)
    return setting.times


class _Setting:
    def __init__(self, *, is_header_auto: bool, is_time_now: bool) -> None:
        self.times: list[Any] = []
        self._is_header_auto, self._is_time_now = is_header_auto, is_time_now

    def fields(self, msg: Any, values: Any) -> None:
        """See `set_message_fields`."""
        if not isinstance(values, dict):
            raise TypeError(
                f"Value '{values}' is expected to be a dictionary but is a {type(values).__name__}"
            )
        kinds = dict(zip(msg.get_fields_and_field_types(), msg.SLOT_TYPES, strict=True))
        for name, value in values.items():
            if name not in kinds:
                raise AttributeError(f"'{type(msg).__name__}' object has no attribute '{name}'")
            if not self._is_later(msg, name, kinds[name], value):
                setattr(msg, name, self._value(getattr(msg, name), kinds[name], value))

    def _is_later(self, msg: Any, name: str, kind: Any, value: Any) -> bool:
        """Whether the caller sets the field."""
        full_name = kind.namespaced_name() if isinstance(kind, NamespacedType) else ()
        if self._is_header_auto and full_name == _HEADER and value == "auto":
            self.times.append(partial(setattr, getattr(msg, name), "stamp"))
            return True
        if self._is_time_now and full_name == _TIME and value == "now":
            self.times.append(partial(setattr, msg, name))
            return True
        return False

    def _value(self, now: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, NamespacedType):
            return self._message(kind, value)
        if isinstance(kind, AbstractNestedType) and isinstance(kind.value_type, NamespacedType):
            return [self._message(kind.value_type, each) for each in value]
        if isinstance(now, array) or hasattr(now, "dtype"):
            return value
        if isinstance(now, bytes):
            return bytes([value]) if isinstance(value, int) else value
        return type(now)(value)

    def _message(self, kind: NamespacedType, value: Any) -> Any:
        cls = class_named("/".join(kind.namespaced_name()))
        if isinstance(value, cls):
            return value
        made = cls()
        self.fields(made, value)
        return made
