"""CDR, the bytes of messages in ROS 2 (OMG CDR 1.1, little endian; big endian is read too).

Numbers are aligned to their size, counted from the end of the four bytes of the header. A text is
its length with the closing zero as uint32, the bytes, the zero; a wide text its UTF-16 units, each
as uint32, as ROS's Fast CDR writes them. A sequence is its length and its items, an array its items
alone. A message without fields is one byte. One of fixed size is filled up to a multiple of four.
Others are as long as ROS reckons before it writes: it aligns for the items of an empty sequence of
numbers too, and counts an end for each wide text.
"""

import math
import struct
import sys
from array import array
from functools import cache
from typing import Any, Final

from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.impl.interface_named import interface

_FORMATS: Final = {
    "boolean": "?",
    "octet": "B",
    "uint8": "B",
    "char": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float": "f",
    "double": "d",
}
_HEADER: Final = b"\x00\x01\x00\x00"
_ARRAY_CODES: Final = set("BbHhIiQqfd")
_UTF_16: Final = f"utf-16-{sys.byteorder[0]}e"


def to_cdr(message: Any) -> bytes:
    """Return a message as bytes.

    Raises:
        TypeError: a field holds a wrong value.
        RMWError: a sequence has more items than it may have.
    """
    writer = _CdrWriter()
    message_type: Any = type(message)
    writer.whole(message)
    missing = -len(writer.out) % 4 if _is_fixed(message_type) else writer.length - len(writer.out)
    return _HEADER + bytes(writer.out) + b"\0" * missing


def as_sent(message: Any) -> bytes:
    """Return a message as it arrives: without the padding at its end; raises as `to_cdr`."""
    writer = _CdrWriter()
    writer.whole(message)
    return _HEADER + bytes(writer.out)


def from_cdr(data: bytes, message_type: Any) -> Any:
    """Return the message in bytes.

    Raises:
        RMWError: they are no message of this type.
    """
    try:
        if data[:1] != b"\x00" or data[1] not in {0, 1}:
            raise ValueError("the header is not of plain CDR")
        reader = _CdrReader(memoryview(data)[4:], "<" if data[1] else ">")
        return reader.message(message_type)
    except (struct.error, IndexError, ValueError) as error:
        package, kind, *_ = message_type.__module__.split(".")
        name = f"{package}::{kind}::dds_::{message_type.__name__}_"
        raise RMWError(
            "failed to deserialize ROS message: Fast CDR exception deserializing message of type "
            f"{name}."
        ) from error


def _name(kind: Any) -> str:
    return type(kind).__name__


def _class_of(kind: Any) -> Any:
    return interface("/".join(kind.namespaced_name()))


def _fields(cls: Any) -> list[tuple[str, Any]]:
    return list(zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=True))


@cache
def _is_fixed(cls: Any) -> bool:
    """Whether each message of a class has the same length."""
    for _, kind in _fields(cls):
        item = kind.value_type if _name(kind) == "Array" else kind
        is_message = _name(item) == "NamespacedType"
        if not (_is_fixed(_class_of(item)) if is_message else _name(item) == "BasicType"):
            return False
    return True


class _CdrWriter:
    def __init__(self) -> None:
        self.out = bytearray()
        self.length = 0  # as ROS reckons it

    def _add_length(self, size: int, count: int) -> None:
        self.length += -self.length % size + size * count

    def _number(self, code: str, value: Any) -> None:
        size = struct.calcsize(code)
        self._add_length(size, 1)
        self.out += b"\0" * (-len(self.out) % size)
        try:
            self.out += struct.pack(f"<{code}", value)
        except OverflowError:  # of a float: beyond its range it is infinite, as in C
            self.out += struct.pack(f"<{code}", math.copysign(math.inf, value))

    def whole(self, message: Any) -> None:
        try:
            self.message(message, type(message))
        except struct.error as error:
            raise TypeError(str(error)) from None

    def message(self, message: Any, cls: Any) -> None:
        fields = _fields(cls)
        for name, kind in fields:
            self._value(kind, getattr(message, name))
        if not fields:
            self.out += b"\0"  # an empty message has one byte
            self.length += 1

    def _value(self, kind: Any, value: Any) -> None:
        name = _name(kind)
        if name == "Array":
            self._items(kind.value_type, value)
        elif name.endswith("Sequence"):
            if name == "BoundedSequence" and len(value) > kind.maximum_size:
                raise RMWError("Failed to serialize ROS message: error not set")
            self._number("I", len(value))
            self._items(kind.value_type, value)
        elif name == "BasicType":
            code = _FORMATS[kind.typename]
            self._number(code, value[0] if kind.typename == "octet" else value)
        elif name.endswith("WString"):
            units = array("H", value.encode(_UTF_16))
            self._number("I", len(units))
            self.out += struct.pack(f"<{len(units)}I", *units)
            self.length += 4 * (len(units) + 1)
        elif name.endswith("String"):
            self._text(value)
        else:
            self.message(value, _class_of(kind))

    def _text(self, value: Any) -> None:
        if not isinstance(value, str):
            raise TypeError("bad argument type for built-in operation")
        data = value.encode().partition(b"\0")[0] + b"\0"  # a zero character ends it, as in C
        self._number("I", len(data))
        self.out += data
        self.length += len(data)

    def _items(self, kind: Any, values: Any) -> None:
        if isinstance(values, bytes | bytearray):  # octets, not one by one
            self.out += values
            self.length += len(values)
            return
        code = _FORMATS.get(getattr(kind, "typename", ""), "")
        if code:
            self._add_length(struct.calcsize(code), 0)
        if code in _ARRAY_CODES and hasattr(values, "tobytes") and len(values):
            self._add_length(struct.calcsize(code), len(values))
            self.out += b"\0" * (-len(self.out) % struct.calcsize(code))
            self.out += values.tobytes()
            return
        for each in values:
            self._value(kind, each)


class _CdrReader:
    def __init__(self, data: memoryview, order: str) -> None:
        self._data, self._order = data, order
        self._at = 0

    def _number(self, code: str) -> Any:
        size = struct.calcsize(code)
        self._at += -self._at % size
        (value,) = struct.unpack_from(f"{self._order}{code}", self._data, self._at)
        self._at += size
        return value

    def _bytes(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError("Not enough memory in the buffer stream")
        found = bytes(self._data[self._at : self._at + count])
        self._at += count
        return found

    def message(self, cls: Any) -> Any:
        made = cls()
        fields = _fields(cls)
        for name, kind in fields:
            setattr(made, name, self._value(kind))
        if not fields:
            self._bytes(1)
        return made

    def _value(self, kind: Any) -> Any:
        name = _name(kind)
        if name == "Array":
            return self._items(kind.value_type, kind.size)
        if name.endswith("Sequence"):
            return self._items(kind.value_type, self._number("I"))
        if name == "BasicType":
            value = self._number(_FORMATS[kind.typename])
            return bytes([value]) if kind.typename == "octet" else value
        if name.endswith("WString"):
            count = self._number("I")
            units = struct.unpack(f"{self._order}{count}I", self._bytes(4 * count))
            return array("H", units).tobytes().decode(_UTF_16)
        if name.endswith("String"):
            return self._bytes(self._number("I")).partition(b"\0")[0].decode(errors="replace")
        return self.message(_class_of(kind))

    def _items(self, kind: Any, count: int) -> Any:
        if count > len(self._data):
            raise ValueError("Not enough memory in the buffer stream")
        code = _FORMATS.get(getattr(kind, "typename", ""), "")
        if code in _ARRAY_CODES and getattr(kind, "typename", "") != "octet" and count:
            size = struct.calcsize(code)
            self._at += -self._at % size
            found = array(code)
            found.frombytes(self._bytes(size * count))
            if self._order == ">":
                found.byteswap()
            return found
        return [self._value(kind) for _ in range(count)]
