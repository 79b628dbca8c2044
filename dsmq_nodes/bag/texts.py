"""Checks the text of a recorded message: UTF-8, and JSON if its channel says so."""

import json
from typing import Any, Final

import msgspec

from dsmq_nodes.bag.file.mcap_reader import Record

_passes: Final = msgspec.json.Decoder(msgspec.Raw).decode  # checks, and makes nothing


def text_of(record: Record) -> str:
    """The text of a message.

    Raises:
        ValueError: it is not UTF-8, or not the JSON that its channel announces.
    """
    if record.channel.encoding == "json":
        try:
            _passes(record.data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            loaded(record.data)  # accepts NaN as a number, or raises with a reason
    return _decoded(record.data)


def loaded(data: bytes) -> Any:
    """The values of a JSON text.

    Raises:
        ValueError: it is not UTF-8, not JSON, or nested too deeply.
    """
    try:
        return json.loads(_decoded(data))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        wrong = data[error.start]
        raise ValueError(f"it is not UTF-8: byte {error.start} is 0x{wrong:02x}") from None
