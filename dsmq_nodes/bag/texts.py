"""Checks the text of a recorded message: UTF-8, and JSON if its channel says so."""

from typing import Any

from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.json_text import is_json, read_loose_json


def text_of(record: Record) -> str:
    """Return the text of a message.

    Raises:
        ValueError: the message is not UTF-8, or not JSON although its channel says so.
    """
    text = _decoded(record.data)
    if record.channel.encoding == "json" and not is_json(text):
        read_loose_json(text)  # accepts NaN as a number, or raises with a reason
    return text


def loaded(data: bytes) -> Any:
    """Return the values of a JSON text.

    Raises:
        ValueError: the text is not UTF-8, not JSON, or nested too deeply.
    """
    return read_loose_json(_decoded(data))


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        wrong = data[error.start]
        raise ValueError(f"it is not UTF-8: byte {error.start} is 0x{wrong:02x}") from None
