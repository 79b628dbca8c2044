"""Reads ROS's messages in the forms that rosbags cannot read, directly into JSON.

These are messages with wide texts, XCDR2 (OMG DDS-XTypes 1.3, 7.4.3), and texts that ROS reads
nevertheless: bytes that are no UTF-8 become U+FFFD, and a text may lack its closing zero if it is
empty. ROS 1 has neither a form, nor alignment, nor closing zeros.

The second byte of a message is its form: 0 and 1 are CDR, 6 and 7 XCDR2, 8 and 9 XCDR2 with
structures that may grow.
Odd forms are little endian. In XCDR2, numbers of 8 bytes are aligned to 4; lists of anything but
numbers, and structures that may grow, begin with their size in bytes. A wide text is a count of
UTF-16 units, followed by the units, each of which ROS writes as uint32.
"""

import struct
from typing import Any, Final

import pybase64
from rosbags.interfaces import Nodetype

from dsmq_nodes.bag.ros.ros_values import BYTES, HEADER, RosTypes
from dsmq_nodes.messages.schema.ros_base import number_or_text

PLAIN: Final = (b"\0\0", b"\0\1")
_XCDR2: Final = frozenset({6, 7, 8, 9})
_GROWING: Final = frozenset({8, 9})
_FORMATS: Final = {
    "bool": "?", "byte": "B", "char": "B", "uint8": "B", "int8": "b", "uint16": "H", "int16": "h",
    "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q", "float32": "f", "float64": "d",
}  # fmt: skip


class CdrValues:
    """The values of one message."""

    def __init__(self, types: RosTypes, data: bytes, *, is_one: bool = False) -> None:
        """Begin before the first field; `is_one` is for ROS 1.

        Raises:
            ValueError: the message is in another form.
        """
        data = PLAIN[1] + b"\0\0" + data if is_one else data
        form = int.from_bytes(data[:2], "big")
        if data[:2] not in PLAIN and form not in _XCDR2:
            raise ValueError(f"its first bytes {data[:2].hex()} are no supported form of CDR")
        self._types, self._data, self._at = types, data[4:], 0
        self._order = "<" if form & 1 else ">"
        self._is_two, self._grows = form in _XCDR2, form in _GROWING
        self._is_one, self._alignment = is_one, 1 if is_one else 4 if self._is_two else 8

    def message(self, type_name: str) -> dict[str, Any]:
        """Read the next message.

        Raises:
            ValueError, struct.error, KeyError: the data is not of this type.
        """
        end = self._number("I") + self._at if self._grows else None
        fields = self._types.names(type_name)
        found = {ours: self._value(node) for ours, _, node in fields}
        if not (fields or self._is_one):
            self._number("B")
        if self._is_one and type_name == HEADER:
            found.pop("seq", None)
        self._at = self._at if end is None else end  # skips fields that were added later
        return found

    def _value(self, node: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self.message(detail)
        if kind == Nodetype.BASE:
            return self._base(detail[0])
        item, count = detail
        name = item[1][0] if item[0] == Nodetype.BASE else ""
        if self._is_two and name not in _FORMATS:
            self._number("I")
        count = count if kind == Nodetype.ARRAY else self._number("I")
        if name in BYTES:
            return pybase64.b64encode_as_string(self._bytes(count))
        if count > len(self._data):
            raise ValueError("a list is longer than the message")
        return [self._value(item) for _ in range(count)]

    def _base(self, name: str) -> Any:
        if name == "string":
            text = self._bytes(self._number("I"))
            if text and text[-1] and not self._is_one:
                raise ValueError("a text has no closing zero")
            return text[: None if self._is_one else -1].decode(errors="replace")
        if name == "wstring":
            count = self._number("I")
            units = struct.unpack(f"{self._order}{count}I", self._bytes(4 * count))
            return struct.pack(f"<{count}H", *units).decode("utf-16-le", "replace")
        value = self._number(_FORMATS[name])
        return number_or_text(value) if isinstance(value, float) else value

    def _number(self, code: str) -> Any:
        size = struct.calcsize(code)
        self._at += -self._at % min(size, self._alignment)
        (value,) = struct.unpack(self._order + code, self._bytes(size))
        return value

    def _bytes(self, count: int) -> bytes:
        self._at += count
        if self._at > len(self._data):
            raise ValueError("it is cut off")
        return self._data[self._at - count : self._at]
