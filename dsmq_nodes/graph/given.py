"""Arguments of a program: their kinds, and numbers, are checked at the call."""

import math
import sys
from typing import Final, TypeVar

from dsmq_nodes.messages.python_numbers import as_python

KindT = TypeVar("KindT")
TOPIC_TYPE: Final = "what a topic carries, such as `String` of dsmq_nodes.messages,"
_ABOVE_0: Final = math.ulp(0.0)


def of_kind(given: object, kind: type[KindT], what: str) -> KindT:
    """Return an argument of a kind.

    Raises:
        TypeError: it is of another; the text begins with `what`.
    """
    if isinstance(given, kind):
        return given
    hint = ""
    if isinstance(given, type) and issubclass(given, kind):
        hint = f": write `{given.__qualname__}()`"
    raise TypeError(f"{what} is a {kind.__name__}, not {given!r:.60}{hint}")


def subclass_of(given: object, base: type[KindT], what: str) -> type[KindT]:
    """Return a type that is a subclass of `base`, and not `base` itself.

    Raises:
        TypeError: it is not; the text begins with `what`.
    """
    if isinstance(given, type) and issubclass(given, base) and given is not base:
        return given
    raise TypeError(f"{what} is a subclass of {base.__name__}, not {given!r:.60}")


def number(given: object, what: str, unit: str = "s", *, least: float = _ABOVE_0) -> float:
    """Return a number that a program gave, also one of numpy, as Python's own.

    Raises:
        TypeError: it is no number.
        ValueError: it is less than `least`, or not finite.
    """
    value = as_python(given)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and least <= value <= sys.float_info.max:
        return value  # type: ignore[no-any-return]
    bound = "more than 0" if least > 0 else "at least 0" if least == 0 else "a number of"
    text = f"{what} is {bound} {unit} and finite, not {value!r:.60}"
    raise ValueError(text) if is_number else TypeError(text)
