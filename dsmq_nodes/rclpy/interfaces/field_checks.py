"""The checks of a field's value, and their texts, as the setters of a ROS message have them.

A check raises AssertionError where a message was made with `check_fields=True`. The checks are
`assert`s, as there: with `python -O` nothing is checked. pytest, which rewrites the asserts of a
plugin's package, would add to their texts: PYTEST_DONT_REWRITE prevents that.
"""

import array
import math
from collections import UserList, UserString
from collections.abc import Callable, Sequence, Set
from typing import Any, Final

from dsmq_nodes.messages.schema.interface_text import FieldType
from dsmq_nodes.messages.schema.ros_base import INTEGERS

Check = Callable[[Any], bool]
"""Raises AssertionError, or returns whether the value is kept as it is, without a copy."""

TYPECODES: Final = {
    "int8": "b",
    "uint8": "B",
    "char": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""The numbers that sequences hold in an `array.array`, with its typecode."""
INTEGER_RANGES: Final[dict[str, tuple[int, int]]] = {**INTEGERS, "char": (0, 255)}
"""The least and the largest value of each type of integers."""
_FLOATS: Final = {
    "float32": ("float", 3.402823466e38, "3.402823466e+38"),
    "float64": ("double", 1.7976931348623157e308, "1.7976931348623157e+308"),
}


def dtype_name(base: str) -> str:
    """Return the numpy type of an array's items."""
    return "uint8" if base == "char" else base


def check_of(name: str, kind: FieldType, message_class: type | None) -> Check:
    """Return the check of one field; `message_class` is that of a field with messages."""
    whole = f"The '{name}' field must be"
    if kind.is_list:
        return _list_check(name, whole, kind, message_class)
    if message_class is not None:
        return _of_class(message_class, f"{whole} a sub message of type '{message_class.__name__}'")
    if kind.base == "byte":
        return _octet(f"{whole} of type 'bytes' or 'ByteString' with length 1")
    if kind.text_limit is not None:
        return _short_text(
            kind.text_limit, f"{whole} string value not longer than {kind.text_limit}"
        )
    return _number_check(whole, kind)


def check_names(message: Any, given: dict[str, Any]) -> None:
    """Check that a message has each field that was given.

    Raises:
        AssertionError: it lacks one.
    """
    unknown = sorted(name for name in given if f"_{name}" not in message.__slots__)
    assert not unknown, f"Invalid arguments passed to constructor: {', '.join(unknown)}"


def _number_check(whole: str, kind: FieldType) -> Check:
    python = _python_type(kind.base)
    of_type = f"{whole} of type '{python.__name__}'"
    if kind.base in INTEGER_RANGES:
        in_range = f"{whole} {_range_text(kind.base, 'an ')}"
    elif kind.base in _FLOATS:
        word, _, text = _FLOATS[kind.base]
        in_range = f"{whole} a {word} in [-{text}, {text}]"
    else:  # a bool or a text
        return _of_class(python, of_type)
    fits = _fits(kind)

    def check(value: Any) -> bool:
        assert isinstance(value, python), of_type
        assert fits(value), in_range
        return False

    return check


def _python_type(base: str) -> type:
    if base in INTEGER_RANGES:
        return int
    return {"bool": bool, "byte": bytes, "float32": float, "float64": float}.get(base, str)


def _range_text(base: str, article: str) -> str:
    low, high = INTEGER_RANGES[base]
    return f"{article}{'unsigned ' if low == 0 else ''}integer in [{low}, {high}]"


def _of_class(wanted: type, text: str) -> Check:
    def check(value: Any) -> bool:
        assert isinstance(value, wanted), text
        return False

    return check


def _octet(text: str) -> Check:
    def check(value: Any) -> bool:
        assert isinstance(value, bytes | bytearray | memoryview), text
        assert len(value) == 1, text
        return False

    return check


def _short_text(limit: int, text: str) -> Check:
    def check(value: Any) -> bool:
        assert isinstance(value, str | UserString), text
        assert len(value) <= limit, text
        return False

    return check


def _list_check(name: str, whole: str, kind: FieldType, message_class: type | None) -> Check:
    item = message_class or _python_type(kind.base)
    has_length = _length_of(kind)
    text = " ".join((f"{whole} a set or sequence", *_list_words(kind, item)))
    fits = _fits(kind)
    is_kept = _kept(name, kind)

    def check(value: Any) -> bool:
        if is_kept(value):
            return True
        assert isinstance(value, Sequence | Set | UserList), text
        assert not isinstance(value, str | UserString), text
        assert has_length(len(value)), text
        assert all(isinstance(each, item) for each in value), text
        assert all(map(fits, value)), text
        return False

    return check


def _list_words(kind: FieldType, item: type) -> list[str]:
    words = []
    if kind.size is not None:
        words.append(f"with length {kind.size}")
    elif kind.limit is not None:
        words.append(f"with length <= {kind.limit}")
    if kind.text_limit is not None:
        words.append(f"and each string value not longer than {kind.text_limit}")
    words.append(f"and each value of type '{item.__name__}'")
    if kind.base in INTEGER_RANGES:
        words.append(f"and each {_range_text(kind.base, '')}")
    elif kind.base in _FLOATS:
        word, limit, _ = _FLOATS[kind.base]
        words.append(f"and each {word} in [{-limit:f}, {limit:f}]")
    return words


def _length_of(kind: FieldType) -> Callable[[int], bool]:
    if kind.size is not None:
        return kind.size.__eq__
    return kind.limit.__ge__ if kind.limit is not None else lambda length: True


def _fits(kind: FieldType) -> Callable[[Any], bool]:
    if kind.base in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind.base]
        return lambda value: bool(low <= value <= high)
    if kind.base in _FLOATS:
        limit = _FLOATS[kind.base][1]
        return lambda value: not abs(value) > limit or math.isinf(value)
    if kind.text_limit is not None:
        most = kind.text_limit
        return lambda value: len(value) <= most
    return lambda value: True


def _kept(name: str, kind: FieldType) -> Callable[[Any], bool]:
    if kind.base not in TYPECODES:
        return lambda value: False
    if kind.size is not None:
        return _kept_ndarray(name, kind.base, kind.size)
    typecode, limit = TYPECODES[kind.base], kind.limit

    def kept(value: Any) -> bool:
        if not isinstance(value, array.array):
            return False
        of_code = f"The '{name}' array.array() must have the type code of '{typecode}'"
        assert value.typecode == typecode, of_code
        of_size = f"The '{name}' array.array() must have a size <= {limit}"
        assert limit is None or len(value) <= limit, of_size
        return True

    return kept


def _kept_ndarray(name: str, base: str, size: int) -> Callable[[Any], bool]:
    dtype = dtype_name(base)

    def kept(value: Any) -> bool:
        if type(value).__module__ != "numpy" or type(value).__name__ != "ndarray":
            return False
        of_type = f"The '{name}' numpy.ndarray() must have the dtype of 'numpy.{dtype}'"
        assert value.dtype.name == dtype, of_type
        assert value.size == size, f"The '{name}' numpy.ndarray() must have a size of {size}"
        return True

    return kept
