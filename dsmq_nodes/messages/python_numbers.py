"""Converts scalars of numpy and similar libraries to Python's own numbers."""

import contextlib
import operator
from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final = (bool, int, float, str, bytes)


def as_python(value: Any) -> Any:
    """Return a scalar of numpy, alone or in a list, as Python's own; other values unchanged.

    This imports nothing. An array without dimensions, as of torch, is a scalar too, and so is an
    object that counts as a whole number (`__index__`).
    """
    if isinstance(value, list | tuple):
        found = [as_python(each) for each in value]
        return value if all(map(operator.is_, found, value)) else found
    if type(value) in _PLAIN:
        return value
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        item = value.item()
        return item if type(item) in _PLAIN else value
    if hasattr(value, "__index__") and not isinstance(value, int):
        with contextlib.suppress(TypeError):  # an array is no whole number
            return operator.index(value)
    return value


def unpacked(value: Any) -> Any:
    """Convert as `as_python`, and an array of numpy to a list."""
    return value.tolist() if hasattr(value, "tolist") else as_python(value)


def changed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the converted values, but only those that `as_python` changes."""
    found = {name: as_python(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not values[name]}
