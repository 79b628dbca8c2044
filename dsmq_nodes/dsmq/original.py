"""Converts messages that are not text as dsmq 0.7.0 did, which stored them in a TEXT column."""

import contextlib
import json

import msgspec

from dsmq_nodes.errors import WireError
from dsmq_nodes.json_text import read_loose_json


def as_original_text(message: bytes) -> bytes:
    """Return the form that 0.7.0's TEXT column gives to a message that is not a string.

    SQLite itself converts it here, too: how it writes a float depends on its version.

    Raises:
        WireError: the message is of a type that SQLite refuses (objects, arrays, integers over 64
            bits), or holds half a surrogate pair.
    """
    import sqlite3  # noqa: PLC0415  3 ms that nodes do not need

    try:
        value = read_loose_json(message)
    except ValueError as error:
        raise WireError(f"the message is not JSON: {error}") from None
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        try:
            (text,) = database.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()
        except UnicodeEncodeError as error:
            raise WireError(f"a lone surrogate cannot be kept: {error}") from None
        except (sqlite3.Error, OverflowError):
            raise WireError(
                "a message must be text: encode it first, as JSON for example"
            ) from None
    return msgspec.json.encode(text)


def odd_put(body: bytes) -> tuple[str, bytes] | None:
    """Return topic and message of a put that Python's json accepts and strict JSON does not.

    That is a put with NaN or Infinity as its message. None: it is something else.
    """
    try:
        fields = read_loose_json(body)
    except ValueError:
        return None
    if not (isinstance(fields, dict) and fields.get("action") == "put"):
        return None
    topic, message = fields.get("topic"), fields.get("message")
    if not isinstance(topic, str) or not isinstance(message, float):
        return None
    return topic, json.dumps(message).encode()
