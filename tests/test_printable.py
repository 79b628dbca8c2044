"""What of somebody else's text a terminal, a table and a log may have."""

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.printable import (
    ENCODING_ERRORS,
    indented,
    is_printable,
    one_line,
    printable_json,
    traceback_text,
    visible,
)

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(
    ["\x1b]0;t\x07", "a\nb", "\u202egnp", "\x9b2J", "\ud800", "👩‍💻 ok", "\\n", '"\\u001b"']
)
# A decoder refuses half of a pair.
WHOLE = TEXTS.filter(lambda text: not any("\ud800" <= letter <= "\udfff" for letter in text))
VALUES: st.SearchStrategy[Any] = st.recursive(
    WHOLE | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WHOLE, inner, max_size=3),
    max_leaves=8,
)


@given(TEXTS)
def test_nothing_in_it_acts_on_a_terminal(text: str) -> None:
    assert not ACTS.search(visible(text))
    assert not ACTS.search(one_line(text))
    assert "\n" not in one_line(text)
    assert visible(text).count("\n") == text.count("\n")
    assert is_printable(text) == (one_line(text) == text)


@pytest.mark.parametrize(
    "text", ["", "Küche", "👩‍💻🏳️‍🌈", "日本\u3000語", "a\u00a0b", "\\x1b", "m\u200cn"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert (visible(text), one_line(text), indented(text)) == (text, text, text)


def test_lines_after_the_first_begin_no_line_of_their_own() -> None:
    assert indented("a\n[FAKE] b\x1b") == "a\n    [FAKE] b\\u001b"


@given(VALUES, st.booleans())
def test_json_stays_json_and_its_texts_are_one_line(value: Any, is_ascii: bool) -> None:
    def shown(item: Any) -> Any:
        if isinstance(item, dict):
            return {one_line(key): shown(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [shown(inner) for inner in item]
        return one_line(item) if isinstance(item, str) else item

    text = json.dumps(value, ensure_ascii=is_ascii)
    assert json.loads(printable_json(text)) == shown(value)
    assert json.loads(visible(text)) == value


def test_what_an_encoding_does_not_have_is_escaped_as_json_does() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), "ascii", ENCODING_ERRORS)
    stream.write(json.dumps("Küche 🤖", ensure_ascii=False))
    stream.write(" └─ µs")
    stream.seek(0)
    shown = stream.read()
    text, _, rest = shown.rpartition('"')
    assert json.loads(f'{text}"') == "Küche 🤖"
    assert rest == " `- us"


def test_an_exceptions_text_begins_no_line_of_a_traceback() -> None:
    try:
        raise ValueError("bad\n[FAKE] line\x1b[2J\nTraceback (most recent call last):")
    except ValueError as error:
        told = traceback_text(error)
    lines = told.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-3:] == [
        "ValueError: bad",
        "    [FAKE] line\\u001b[2J",
        "    Traceback (most recent call last):",
    ]
