"""JSON of others: whatever is wrong with it is a ValueError."""

from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes.json_text import is_json, json_reader, read_json, read_loose_json

DEEP = "[" * 1_000_000 + "]" * 1_000_000
READERS = [read_json, json_reader(list), read_loose_json]


@pytest.mark.parametrize("read", READERS, ids=["any", "list", "loose"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(DEEP, id="deep"),
        pytest.param(DEEP.encode(), id="deep bytes"),
        pytest.param("[", id="open"),
        pytest.param("", id="empty"),
        pytest.param('["\ud800]', id="surrogate"),
        pytest.param(b'["\xff"]', id="no UTF-8"),
        pytest.param("[NaN", id="open NaN"),
        pytest.param("no", id="word"),
    ],
)
def test_what_is_no_json_is_a_value_error(read: Callable[[Any], Any], text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  its text is told by what reads it
        read(text)
    assert isinstance(text, bytes) or not is_json(text)


@pytest.mark.parametrize("read", READERS, ids=["any", "list", "loose"])
def test_what_is_json_is_read(read: Callable[[Any], Any]) -> None:
    assert read('[1, "\u00e4", null]') == read(b'[1, "\\u00e4", null]') == [1, "\u00e4", None]
    assert is_json("[1]")


def test_a_value_of_another_type_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="Expected `array`, got `object`"):
        json_reader(list)("{}")


def test_nan_is_a_number_to_python_alone() -> None:
    assert read_loose_json("[Infinity]") == [float("inf")]
    assert not is_json("[Infinity]")
