"""Numbers of other libraries as Python's own: scalars of numpy and what is like them."""

import contextlib
import operator
from collections.abc import Mapping
from typing import Any, Final

_PLAIN: Final = (bool, int, float, str, bytes)


def as_python(value: Any) -> Any:
    """A scalar of numpy, alone or in a list, as Python's own; anything else as it is.

    Nothing is imported for it: an array without dimensions, as of torch, is one too, and so is
    what counts as a whole number (`__index__`).
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
        with contextlib.suppress(TypeError):  # an array is none
            return operator.index(value)
    return value


def unpacked(value: Any) -> Any:
    """As `as_python`, and an array of numpy as a list."""
    return value.tolist() if hasattr(value, "tolist") else as_python(value)


def changed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of some values that `as_python` changes, changed."""
    found = {name: as_python(value) for name, value in values.items()}
    return {name: value for name, value in found.items() if value is not values[name]}
