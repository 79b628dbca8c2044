"""Collects the messages that a page has subscribed to into frames, which it acknowledges.

A slot holds the newest messages of one topic since the last frame: one for tables, several for
plots. At most two frames of 128 KiB each are unacknowledged, so a slow page gets fewer messages,
the newest ones, with the number of those dropped. The bytes in all slots of a page are limited: the
largest slot drops its oldest message. Topics take turns.
"""

import base64
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.dsmq.ring.record import RingRecord
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.json_text import is_json, json_reader

IN_FLIGHT: Final = 2
FRAME_BYTES: Final = 128 << 10
WAITING_BYTES: Final = 2 << 20  # of one page
MOST_KEPT: Final = 1000
PICTURES: Final = frozenset({"sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"})
_read: Final = json_reader(dict[str, Any])
_encode: Final = msgspec.json.encode


class TopicSlot:
    """One subscribed topic of one page."""

    def __init__(self, topic: str, most: int, rate_hz: float, *, is_picture: bool) -> None:
        """Keep the `most` newest messages, for at most `rate_hz` frames a second."""
        self.topic, self.is_picture = topic, is_picture
        self.most = max(1, min(most, MOST_KEPT))
        self.every_sec = 1 / rate_hz if rate_hz > 0 else 0.0
        self.due_sec = 0.0
        self.dropped = 0
        self.waiting: deque[tuple[int, Entry | str]] = deque()
        self.waiting_bytes = 0

    def take(self, entry: Entry) -> None:
        """Add a message of the topic."""
        self.dropped += entry.gap
        # With one message, its text is made when it is sent: most are replaced before.
        item: Entry | str = entry
        if self.most > 1:
            item = entry.text or "null"
            self.waiting_bytes += len(item)
        self.waiting.append((entry.stamp, item))
        if len(self.waiting) > self.most:
            self.drop_oldest()

    def drop_oldest(self) -> None:
        """Drop the oldest message, to make room for newer ones."""
        self.dropped += 1
        self.next()

    def next(self) -> tuple[int, Entry | str]:
        """Remove the oldest waiting message; return its stamp, and the entry or its text."""
        stamp, item = self.waiting.popleft()
        if isinstance(item, str):
            self.waiting_bytes -= len(item)
        return stamp, item


class TopicFrames:
    """The slots of one page, and the frames made of them."""

    def __init__(self, rewrite: Callable[[str, Entry], str | None]) -> None:
        """Begin without slots; `rewrite(topic, entry)` may return a shorter text, or None."""
        self.slots: dict[str, TopicSlot] = {}
        self._rewrite = rewrite
        self._sent = self._acknowledged = 0
        self._turn = 0

    @property
    def has_room(self) -> bool:
        """Whether the page has acknowledged enough for another frame."""
        return self._sent - self._acknowledged < IN_FLIGHT

    @property
    def is_waiting(self) -> bool:
        """Whether any message waits."""
        return any(slot.waiting for slot in self.slots.values())

    def take(self, slot: TopicSlot, entry: Entry) -> None:
        """Add a message of a slot's topic."""
        slot.take(entry)
        slots = self.slots.values()
        while slot.most > 1 and sum(map(_size, slots)) > WAITING_BYTES:
            crowded = [each for each in slots if len(each.waiting) > 1]
            if not crowded:
                return
            max(crowded, key=_size).drop_oldest()

    def acknowledge(self, number: int) -> None:
        """Note that the page has read the frames up to this number."""
        self._acknowledged = max(self._acknowledged, min(number, self._sent))

    def frame(self, now_sec: float, now_ns: int) -> list[str | bytes]:
        """Return the next frame after its pictures, in order to send; empty if nothing is due."""
        texts: list[str] = []
        pictures: list[str | bytes] = []
        slots = list(self.slots.values())
        self._turn = (self._turn + 1) % max(len(slots), 1)
        room = FRAME_BYTES
        for slot in slots[self._turn :] + slots[: self._turn]:
            if room <= 0:
                break
            if slot.waiting and now_sec >= slot.due_sec:
                slot.due_sec = now_sec + slot.every_sec
                room -= self._empty(slot, room, texts, pictures)
        if not texts and not pictures:
            return []
        self._sent += 1
        head = f'{{"op":"data","n":{self._sent},"t":{now_ns},"m":['
        return [*pictures, f"{head}{','.join(texts)}]}}"]

    def _empty(
        self, slot: TopicSlot, room: int, texts: list[str], pictures: list[str | bytes]
    ) -> int:
        """Remove as many messages as fit, and return their size."""
        size = 0
        while slot.waiting and size < room:
            stamp, item = slot.next()
            try:
                if slot.is_picture and not isinstance(item, str):
                    pictures.append(picture(slot.topic, stamp, slot.dropped, item))
                    size += len(pictures[-1])
                    continue
                text = item if isinstance(item, str) else self._text(slot.topic, item)
            except (DsmqError, ValueError, TypeError, RecursionError):
                slot.dropped += 1  # overwritten while it was read, or not a picture
                continue
            topic = _encode(slot.topic).decode()
            texts.append(f"[{topic},{stamp},{slot.dropped},{valid(text)}]")
            size += len(texts[-1])
        return size

    def _text(self, topic: str, entry: Entry) -> str:
        rewritten = self._rewrite(topic, entry)
        return rewritten if rewritten is not None else entry.text or "null"


def _size(slot: TopicSlot) -> int:
    return slot.waiting_bytes


def valid(text: str) -> str:
    """Return a text to insert into JSON: a message, or a plain client's text as a message."""
    is_message = text.startswith("{") and is_json(text)
    return text if is_message else _encode({"data": text}).decode()


def picture(topic: str, stamp: int, dropped: int, entry: Entry) -> bytes:
    """Return a binary frame: the length of its head `[topic, stamp, dropped, message]`, it, pixels.

    Raises:
        DsmqError: the message was overwritten meanwhile.
        ValueError: the message is not a picture.
    """
    if isinstance(entry, RingRecord) and entry.field == "data":
        message, loan = _read(entry.data), entry.loan
        pixels = entry.raw if loan is None else bytes(loan.view)
        if loan is not None and not loan.is_whole:
            raise ValueError("overwritten while it was read")
    else:
        message = _read(entry.text or "{}")
        pixels = base64.b64decode(message.pop("data", ""))
    head = _encode([topic, stamp, dropped, message])
    return struct.pack("<I", len(head)) + head + pixels
