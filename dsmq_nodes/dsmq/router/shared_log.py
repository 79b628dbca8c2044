"""A log in shared memory, and behind it in the store.

The ring has the newest messages, and gives the ids. The broker moves messages from there to the
store. Large ones stay in the ring while no reader needs them from the broker: each has a blank row
in the store, its placeholder, which is filled when a reader comes to it, or when the ring is about
to be closed. A message that its writers have overwritten by then is gone, as if it had expired.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, Protocol

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.dsmq.store.sqlite import Store, StoredLog
from dsmq_nodes.errors import OverwrittenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsmq_nodes.dsmq.ring.record import RingRecord

CATCH_UP_BYTES: Final = 128 * 1024
_MOST_MESSAGE_BYTES: Final = MAX_BODY_BYTES - 64  # with an id and a gap it answers a `get`
_MOST_KEPT_BYTES: Final = MAX_BODY_BYTES // 4 * 3 - 4096  # in a frame bytes are base64
_SAVED_SHARE: Final = 4  # a quarter of the store's budget is saved when a ring goes


class FollowedRing(Protocol):
    """A topic's log in shared memory, as the router sees it (`RingLog` in ring/directory.py)."""

    @property
    def path(self) -> str:
        """The file, for processes that map it."""

    def append(self, sender: str, text: bytes, seq: int, stamp_ns: int) -> int:
        """Append for a peer that does not share memory; returns the id, 0 when the ring is held.

        Raises RingError when the ring cannot take this message.
        """

    def read(self, *, looks_inside: bool) -> "Sequence[RingRecord]":
        """The next records that the broker has not read; large ones are on loan.

        A bounded number; fewer with `looks_inside`. Raises RingError when the ring is damaged.
        """

    def find(self, message_id: int) -> "RingRecord | None":
        """A record that the broker has read before; None when it is overwritten."""

    def seat(self, number: int, *, after: int, depth: int) -> int:
        """A seat for the reader with this number; raises RingError when none is left."""

    def unseat(self, seat: int) -> None:
        """Free a seat whose reader is gone."""

    def reader_state(self, seat: int) -> tuple[int, int]:
        """The reader's cursor, and how many messages it has dropped."""

    def wake_all(self) -> None:
        """Wake readers that sleep: a writer that died may not have rung."""

    def has_more(self) -> bool:
        """Whether the ring has messages that the broker has not read."""

    def sleep(self) -> None:
        """Ask for the bell at the next message; then clear the bell and ask `may_sleep`."""

    def may_sleep(self) -> bool:
        """Whether the next message will ring the bell."""

    def shut(self) -> None:
        """Refuse further appends."""

    def close(self, why: str = "") -> None:
        """Stop sharing the topic; `why` is logged where it is not empty."""


class SharedLog:
    """One topic's ring and its log in the store."""

    def __init__(self, ring: FollowedRing, store: Store, log: StoredLog) -> None:
        self.ring = ring
        self.last_placeholder_id = 0  # the newest id whose message stayed in the ring
        self._store = store
        self._log = log
        self._name_json = wire.encode_text(log.name)

    def frame(self, record: "RingRecord") -> bytes:
        """A record as a push; empty when it is overwritten, or too large for a frame."""
        sender = wire.encode_text(record.sender)
        try:
            message = wire.encode_text(record.text)
        except OverwrittenError:
            return b""
        if len(message) > _MOST_MESSAGE_BYTES:
            return b""
        return wire.encode_push(
            self._name_json, record.id, sender, record, message, at_ns=record.at
        )

    def keep_in_ring(self, record: "RingRecord", now: float) -> bool:
        """Append a placeholder for a large message; False: the message is not large."""
        if record.loan is None or record.size_bytes >= _MOST_KEPT_BYTES:
            return False
        self.last_placeholder_id = self._store.append(self._log, None, now)
        return True

    def fill(self, after: int, most: int = 1000) -> None:
        """Bring what follows an id into the store; the log may turn out to begin later."""
        if after < self.last_placeholder_id:
            self._fill(after, most, CATCH_UP_BYTES)

    def _fill(self, after: int, most: int, most_bytes: int) -> None:
        for message_id in self._placeholders(after)[:most]:
            record = self.ring.find(message_id)
            if record is None or not (frame := self.frame(record)):
                self._store.forget_before(self._log, message_id + 1)
                continue
            self._store.fill(self._log, message_id, frame)
            most_bytes -= len(frame)
            if most_bytes <= 0:
                break

    def _placeholders(self, after: int) -> list[int]:
        """The ids of blank rows after `after`; rows whose messages are overwritten are dropped."""
        blanks = self._store.blanks(self._log, after, self.last_placeholder_id)
        gone = bisect_left(blanks, True, key=lambda each: self.ring.find(each) is not None)
        if gone:
            self._store.forget_before(self._log, blanks[gone - 1] + 1)
        return blanks[gone:]

    def forget_overwritten(self) -> None:
        """Move the beginning of the log to that of the ring."""
        if self._log.first_id <= self.last_placeholder_id:
            self._placeholders(self._log.first_id - 1)

    def close(self, why: str = "") -> None:
        """Close the ring; the newest placeholders are filled before, and the others dropped."""
        log, blanks = self._log, self._placeholders(self._log.first_id - 1)
        room = self._store.budget_bytes // _SAVED_SHARE
        for message_id in reversed(blanks):
            record = self.ring.find(message_id)
            room -= record.size_bytes if record is not None else room + 1
            if room < 0:
                self._store.forget_before(log, message_id + 1)
                break
        self._fill(log.first_id - 1, len(blanks), self._store.budget_bytes)
        self.ring.close(why)
