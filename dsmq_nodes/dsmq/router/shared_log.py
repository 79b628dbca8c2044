"""A topic's log, wherever it is: in the store, or in shared memory with the store behind it.

`append` and `begin` are the same for both; only this module knows where a log is. In a shared log
the ring has the newest messages and assigns the ids: appended messages go there, and `follow` moves
them to the store. Large messages stay in the ring while no reader needs them from the broker: each
is a bundle of the store (store/bundles.py), which becomes a row when a reader reaches it, or when
the ring is about to be closed. A message that its writers have overwritten by then is gone, as if
it had expired.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import OverwrittenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.dsmq.ring.bundle import RecordBundle
    from dsmq_nodes.dsmq.ring.directory import RingLog
    from dsmq_nodes.dsmq.ring.record import RingRecord

CATCH_UP_BYTES: Final = 128 * 1024
# a slow link has little room; newer messages come meanwhile
REMOTE_CATCH_UP_BYTES: Final = 8 * 1024
# the rest is for the id and gap in the answer to a `get`
_MOST_MESSAGE_BYTES: Final = MAX_BODY_BYTES - 64
_MOST_KEPT_BYTES: Final = MAX_BODY_BYTES // 4 * 3 - 4096  # a frame has bytes as base64
_SAVED_SHARE: Final = 4  # a quarter of the store's budget is saved when a ring goes


class Followed:
    """The messages that `follow` has found.

    Attributes:
        entries: id and push of each message that is in the store now, oldest first.
        messages: their number, with those that were left in the ring.
        size_bytes: the size of all these, as frames.
        by_sender: how many messages each sender has written.
    """

    __slots__ = ("by_sender", "entries", "messages", "size_bytes")

    def __init__(self) -> None:
        self.entries: list[tuple[int, bytes]] = []
        self.messages = self.size_bytes = 0
        self.by_sender: Counter[str] = Counter()


@dataclass(eq=False, slots=True)
class _InRing:
    """A large message that the ring alone has, as a bundle."""

    ring: "RingLog"
    message_id: int
    count: int = 1
    size_bytes: int = 0

    @property
    def record(self) -> "RingRecord | None":
        """The message; None if it is overwritten."""
        return self.ring.find(self.message_id)

    def records(self) -> "Iterator[RingRecord | None]":
        """Yield the one message."""
        yield self.record

    def split(self, count: int) -> Self:
        """Refuse to be split, since there is one message; nothing calls this."""
        raise ValueError(count)


class SharedLog:
    """One topic's log.

    Attributes:
        stored: its part in the store.
        ring: its part in shared memory; None: local nodes do not share the topic.
        name: the topic's name.
        name_json: the name in the form that it has in a frame.
        last_in_ring_id: the newest id whose message is in the ring alone; 0: none ever was.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.stored = store.log(name)
        self.ring: RingLog | None = None
        self.name, self.name_json = name, wire.encode_text(name)
        self.last_in_ring_id = 0
        self._store = store
        self._sender, self._sender_json = "", wire.encode_text("")  # the last one

    @property
    def first_id(self) -> int:
        """The oldest id that may still be read."""
        return self.stored.first_id

    @property
    def last_id(self) -> int:
        """The newest id that the broker has read."""
        return self.stored.last_id

    def append(
        self,
        sender: str,
        sender_json: bytes,
        put: wire.Request,
        message: bytes | memoryview,
        now: float,
    ) -> tuple[int, bytes]:
        """Append a message.

        Returns:
            The id, 0 if the message is refused, and the push; it is empty while the ring alone has
            it.

        Raises:
            RingError: the ring cannot take this message.
        """
        if self.ring is not None:
            text = wire.decode_text(message).encode()
            return self.ring.append(sender, text, put.seq, put.stamp), b""
        stored = self.stored
        frame = wire.encode_push(
            self.name_json, stored.last_id + 1, sender_json, put, message, at_ns=int(now * 1e9)
        )
        return self._store.append(stored, frame, now), frame

    def follow(self, now: float, *, read_here: bool) -> Followed:
        """Move the next batch of messages from the ring to the store.

        Args:
            now: the time.
            read_here: large messages are needed here, too; otherwise they stay in the ring.

        Raises:
            RingError: the ring is damaged.
        """
        found = Followed()
        if self.ring is None:
            return found
        if not read_here and (bundle := self.ring.bundle()) is not None:
            self._follow_bundle(bundle, found, now)
            return found
        stored, senders = self.stored, []
        for record in self.ring.read(read_here=read_here):
            self._skip_to(record.id)
            senders.append(record.sender)
            is_large = record.loan is not None and record.size_bytes < _MOST_KEPT_BYTES
            if is_large and not read_here:
                reference = _InRing(self.ring, record.id)
                self._store.append_bundle(stored, reference, self._frame, now)
                self.last_in_ring_id = record.id
                found.messages += 1
                found.size_bytes += (record.size_bytes * 4 - len(record.data)) // 3  # as base64
            elif frame := self._frame(record):
                found.entries.append((self._store.append(stored, frame, now), frame))
                found.size_bytes += len(frame)
        found.messages += len(found.entries)
        found.by_sender.update(senders)
        return found

    def _skip_to(self, message_id: int) -> None:
        if message_id != self.stored.last_id + 1:  # the broker was overtaken
            self._store.commit()
            self._store.forget_before(self.stored, message_id)  # ids have no holes
            self.stored.last_id = message_id - 1

    def _follow_bundle(self, bundle: "RecordBundle", found: Followed, now: float) -> None:
        first = next(bundle.records())
        if first is not None:  # as frames, the others are about as large as this one
            found.size_bytes = bundle.size_bytes * len(self._frame(first)) // bundle.size_of_first
        found.messages = found.by_sender[bundle.sender] = bundle.count
        self._skip_to(bundle.first_id)
        self._store.append_bundle(self.stored, bundle, self._frame, now)

    def _frame(self, record: "RingRecord") -> bytes:
        """Return a record as a push; empty if it is overwritten, or too large (for the memory)."""
        if record.sender != self._sender:
            self._sender, self._sender_json = record.sender, wire.encode_text(record.sender)
        try:
            message = wire.encode_text(record.text)
            if len(message) > _MOST_MESSAGE_BYTES:
                return b""
            return wire.encode_push(
                self.name_json, record.id, self._sender_json, record, message, at_ns=record.at
            )
        except (OverwrittenError, MemoryError):
            return b""

    def _only_in_ring(self) -> list[_InRing]:
        """Return the messages that the ring alone has, oldest first, except overwritten ones."""
        if self.stored.first_id > self.last_in_ring_id:
            return []
        found = [each for each in self.stored.bundles if isinstance(each, _InRing)]
        gone = bisect_left(found, True, key=lambda each: each.record is not None)
        if gone:
            self._store.forget_before(self.stored, found[gone - 1].message_id + 1)
        return found[gone:]

    def forget_overwritten(self) -> None:
        """Advance the first id of the log to that of the ring."""
        self._only_in_ring()

    def begin(self, cursor: Cursor) -> None:
        """Move a cursor past messages that are gone, so that the next one can be read."""
        self.forget_overwritten()
        cursor.start(self)

    def unshare(self, why: str = "") -> None:
        """Close the ring; of the messages that it alone has, save the newest and drop the others.

        `why` is logged if it is not empty.
        """
        if self.ring is None:
            return
        room = self._store.budget_bytes // _SAVED_SHARE
        for each in reversed(self._only_in_ring()):
            record = each.record
            room -= record.size_bytes if record is not None else room + 1
            if room < 0 or not self._store.unpack(self.stored, each.message_id - 1):
                self._store.forget_before(self.stored, each.message_id + 1)
                break
        self.ring.close(why)
        self.ring, self.last_in_ring_id = None, 0
