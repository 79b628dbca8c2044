"""One operation of a client: checks its fields, and writes its answers in the requested form."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.rosbridge.encoding.cbor_values import cbor_values, written_cbor
from dsmq_nodes.gateways.rosbridge.encoding.fragments import fragments_of
from dsmq_nodes.gateways.rosbridge.encoding.publish_frames import LARGE_BYTES, png_frame, text_frame
from dsmq_nodes.gateways.web.outbox import Outbox
from dsmq_nodes.graph.names import resolve_topic

Operation = Mapping[str, Any]
SendStatus = Callable[[str, str, object], None]
"""Tells a client a status: its level, its text, and the operation that it is about."""

_LONGEST_SEC: Final = 86_400.0


def text_in(operation: Operation, field: str) -> str:
    """Return a field that has to be a text.

    Raises:
        CommandError: the field is missing or no text.
        UnicodeEncodeError: the text has half a surrogate pair.
    """
    value = operation.get(field)
    if not isinstance(value, str):
        raise CommandError(f"{field!r} has to be a text, got {value!r:.60}")
    value.encode()  # half a surrogate pair: no answer in CBOR could repeat it
    return value


def id_in(operation: Operation) -> str | int:
    """Return the id that the client gave an interaction.

    Raises:
        CommandError: the id is neither a text nor an integer.
    """
    found = operation.get("id")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise CommandError(f"'id' has to be a text or an integer, got {found!r:.60}")
    return found


def number_in(operation: Operation, field: str, default: float = 0.0) -> float:
    """Return a field that has to be a number of 0 or more, or absent.

    Raises:
        CommandError: the field is something else.
    """
    value = operation.get(field)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise CommandError(f"{field!r} has to be a number of 0 or more, not {value!r:.60}")
    return value


def full_name(name: str) -> str:
    """Return the absolute name of a topic, a service or an action.

    Raises:
        InvalidNameError: the name is invalid.
    """
    return resolve_topic(name, "web", "/", {})


def seconds_in(operation: Operation, field: str, default: float) -> float:
    """Return a timeout; 0 or less means none, for which a day is used."""
    value = operation.get(field)
    if isinstance(value, int | float) and not isinstance(value, bool) and value <= 0:
        return _LONGEST_SEC
    return min(number_in(operation, field, default), _LONGEST_SEC)


class Answer:
    """Sends the answers of one operation, with its id, compression and fragment_size."""

    def __init__(self, outbox: Outbox, operation: Operation) -> None:
        self._outbox = outbox
        self._id = operation.get("id")
        self._compression = operation.get("compression")
        size = operation.get("fragment_size")
        self._size = size if type(size) is int and size > 0 else 0

    def send(self, op: str, **fields: Any) -> None:
        """Send an operation, with the id of the client's operation if it had one."""
        if self._compression == "cbor":
            frame = self._frame(op, fields)
            self._outbox.answer(written_cbor(cbor_values(frame, {}, None)))
            return
        text = text_frame(self._frame(op, fields))
        self._send_text(png_frame(text) if self._compression == "png" else text)

    async def send_large(self, op: str, **fields: Any) -> None:
        """Send as `send` does, and compress a large answer in another thread."""
        if self._compression != "png":
            self.send(op, **fields)
            return
        text = text_frame(self._frame(op, fields))
        if len(text) > LARGE_BYTES:
            loop = asyncio.get_running_loop()
            self._send_text(await loop.run_in_executor(None, png_frame, text))
        else:
            self._send_text(png_frame(text))

    def _frame(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"op": op, **({"id": self._id} if self._id is not None else {}), **fields}

    def _send_text(self, text: str) -> None:
        for each in fragments_of(text, self._size) if self._size else (text,):
            self._outbox.answer(each)
