"""Makes rosbridge's frames of topics' messages, once for all clients."""

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.gateways.known_types import KnownType
from dsmq_nodes.gateways.message_json import decoded, plain_json
from dsmq_nodes.gateways.rosbridge.encoding.cbor_values import cbor_values, written_cbor
from dsmq_nodes.gateways.rosbridge.encoding.png_text import png_of
from dsmq_nodes.gateways.web.outbox import Frame

if TYPE_CHECKING:
    from dsmq_nodes.gateways.rosbridge.encoding.raw_cdr import RawMessages

LARGE_BYTES: Final = 64 << 10  # a picture of so many takes 4 ms as PNG, one of 1.2 MB 70 ms


def text_frame(frame: dict[str, Any]) -> str:
    """Return an operation as JSON."""
    return json.dumps(frame, separators=(",", ":"))


def png_frame(text: str) -> str:
    """Return a JSON text in a picture."""
    return text_frame({"op": "png", "data": png_of(text)})


class PublishFrames:
    """Makes and keeps the frames of the last message, which its readers take one by one."""

    def __init__(self) -> None:
        self._entry: Entry | None = None
        self._made: dict[tuple[str, str], Frame] = {}

    def of(self, entry: Entry, name: str, compression: str, kind: KnownType) -> Frame:
        """Return the frame of a message.

        Args:
            entry: the message.
            name: the topic, in the client's spelling.
            compression: one of topic_queue.COMPRESSIONS.
            kind: the topic's type.

        Raises:
            OverwrittenError: the large field was overwritten in shared memory.
            CommandError: the message cannot be written as CDR.
        """
        if entry is not self._entry:
            self._entry, self._made = entry, {}
        key = name, compression
        if key not in self._made:
            self._made[key] = _MAKERS[compression](entry, name, kind)
        return self._made[key]


def _json(entry: Entry, name: str, kind: KnownType) -> str:
    text = plain_json(entry, kind.schema)
    return f'{{"op":"publish","topic":{json.dumps(name)},"msg":{text}}}'


def _png(entry: Entry, name: str, kind: KnownType) -> str:
    return png_frame(_json(entry, name, kind))


def _cbor(entry: Entry, name: str, kind: KnownType) -> bytes:
    values = cbor_values(decoded(entry.text or ""), kind.schema, kind.cls)
    return written_cbor({"op": "publish", "topic": name, "msg": values})


@cache
def raw_messages() -> "RawMessages":
    """Return the writer of CDR; the first call makes it, which takes 0.2 s."""
    from dsmq_nodes.gateways.rosbridge.encoding.raw_cdr import RawMessages  # noqa: PLC0415  of an extra

    return RawMessages()


def has_raw_messages() -> bool:
    """Whether CDR can be written without that time."""
    return bool(raw_messages.cache_info().currsize)


def _cbor_raw(entry: Entry, name: str, kind: KnownType) -> bytes:
    data = raw_messages().written(decoded(entry.text or ""), kind)
    secs, nsecs = divmod(entry.stamp, 10**9)
    msg = {"secs": secs, "nsecs": nsecs, "bytes": data}
    return written_cbor({"op": "publish", "topic": name, "msg": msg})


_MAKERS: Final[dict[str, Callable[[Entry, str, KnownType], Frame]]] = {
    "none": _json,
    "png": _png,
    "cbor": _cbor,
    "cbor-raw": _cbor_raw,
}
