"""Writes messages as CBOR, in the form of rosbridge_suite: the compression `cbor`.

Bytes are byte strings, and arrays of numbers are typed arrays (RFC 8746, little endian), such as
JavaScript's Float32Array. NaN and infinity are CBOR numbers. The JSON Schema of a type says only
`number`; whether it is float32 is known only for the kit's own classes.
"""

import array
import sys
from functools import cache
from typing import Any, Final, NamedTuple

import cbor2
import pybase64
from pydantic import BaseModel

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.model_class import model_in, outer_names
from dsmq_nodes.messages.schema.definition import field_hints, ros_type
from dsmq_nodes.messages.schema.ros_base import INTEGER_TYPES, NON_FINITE
from dsmq_nodes.messages.schema.schema_walk import (
    DEEPEST,
    Schema,
    alternative,
    field_schemas,
    item_schemas,
    kinds,
    resolved,
)

# The type code of `array`, and the tag, by the ROS type.
_ARRAYS: Final = {
    "uint16": ("H", 69),
    "uint32": ("I", 70),
    "uint64": ("Q", 71),
    "int8": ("b", 72),
    "int16": ("h", 77),
    "int32": ("i", 78),
    "int64": ("q", 79),
    "float32": ("f", 85),
    "float64": ("d", 86),
}


class _Field(NamedTuple):
    """The ROS type of a field, without brackets, and its class if it is a message."""

    ros: str = ""
    message: type[BaseModel] | None = None


_UNKNOWN: Final = _Field()


def cbor_values(values: Any, schema: Schema, cls: type[Message] | None) -> Any:
    """Return a decoded message as values for cbor2; `cls` is its class if the kit has it."""
    return _walked(values, schema, schema, _Field("", cls), 0)


def written_cbor(frame: dict[str, Any]) -> bytes:
    """Return a frame as CBOR."""
    return cbor2.dumps(frame)


def _walked(value: Any, schema: object, root: Schema, field: _Field, depth: int) -> Any:
    if depth > DEEPEST or not isinstance(value, dict | list | str):
        return value
    found = resolved(root, schema)
    if isinstance(value, str):
        return _text(value, found, root)
    if isinstance(value, dict):
        inside = field_schemas(alternative(found, "object", root, value), value)
        known = _fields(field.message) if field.message is not None else {}
        return {
            name: _walked(each, inside.get(name), root, known.get(name, _UNKNOWN), depth + 1)
            for name, each in value.items()
        }
    items = item_schemas(alternative(found, "array", root), len(value))
    packed = _packed(value, field.ros or _ros(resolved(root, items[0]) if items else {}))
    if packed is not None:
        return packed
    pairs = zip(value, items, strict=True)
    return [_walked(each, item, root, field, depth + 1) for each, item in pairs]


def _text(value: str, schema: Schema, root: Schema) -> Any:
    if schema.get("contentEncoding") == "base64":
        try:
            return pybase64.b64decode(value, validate=True)
        except ValueError:
            return value
    is_number = value in NON_FINITE and "string" not in kinds(schema, root)
    return float(value) if is_number else value


def _packed(values: list[Any], ros: str) -> Any:
    """Return a list of numbers as a typed array, or None if it is not one."""
    try:
        if ros == "uint8":
            return bytes(values)
        if ros not in _ARRAYS:
            return None
        code, tag = _ARRAYS[ros]
        numbers = array.array(code, map(float, values) if code in "fd" else values)
    except (TypeError, ValueError, OverflowError):
        return None
    if sys.byteorder == "big":
        numbers.byteswap()
    return cbor2.CBORTag(tag, numbers.tobytes())


def _ros(schema: Schema) -> str:
    kind = schema.get("type")
    if kind == "integer":
        return INTEGER_TYPES.get((schema.get("minimum"), schema.get("maximum")), "int64")
    return "float64" if kind == "number" else ""


@cache
def _fields(cls: type[BaseModel]) -> dict[str, _Field]:
    hints = field_hints(cls)
    return {
        outer: _Field(ros_type(hints[name]).partition("[")[0], model_in(hints[name]))
        for name, outer in outer_names(cls).items()
    }
