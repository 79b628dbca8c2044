"""Reads a topic's log in shared memory, and sleeps until there is more, by the steps of ring.py."""

import os
import weakref
from bisect import bisect_right
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import inherited, wire
from dsmq_nodes.dsmq.limits import MOST_NUMBER
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring.bundle import RecordBundle
from dsmq_nodes.dsmq.ring.record import LENGTHS_SHIFT, RECORD, Loan, RingRecord, checksum
from dsmq_nodes.dsmq.ring.ring import (
    ASLEEP,
    CAPACITY_BYTES,
    CLOSED,
    DATA,
    EXTENT,
    HEAD,
    INDEX,
    INDEX_SIZE,
    LAP_END,
    MARK_BYTES,
    ORDERED,
    READERS,
    RESERVE,
    Ring,
)

LENT_BYTES: Final = 64 << 10  # copying a smaller one costs less than tracking it
_TAKEN_BYTES: Final = 4096
_READ_AGAIN: Final = 100
_MOST_AHEAD: Final = 1 << 32  # more than any writer appends between two reads
_MOST_BUNDLED_BYTES: Final = 4096  # of a record, on average
_MOST_NAMES_BYTES: Final = 4096
_MOST_NAMES: Final = 1000  # cached; senders that are gone do not stay forever


class RingReader:
    """Reads a ring with a cursor; if `ORDERED`, large bytes stay in the ring, on loan."""

    __slots__ = (
        *("_at", "_dropped", "_map", "_names", "_next_id", "_next_start", "_numbers", "_reserve"),
        *("_stop", "_whole_bytes", "cursor", "ring", "seat"),
    )

    def __init__(self, ring: Ring, seat: int, cursor: Cursor) -> None:
        """Read from a cursor on; if it is more than its depth behind, skip to the newest messages.

        Raises:
            RingError: the ring is damaged.
        """
        self.ring = ring
        self.cursor = cursor
        # dropped before this seat, which counts only what is dropped here
        self._dropped = cursor.dropped
        self.seat = seat
        self._map = ring.memory
        self._numbers = memoryview(self._map).cast("Q")  # a view of its own: a loan may outlive it
        self._reserve = self._numbers[RESERVE : RESERVE + 1]
        self._names: dict[bytes, tuple[str, str]] = {}
        self._stop = 0  # the end of the data
        self._whole_bytes = DATA + ring.capacity
        self._at = READERS + 4 * seat
        # The id of the record that begins at `_next_start`; 0: not known.
        self._next_id, self._next_start = cursor.after + 1, ring.end_of(cursor.after)
        if ring.head != cursor.after:
            self._next_id = 0  # the record may have been overwritten meanwhile

    @property
    def names(self) -> dict[bytes, tuple[str, str]]:
        """The known senders and fields, by their bytes in a record."""
        return self._names

    def read(self, most: int = 1 << 30, most_bytes: int = CAPACITY_BYTES) -> list[RingRecord]:
        """Return the next records, the oldest first: at most `most`, of about `most_bytes`.

        The list ends before records that have been overwritten.

        Raises:
            RingError: the ring is damaged; the cursor has counted every id that it has passed.
        """
        if os.lseek(self.ring.file, 0, os.SEEK_END) < self._whole_bytes:
            self.ring.restore_size()
        records: list[RingRecord] = []
        cursor, numbers = self.cursor, self._numbers
        if numbers[HEAD] == cursor.after:
            return records
        head = self._read_head()
        if cursor.depth and head - cursor.after > cursor.depth:  # asked here, which saves a call
            cursor.skip(head - cursor.depth)
        next_id, size = cursor.after + 1, 0
        while next_id <= head and len(records) < most and size < most_bytes:
            is_next = next_id == self._next_id
            record = self._copy_at(next_id, self._next_start) if is_next else None
            if (record := record or self._find(next_id)) is not None:
                if cursor.gap:
                    record.gap = cursor.take(next_id)
                records.append(record)
                size += len(record.data) + len(
                    record.raw if record.loan is None else record.loan.view
                )
                next_id += 1
            elif records:
                # records that are read already are delivered, whatever is wrong with the ring
                break
            else:
                head = self._read_head()
                next_id = max(next_id + 1, self._oldest(head))
                cursor.skip(next_id - 1)
        cursor.advance(next_id - 1)  # once for all: a call for each costs 5 % of the read
        numbers[self._at + 3] = cursor.dropped - self._dropped
        numbers[self._at + 1] = cursor.after
        return records

    def bundle(self) -> RecordBundle | None:
        """Return the next records at once if they are small and of one sender, else None.

        A sender numbers its messages. If its number has grown by as much as the id, no other sender
        has written in between, and only the first and the last record have to be checked.

        Raises:
            RingError: the ring is damaged.
        """
        numbers, capacity, first_id = self._numbers, self.ring.capacity, self.cursor.after + 1
        if numbers[HEAD] < first_id or self._next_id != first_id:
            return None
        head, start = self._read_head(), self._start_of(first_id)
        last_id, stop, known = self._end_of_lap(start, head)
        count, offset = last_id - self.cursor.after, DATA + start % capacity
        size = min(stop - start, self._stop - offset)
        if not 0 < size <= count * _MOST_BUNDLED_BYTES:
            return None
        data = self._map[offset : offset + size]
        first, newest = self._copy_at(first_id, start), self._copy_at(*known)
        self._next_id, self._next_start = first_id, start
        if first is None or newest is None or first.field or newest.sender != first.sender:
            return None
        is_of_one = newest.seq - first.seq == newest.id - first_id
        if not is_of_one or numbers[RESERVE] > start + capacity:
            return None
        self.cursor.advance(last_id)
        self._next_id, self._next_start = last_id + 1, stop
        numbers[self._at + 1] = last_id
        return RecordBundle(data, first_id, count, first.sender)

    def _end_of_lap(self, start: int, head: int) -> tuple[int, int, tuple[int, int]]:
        """Return the newest id on a position's lap, the next position, and a record from there on.

        The record is the newest one itself, or, if the index begins on a later lap, the first of
        the next lap.
        """
        numbers, capacity = self._numbers, self.ring.capacity
        last_id = self._last_of_lap(start, head)
        if last_id:
            last = numbers[INDEX + last_id % INDEX_SIZE]
            return last_id, last + self.ring.size_at(last % capacity, last_id), (last_id, last)
        next_lap = (start // capacity + 1) * capacity
        next_id = RECORD.unpack_from(self._map, DATA)[0]
        return next_id - 1, next_lap, (next_id, next_lap)

    def _last_of_lap(self, start: int, head: int) -> int:
        """Return the newest id whose record is on a position's lap, as far as the index shows."""
        lap, capacity, numbers = start // self.ring.capacity, self.ring.capacity, self._numbers
        ids = range(max(self.cursor.after, head - INDEX_SIZE) + 1, head + 1)
        # Positions grow with ids.
        laps = bisect_right(
            ids, lap, key=lambda each: numbers[INDEX + each % INDEX_SIZE] // capacity
        )
        return ids[laps - 1] if laps else 0

    def _read_head(self) -> int:
        """Return the newest id; also update where the data ends."""
        numbers = self._numbers
        head = numbers[HEAD]  # read first: the data up to it is allocated
        if not 0 <= head - self.cursor.after <= _MOST_AHEAD:
            raise self.ring.damaged(f"its newest message was {self.cursor.after} and is {head}")
        extent = numbers[EXTENT] or numbers[CLOSED]
        self._stop = DATA - MARK_BYTES + min(extent, self.ring.capacity)
        return head

    def find(self, message_id: int) -> RingRecord | None:
        """Return a record by its id, wherever the cursor is; None if it is overwritten."""
        self._stop = DATA - MARK_BYTES + self.ring.extent
        place = self._next_id, self._next_start
        record = self._find(message_id)
        self._next_id, self._next_start = place
        return record

    def sleep(self) -> None:
        """Request the bell for the next message: the first step of `Bell.arm`."""
        self._map[ASLEEP + self.seat] = 1

    def may_sleep(self) -> bool:
        """Whether the next message will ring; this is the last step of `Bell.arm`.

        False when there is a message already. False also when the writer of a message that was read
        rings only now: that ring may have been cleared, and it has reset the request.
        """
        return self._map[ASLEEP + self.seat] != 0 and self._numbers[HEAD] == self.cursor.after

    def has_more(self) -> bool:
        """Whether there is a new message."""
        return self._numbers[HEAD] != self.cursor.after

    def _find(self, message_id: int) -> RingRecord | None:
        """Return a record after the last one or by the index; None: overwritten, or damaged."""
        record = self._copy(message_id)
        if record is None and self._next_id == message_id:
            self._next_id = 0
            record = self._copy(message_id)
        return record

    def _copy(self, message_id: int) -> RingRecord | None:
        if ORDERED:
            return self._copy_at(message_id, self._start_of(message_id))
        for _ in range(_READ_AGAIN):
            start = self._start_of(message_id)
            record = self._copy_at(message_id, start)
            if record is not None or self._numbers[RESERVE] > start + self.ring.capacity:
                return record
        return None

    def _copy_at(self, message_id: int, start: int) -> RingRecord | None:
        """Return the record at a position; None: not there, overwritten, or it cannot be right."""
        memory, numbers, capacity = self._map, self._numbers, self.ring.capacity
        at = DATA + start % capacity
        if at + RECORD.size > self._stop:
            return None
        last = start + capacity  # the record is overwritten once RESERVE is beyond this
        found, stamp, written, seq, check, lengths, names = RECORD.unpack_from(memory, at)
        can_be = found == message_id and (stamp | written | seq) <= MOST_NUMBER
        if not can_be or not start < numbers[RESERVE] <= last:
            return None
        at += RECORD.size
        body = at + names
        end = body + (lengths >> LENGTHS_SHIFT)
        stop = end + (lengths & 0xFFFFFFFF)
        if stop > self._stop:
            return None
        name, text = memory[at:body], memory[body:end]
        loan = None
        if ORDERED and stop - end >= LENT_BYTES:
            # A buffer of its own for each: its count of views shows whether the loan is in use.
            loan = Loan(memoryview(memory)[end:stop].toreadonly(), self._reserve, last)
        raw = memory[end:stop] if loan is None else b""
        if numbers[RESERVE] > last or (check and check != checksum(message_id, text, raw)):
            return None
        self._next_id = message_id + 1
        self._next_start = start + (RECORD.size + stop - at + 7 & ~7)
        known = self._names.get(name) or self._cache_names(name)
        if known is None or not (text.isascii() or _is_text(text)):
            return None
        return RingRecord(message_id, seq, stamp, written, known[0], text, known[1], raw, 0, loan)

    def _cache_names(self, name: bytes) -> tuple[str, str] | None:
        """Return a sender and a field, and cache them; None if the names cannot be right."""
        if len(name) > _MOST_NAMES_BYTES or not _is_text(name):
            return None
        sender, _, field = name.decode().partition("\0")
        if sender and wire.topic_fault(sender):
            return None
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
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
        """Return the oldest id that is whole, with a margin, so that it can be read in time."""
        low, high = max(head - INDEX_SIZE // 2, 0) + 1, head
        while low < high:  # positions grow with ids
            middle = (low + high) // 2
            start = self._numbers[INDEX + middle % INDEX_SIZE]
            if self._numbers[RESERVE] > start + self.ring.capacity * 15 // 16:
                low = middle + 1
            else:
                high = middle
        return high


class Bell:
    """Wakes this process when a ring that it reads has a new message.

    A process has one bell for all its rings: a named pipe in the directory of the rings, named by
    the number that the broker gave the process. A writer rings by writing one byte. (Sending and
    receiving a datagram on a Unix socket costs twice as much.)
    """

    def __init__(self, directory: Path, number: int) -> None:
        """Make the bell of the process with this number.

        Raises:
            OSError: the pipe cannot be made.
        """
        path = directory / str(number)
        os.mkfifo(path, 0o600)
        # Open for writing too, so that there is no end of file when all writers are gone.
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        self._close.atexit = False  # nodes that end with the process still read
        inherited.register(self)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._file

    def clear(self) -> None:
        """Read the bytes that have rung so far."""
        try:  # noqa: SIM105  `suppress` takes three times as long
            os.read(self._file, _TAKEN_BYTES)
        except BlockingIOError:
            pass

    def arm(self, readers: list[RingReader]) -> bool:
        """Ring at the next message for each reader; False when there may be one already: read on.

        All readers have to be given: what has rung until now is cleared.
        """
        for each in readers:
            each.sleep()
        self.clear()
        for each in readers:  # noqa: SIM110  a generator takes longer
            if not each.may_sleep():
                return False
        return True

    def forked(self) -> None:
        """Close it in a forked child, which would otherwise take the parent's bytes."""
        if self._close.alive:  # otherwise the number may be another file's by now
            inherited.cut_off(self._file)

    def close(self) -> None:
        """Close and remove the pipe."""
        self._close()


def _is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
