"""Reads JSON of others. Every fault in it is a ValueError, deep nesting as well.

msgspec and `json` raise RecursionError for that, and any peer may send such a text.
"""

import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")
_TOO_DEEP: Final = "it is nested too deeply"


def json_reader(kind: type[T]) -> Callable[[str | bytes], T]:
    """Return a function that reads a text of JSON as a value of type `kind`.

    The function raises ValueError for every other text.
    """
    decode = msgspec.json.Decoder(kind).decode

    def read(text: str | bytes) -> T:
        try:
            return decode(text)
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None

    return read


read_json: Final[Callable[[str | bytes], Any]] = json_reader(Any)
_pass: Final = json_reader(msgspec.Raw)  # checks a text without making a value


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        _pass(text)
    except ValueError:
        return False
    return True


def read_loose_json(text: str | bytes) -> Any:
    """Return the value of a JSON text as Python's `json` reads it: NaN and Infinity are numbers.

    Raises:
        ValueError: the text is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
