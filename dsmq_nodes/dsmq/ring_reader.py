"""Reads a topic's log in shared memory; ring.py says how."""

import zlib
from typing import Final

from dsmq_nodes.dsmq.record import Loan, Record
from dsmq_nodes.dsmq.ring import (
    ASLEEP,
    CAPACITY_BYTES,
    DATA,
    HEAD,
    INDEX,
    INDEX_SIZE,
    LAP_END,
    LENGTHS_SHIFT,
    ORDERED,
    READERS,
    RECORD,
    RESERVE,
    Ring,
)

LENT_BYTES: Final = 64 << 10  # smaller ones cost less to copy than to look after
_READ_AGAIN: Final = 100
_MOST_NAMES: Final = 1000  # remembered; who wrote once and went is not for ever


class Reader:
    """Reads a ring with a cursor of its own; it `lends` what is large, or copies all."""

    def __init__(
        self, ring: Ring, seat: int, *, after: int, depth: int, lends: bool = False
    ) -> None:
        """Read what comes after the id `after`; more than `depth` behind, skip to the newest."""
        self.ring = ring
        self.after = after
        self.depth = depth
        self.seat = seat
        self.lends = lends and ORDERED
        self._map = ring.memory
        self._numbers = memoryview(self._map).cast("Q")  # our own: a loan may outlive the ring
        self._reserve = self._numbers[RESERVE : RESERVE + 1]
        self._names: dict[bytes, tuple[str, str]] = {}
        self._missed = 0
        self._at = READERS + 4 * seat
        # The id of the record that begins at the position beside it; 0: not known.
        self._next_id, self._next_start = after + 1, ring.end_of(after)
        if ring.head != after:
            self._next_id = 0  # that may have been overwritten meanwhile

    def read(self, most: int = 1 << 30, most_bytes: int = CAPACITY_BYTES) -> list[Record]:
        """What there is to read, the oldest first: `most` records of it, of about so many bytes."""
        numbers = self._numbers
        head = numbers[HEAD]
        records: list[Record] = []
        if head <= self.after:
            return records
        next_id = self.after + 1
        if self.depth and head - self.after > self.depth:
            next_id = head - self.depth + 1
        missed = next_id - self.after - 1
        size = 0
        while next_id <= head and len(records) < most and size < most_bytes:
            record = self._copy(next_id)
            if record is None and self._next_id == next_id:
                self._next_id = 0  # not behind the one before it: the index may know
                continue
            if record is None:  # overtaken
                head = numbers[HEAD]
                newer = max(next_id + 1, self._oldest(head))
                missed += newer - next_id
                next_id = newer
                continue
            record.gap = missed
            self._missed += missed
            missed = 0
            records.append(record)
            size += record.size_bytes
            next_id += 1
        self.after = next_id - 1 - missed  # a gap at the end belongs to the record that comes next
        numbers[self._at + 1] = self.after
        numbers[self._at + 3] = self._missed
        return records

    def find(self, message_id: int) -> Record | None:
        """A record by its id, wherever the cursor is; None: it is overwritten."""
        place = self._next_id, self._next_start
        record = self._copy(message_id)
        if record is None and self._next_id == message_id:
            self._next_id = 0  # as in `read`
            record = self._copy(message_id)
        self._next_id, self._next_start = place
        return record

    def sleep(self) -> None:
        """Say that we are about to wait, so that the next message rings; then ask `may_sleep`."""
        self._map[ASLEEP + self.seat] = 1

    def may_sleep(self) -> bool:
        """Whether the next message will ring; ask after `sleep` and the clearing of the bell.

        Not where there is one already, nor where who wrote one that we have had rings only now:
        that ring may be what was cleared, and it has taken our word back.
        """
        return bool(self._map[ASLEEP + self.seat]) and not self.has_more()

    def has_more(self) -> bool:
        """Whether there is something to read."""
        return self._numbers[HEAD] > self.after

    def _copy(self, message_id: int) -> Record | None:
        memory, numbers, capacity = self._map, self._numbers, self.ring.capacity
        for _ in range(1 if ORDERED else _READ_AGAIN):
            start = self._start_of(message_id)
            last = start + capacity  # when more than that is written, it is overwritten
            at = DATA + start % capacity
            found, stamp, written, seq, check, lengths, names = RECORD.unpack_from(memory, at)
            if found != message_id:
                if ORDERED or numbers[RESERVE] > last:
                    return None
                continue
            if numbers[RESERVE] > last:  # what it says of its lengths may be half overwritten
                return None
            at += RECORD.size
            body = at + names
            end = body + (lengths >> LENGTHS_SHIFT)
            stop = end + (lengths & 0xFFFFFFFF)
            name, text = memory[at:body], memory[body:end]
            loan = None
            if self.lends and stop - end >= LENT_BYTES:
                # A buffer of its own for each: so it shows whether there are more views of it.
                loan = Loan(memoryview(memory)[end:stop].toreadonly(), self._reserve, last)
            raw = memory[end:stop] if loan is None else b""
            if numbers[RESERVE] > last:
                return None
            if check and check != (zlib.crc32(raw, zlib.crc32(text, message_id & 0xFFFFFFFF)) or 1):
                continue
            self._next_id = message_id + 1
            self._next_start = start + (RECORD.size + stop - at + 7 & ~7)
            known = self._names.get(name) or self._learn(name)
            return Record(message_id, seq, stamp, written, known[0], text, known[1], raw, 0, loan)
        return None

    def _learn(self, name: bytes) -> tuple[str, str]:
        """A sender and a field, to be known when they come again."""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        # A damaged name is no reason to be deaf to all that comes after it.
        sender, _, field = name.decode("utf-8", "replace").partition("\0")
        known = self._names[name] = (sender, field)
        return known

    def _start_of(self, message_id: int) -> int:
        if message_id != self._next_id:
            return self._numbers[INDEX + message_id % INDEX_SIZE]
        start, capacity = self._next_start, self.ring.capacity
        if self._numbers[(DATA + start % capacity) // 8] == LAP_END:
            start = (start // capacity + 1) * capacity
        return start

    def _oldest(self, head: int) -> int:
        """The oldest id that is surely whole, with room to read it before it is overtaken too."""
        low, high = max(head - INDEX_SIZE // 2, 0) + 1, head
        while low < high:  # positions grow with ids
            middle = (low + high) // 2
            start = self._numbers[INDEX + middle % INDEX_SIZE]
            if self._numbers[RESERVE] > start + self.ring.capacity * 15 // 16:
                low = middle + 1
            else:
                high = middle
        return high
