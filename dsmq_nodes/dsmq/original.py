"""Converts messages that are not text as dsmq 0.7.0 did, which stored them in a TEXT column."""

import json
import math

import msgspec

from dsmq_nodes.errors import WireError
from dsmq_nodes.json_text import read_loose_json


def as_original_text(message: bytes) -> bytes:
    """Return the form that 0.7.0's TEXT column gave to a message that is not a string.

    Raises:
        WireError: the message is of a type that its SQLite refused too (objects, arrays, integers
            over 64 bits).
    """
    try:
        value = read_loose_json(message)
    except ValueError as error:
        raise WireError(f"the message is not JSON: {error}") from None
    match value:
        case str():
            try:
                return msgspec.json.encode(value)
            except UnicodeEncodeError as error:
                raise WireError(f"a lone surrogate cannot be kept: {error}") from None
        case None:
            return b"null"
        case bool():
            return b'"1"' if value else b'"0"'
        case int() if -(2**63) <= value < 2**63:
            return b'"%d"' % value
        case float():
            return b"null" if math.isnan(value) else b'"%b"' % _as_sqlite_text(value).encode()
        case _:
            raise WireError("a message must be text: encode it first, as JSON for example")


def _as_sqlite_text(value: float) -> str:
    # SQLite writes 15 significant digits and always a decimal point (sqlite.org/datatype3.html).
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    mantissa, exponent, power = f"{value + 0.0:.15g}".partition("e")  # SQLite has no -0.0
    return (mantissa if "." in mantissa else mantissa + ".0") + exponent + power


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
