"""Converts ROS messages to the kit's JSON and back, by functions made once for each type.

rosidl describes the fields of a class (`SLOT_TYPES`), so types of a robot's own workspace work like
the standard ones. The JSON is that of dsmq_nodes.messages: `uint8[]` and `byte[]` are base64, NaN
and infinity are strings. A `float32` is written as the shortest text that gives the same `float32`,
so that 0.1 is read as 0.1.

rclpy's setters check little, and its C code sends garbage for a value of a wrong type. Every value
is therefore checked here, and an error names the field.
"""

import array
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np
import pybase64
from rosidl_parser import definition as idl

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.ring.record import RingRecord
from dsmq_nodes.gateways.ros2.ros_classes import (
    BYTES,
    class_of,
    fields_of,
    is_bytes,
    ros_class,
    schema_of,
)
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.messages.schema.large_field import LARGE_BYTES
from dsmq_nodes.messages.schema.ros_base import INTEGERS, NON_FINITE, number_or_text

Convert = Callable[[Any], Any]
Parts = tuple[str, str, bytes]
"""A message in a link's form: JSON without its large field, the field's name, its bytes."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = json_reader(dict[str, Any])
_REALS: Final = frozenset({"float", "double", "long double"})
# Python's array.array and numpy's dtype for each of rosidl's numbers.
_CODES: Final = {
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float": "f",
    "double": "d",
}
_ERRORS: Final = (TypeError, ValueError, OverflowError, AttributeError)


class ConversionError(ValueError):
    """A value does not fit its field in ROS; the text names the field."""


class RosType:
    """One message class of ROS, and the conversions of its objects.

    Attributes:
        cls: the class.
        schema: its JSON Schema as text: the kit's own if the kit has the type.
    """

    def __init__(self, type_name: str, cls: Any) -> None:
        self.cls = cls
        self.schema = schema_of(type_name, cls)
        self._values, self._object = _to_values(cls), _to_object(cls)
        # A large field is sent as bytes beside the text if both ends share memory.
        names = [name for name, kind in fields_of(cls) if is_bytes(kind)]
        self._large = names[-1] if names else ""

    def text(self, msg: Any) -> str:
        """Return an object as JSON.

        Raises:
            ConversionError: a text in the object is not UTF-8.
        """
        return _json(self._values(msg))

    def parts(self, msg: Any) -> Parts:
        """Return an object as JSON, and separately its large field, if it has one."""
        large = getattr(msg, self._large) if self._large else b""
        if len(large) < LARGE_BYTES:
            return self.text(msg), "", b""
        setattr(msg, self._large, array.array("B"))  # nothing else uses the object
        values = self._values(msg)
        del values[self._large]
        return _json(values), self._large, _bytes_of(large)

    def object(self, text: str | bytes, field: str = "", raw: bytes | memoryview = b"") -> Any:
        """Return an object from a message's JSON; missing fields keep ROS's defaults.

        Raises:
            ConversionError: the text is no JSON object, or a value does not fit its field.
        """
        try:
            values = _decode(text)
        except ValueError as error:
            raise ConversionError(f"it is not a JSON object: {error}") from None
        msg = self._object(values)
        if field and field == self._large:
            setattr(msg, field, array.array("B", raw))
        return msg

    def object_of(self, entry: Entry) -> Any:
        """Return an object from a received message, whose large field may be separate.

        Raises:
            ConversionError: as for `object`.
        """
        if isinstance(entry, RingRecord) and entry.field and entry.field == self._large:
            whole = entry.raw if entry.loan is None else bytes(entry.loan.view)
            return self.object(entry.data, entry.field, whole)
        return self.object(entry.text or "")


@cache
def ros_type(type_name: str) -> RosType:
    """Return the type of a name.

    Raises:
        RosImportError: as for `ros_class`.
    """
    return RosType(type_name, ros_class(type_name))


def _json(values: dict[str, Any]) -> str:
    try:
        return _encode(values).decode()
    except UnicodeEncodeError as error:
        raise ConversionError(f"a text in it is not UTF-8: {error}") from None


# From ROS


@cache
def _to_values(cls: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a function that converts an object to values of the kit's JSON."""
    fields = [(name, _value(kind)) for name, kind in fields_of(cls)]

    def values(msg: Any) -> dict[str, Any]:
        return {
            name: getattr(msg, name) if convert is None else convert(getattr(msg, name))
            for name, convert in fields
        }

    return values


def _value(kind: Any) -> Convert | None:
    """Return the conversion of a field to a value; None for no conversion."""
    if isinstance(kind, idl.AbstractNestedType):
        return _list_value(kind.value_type)
    if isinstance(kind, idl.NamespacedType):
        return _to_values(class_of(kind))
    name = getattr(kind, "typename", "string")
    if name == "float":
        return _float32
    if name in _REALS:
        return number_or_text
    return _first if name == "octet" else None


def _list_value(item: Any) -> Convert:
    name = getattr(item, "typename", "string")
    if name in BYTES:
        return lambda found: pybase64.b64encode_as_string(_bytes_of(found))
    if name == "float":
        return _float32s
    if name in _REALS:
        return _reals
    if isinstance(item, idl.NamespacedType):
        convert = _to_values(class_of(item))
        return lambda found: [convert(each) for each in found]
    return lambda found: found.tolist() if hasattr(found, "tolist") else list(found)


def _first(found: bytes) -> int:
    return found[0]


def _float32(found: float) -> float | str:
    return number_or_text(float(str(np.float32(found))))


def _reals(found: Any) -> list[Any]:
    values = found.tolist() if hasattr(found, "tolist") else list(found)
    return values if math.isfinite(sum(values)) else [number_or_text(each) for each in values]


def _float32s(found: Any) -> list[Any]:
    return _reals([float(each) for each in np.asarray(found, np.float32).astype(np.str_).tolist()])


def _bytes_of(found: Any) -> bytes:
    if isinstance(found, list):  # a list of bytes: octets
        return b"".join(found)
    return bytes(found.tobytes() if hasattr(found, "tobytes") else found)


# To ROS


@cache
def _to_object(cls: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that converts values of the kit's JSON to an object."""
    fields = [(name, _setter(kind)) for name, kind in fields_of(cls)]

    def made(values: Mapping[str, Any]) -> Any:
        msg, name = cls(), ""
        try:
            for name, convert in fields:
                if (value := values.get(name)) is not None:
                    setattr(msg, name, convert(value))
        except ConversionError as error:
            raise ConversionError(f"{name}.{error}") from None
        except _ERRORS as error:
            raise ConversionError(f"{name}: {error}") from None
        return msg

    return made


def _setter(kind: Any) -> Convert:
    if isinstance(kind, idl.Array):
        return _sized(_list_setter(kind.value_type, is_fixed=True), kind.size, kind.size)
    if isinstance(kind, idl.BoundedSequence):
        return _sized(_list_setter(kind.value_type), 0, kind.maximum_size)
    if isinstance(kind, idl.AbstractNestedType):
        return _list_setter(kind.value_type)
    if isinstance(kind, idl.NamespacedType):
        return _message(_to_object(class_of(kind)))
    if isinstance(kind, idl.BoundedString | idl.BoundedWString):
        return _sized(_string, 0, kind.maximum_size)
    return _base_setter(getattr(kind, "typename", "string"))


def _base_setter(name: str) -> Convert:
    if name in _REALS:
        return _to_real
    if name == "boolean":
        return _boolean
    if name == "octet":
        integer = _integer("uint8")
        return lambda value: bytes([integer(value)])
    if name.startswith(("int", "uint")):
        return _integer(name)
    return _string


def _list_setter(item: Any, *, is_fixed: bool = False) -> Convert:
    name = getattr(item, "typename", "string")
    if name == "octet":
        return lambda value: [bytes([each]) for each in _from_base64(value)]
    if name in _CODES:
        return _numbers(name, is_fixed=is_fixed)
    convert = _setter(item)
    return lambda value: [convert(each) for each in _list(value)]


def _numbers(name: str, *, is_fixed: bool) -> Convert:
    code = _CODES[name]

    def numbers(value: Any) -> Any:
        if name == "uint8":
            found = array.array(code, _from_base64(value))
        elif name in _REALS:
            found = _reals_of(code, _list(value))
        else:
            found = array.array(code, _list(value))
        return np.array(found) if is_fixed else found

    return numbers


def _reals_of(code: str, values: list[Any]) -> Any:
    try:
        return array.array(code, values)
    except TypeError:  # NaN and infinity are strings
        return array.array(code, [_to_real(each) for each in values])


def _message(convert: Convert) -> Convert:
    def message(value: Any) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"expected a message, not {value!r:.60}")
        return convert(value)

    return message


def _sized(convert: Convert, least: int, most: int) -> Convert:
    def sized(value: Any) -> Any:
        found = convert(value)
        if not least <= len(found) <= most:
            expected = str(most) if least == most else f"at most {most}"
            raise ValueError(f"expected {expected} elements, not {len(found)}")
        return found

    return sized


def _integer(name: str) -> Convert:
    least, most = INTEGERS[name]

    def integer(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError(f"expected {name}, not {value!r:.60}")
        return value

    return integer


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"expected true or false, not {value!r:.60}")
    return value


def _to_real(value: Any) -> float:
    if isinstance(value, str) and value in NON_FINITE:
        return NON_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, not {value!r:.60}")
    return float(value)


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, not {value!r:.60}")
    if "\0" in value:
        raise ValueError("ROS ends a text at its first NUL")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list, not {value!r:.60}")
    return value


def _from_base64(value: Any) -> bytes:
    return bytes(pybase64.b64decode(_string(value), validate=True))
