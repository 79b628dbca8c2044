"""Values of parameters as rcl reads them in YAML.

These are not YAML 1.2's rules: `yes` and `on` are booleans, `0x10` is 16, `~` is a text, a list has
items of one type, an integer that is too large is a double. An empty list or map is no value.
"""

import math
import re
from typing import Any, Final

import yaml

_TRUE: Final = {"y", "yes", "true", "on"}
_FALSE: Final = {"n", "no", "false", "off"}
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|\d+)\Z")
_HEX_FLOAT: Final = re.compile(r"[-+]?0[xX][0-9a-fA-F]+[.pP]")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)
_KINDS: Final = {bool: "bool", int: "integer", float: "double", str: "string"}
_TYPES: Final = (*_KINDS, list)
_STR_TAG: Final = "tag:yaml.org,2002:str"
_MOST_INTEGER: Final = 2**63


class YamlError(Exception):
    """A text that rcl would not read; the text says why."""


def line_of(event: yaml.Event) -> int:
    """Return the line of an event, counted from 1."""
    return int(event.start_mark.line) + 1 if event.start_mark else 1


def scalar(text: str) -> Any:
    """Return the value of an unquoted word."""
    if text.lower() in _TRUE and text in {text.lower(), text.capitalize(), text.upper()}:
        return True
    if text.lower() in _FALSE and text in {text.lower(), text.capitalize(), text.upper()}:
        return False
    if _INTEGER.match(text):
        number = _integer(text)
        if isinstance(number, int) and -_MOST_INTEGER <= number < _MOST_INTEGER:
            return number
        return float(number)
    return _double(text.replace(".", "") if _SPECIAL.match(text) else text, text)


def _integer(text: str) -> float:
    """Return the number of digits; `08` is no octal number, and a double."""
    digits = text.lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    if len(digits) > 1 and digits.startswith("0"):
        return sign * (int(digits, 8) if set(digits) <= set("01234567") else float(digits))
    return sign * int(digits)


def _double(text: str, otherwise: str) -> float | str:
    """Return a number as C's strtod reads it: `nan`, `inf`, `0x1p3`; a text if it does not fit."""
    try:
        number = float.fromhex(text) if _HEX_FLOAT.match(text) else float(text)
    except (ValueError, OverflowError):
        return otherwise
    is_inexact = math.isinf(number) and "inf" not in text.lower()
    is_inexact |= number == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0])
    return otherwise if is_inexact or "_" in text else number


def rank(value: Any) -> int:
    """Return the place of a value's type in rcl's order of search for a parameter's value."""
    if isinstance(value, list):
        return len(_TYPES) + rank(value[0])
    return len(_TYPES) * 2 if value is None else _TYPES.index(type(value))


class GivenValue:
    """The values given to a parameter: rcl keeps one of each type, and takes the first of them."""

    def __init__(self) -> None:
        """Begin without a value."""
        self._found: dict[int, Any] = {}

    def set_value(self, event: yaml.ScalarEvent) -> None:
        """Set a value.

        Raises:
            YamlError: it is empty.
        """
        value = _scalar_of(event)
        self._found[rank(value)] = value

    def append(self, event: yaml.ScalarEvent, kind: type | None) -> type:
        """Append an item to a list; return its type.

        Args:
            event: the item.
            kind: the type of the items before; None: a list begins with this one.

        Raises:
            YamlError: it is empty, of another type, or behind items that are another parameter's.
        """
        value = _scalar_of(event)
        at = rank([value])
        if kind is None:
            self._found[at] = []
        elif type(value) is not kind:
            raise another_type(_KINDS[type(value)], event)
        elif at not in self._found:
            raise YamlError("val_array argument is null")
        self._found[at].append(value)
        return type(value)

    def value(self) -> Any:
        """The value that rcl uses; None when there is none."""
        return self._found[min(self._found)] if self._found else None


class OpenList:
    """Whether a list is open, which makes each value an item.

    Attributes:
        is_open: whether it is.
    """

    def __init__(self) -> None:
        """Begin without an open list."""
        self.is_open = False
        self._kind: type | None = None

    def begin(self) -> None:
        """Begin a list."""
        self.is_open, self._kind = True, None

    def end(self) -> None:
        """End the list; one around it ends too, as in rcl."""
        self.is_open = False

    def set_value(self, given: GivenValue, event: yaml.ScalarEvent) -> None:
        """Set a parameter's value, or append an item to the list that is open.

        Raises:
            YamlError: rcl would not read it.
        """
        if self.is_open:
            self._kind = given.append(event, self._kind)
        else:
            given.set_value(event)


def another_type(kind: str, event: yaml.Event) -> YamlError:
    """Return the error of a list with an item of another type."""
    return YamlError(
        f"Sequence should be of same type. Value type '{kind}'"
        f" do not belong at line_num {line_of(event)}"
    )


def _scalar_of(event: yaml.ScalarEvent) -> Any:
    if event.tag == _STR_TAG or event.style in {"'", '"'}:
        return str(event.value)
    if event.value == "":
        raise YamlError(f"No value at line {line_of(event)}")
    return scalar(event.value)
