"""What a message that is not text becomes: what dsmq 0.7.0's SQLite column makes of it."""

import contextlib
import json
import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.original import as_original_text
from dsmq_nodes.errors import WireError

# What UTF-8 can carry: no half of a surrogate pair.
texts = st.text(st.characters(exclude_categories=["Cs"]))


def by_sqlite(value: object) -> object:
    """What dsmq 0.7.0 hands out for a message that is `value`."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE messages (timestamp DOUBLE, topic TEXT, message TEXT)")
        db.execute("INSERT INTO messages VALUES (1.0, 't', ?)", (value,))
        found: object = db.execute("SELECT message FROM messages").fetchone()[0]
    return found


SCALARS: list[object] = [
    None, True, False, 0, -1, 5, 2**63 - 1, -(2**63), 0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e-4,
    1e-5, 123456789012345.6, 1e22, 1e100, -1e-100, 1.7976931348623157e308, 5e-324, 2.5e-310, 1 / 3,
    math.pi, 100.0, 1e14, 999999999999999.9, math.inf, -math.inf, math.nan, "", "text", "é\n😀",
]  # fmt: skip


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_as_the_originals_text_column(value: object) -> None:
    given_back = json.loads(as_original_text(json.dumps(value).encode()))
    assert given_back == by_sqlite(value)
    assert type(given_back) is type(by_sqlite(value))


@given(st.integers(-(2**63), 2**63 - 1) | texts | st.booleans() | st.floats())
def test_as_the_originals_text_column_for_anything(value: object) -> None:
    assert json.loads(as_original_text(json.dumps(value).encode())) == by_sqlite(value)


@pytest.mark.parametrize("value", [[], {}, [1], {"a": 1}, 2**63, -(2**63) - 1, 10**400], ids=repr)
def test_what_the_originals_sqlite_refused_is_refused(value: object) -> None:
    with pytest.raises((sqlite3.Error, OverflowError)):
        by_sqlite(value)
    with pytest.raises(WireError, match="must be text"):
        as_original_text(json.dumps(value).encode())


@pytest.mark.parametrize("raw", [b"", b"x", b"1" * 5000, b"[" * 100_000, b'"\\ud800"'])
def test_a_message_that_is_no_json(raw: bytes) -> None:
    with pytest.raises(WireError):
        as_original_text(raw)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_a_put_that_only_pythons_json_reads(text: str) -> None:
    request = wire.decode_request(b'{"action":"put","topic":"t","message":%b}' % text.encode())
    assert (request.action, request.topic) == ("put", "t")
    stored = json.loads(as_original_text(bytes(request.message)))
    assert stored == by_sqlite(float(text))
