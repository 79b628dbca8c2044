r"""A topic's log in shared memory: the newest messages of one topic, for processes of one machine.

One file a topic. Whoever publishes the topic appends to it, whoever subscribes it reads it with a
cursor of its own; the broker is one more of both. Nobody waits for a reader: one that the ring has
overtaken finds its record gone and goes on at a newer one, and ids, which have no holes, tell how
many it has missed.

The file
========
Numbers are unsigned, 64 bits, in the machine's order, at multiples of 8::

    0       magic, version, greatest size of the data
    64      HEAD     id of the newest whole record
    72      RESERVE  how far has been written, with what is being written or was left half done
    80      EXTENT   how many bytes of the data are allocated
    512     64 bytes, one a reader: 1 when it sleeps and wants to be woken
    1024    64 readers of 4 numbers: its number (0: none), its cursor, its depth, what it has missed
    4096    index: where the record with id I begins, at I modulo 4096, for who jumps to it
    36864   the data

A *position* is lap x CAPACITY + offset into the data. A lap may end anywhere, with a mark where the
next record would begin; the next lap begins at offset 0. So positions only grow, and a record at
position P is whole as long as RESERVE is at most P + CAPACITY. Memory is allocated bit by bit, as
readers' depths and lags ask for it, up to CAPACITY; where there is no more of it, the lap ends
there.

A record is ``id, stamp_ns, seq, check, length of text and of raw, length of names``, then the names
(the sender's, and after a NUL that of the message's field which raw is), the text (the message as
JSON in UTF-8) and raw (the bytes of its large ``bytes`` field, which the text leaves out).

Writing
=======
Under an exclusive `flock`, which the kernel lets go when its holder dies: RESERVE, then the record,
its place in the index, and last HEAD. A writer that is killed on the way leaves nothing to be seen.
After the lock is let go, the bells (bell.py) of the readers that sleep are rung.

Reading
=======
Copy the record, then look at RESERVE: if it has passed, what was copied is worth nothing. A reader
that *lends* leaves large raw bytes where they are and gives a view of them; RESERVE is looked at by
whoever has read that. Before it sleeps a reader says so, and then looks at HEAD once more. (Both
sides have a system call between what they write and what they read, so neither can miss the other's
word.) On machines that may show one processor's writes to another in another order, all but x86,
the record carries a checksum, and what does not fit it yet is read again; nothing is lent there.
"""

import contextlib
import fcntl
import mmap
import os
import platform
import struct
import time
import weakref
import zlib
from pathlib import Path
from typing import Final, Self

from dsmq_nodes.dsmq.bell import Doorbells
from dsmq_nodes.dsmq.record import Loan, Record
from dsmq_nodes.errors import RingError

CAPACITY_BYTES: Final = 64 << 20
BLOCK_BYTES: Final = 64 << 10
MOST_READERS: Final = 64
LENT_BYTES: Final = 64 << 10  # smaller ones cost less to copy than to look after

_MAGIC: Final = int.from_bytes(b"dsmqring", "little")
_VERSION: Final = 2
_HEAD, _RESERVE, _EXTENT = 8, 9, 10  # as indices of 64-bit numbers
_ASLEEP: Final = 512
_READERS: Final = 128  # as index
_INDEX: Final = 512  # as index
_INDEX_SIZE: Final = 4096
_DATA: Final = 36864
_AWAKE: Final = bytes(MOST_READERS)
_LAP_END: Final = 2**64 - 1  # the mark, where a record has its id
_MARK_BYTES: Final = 8
_RECORD: Final = struct.Struct("=QQQQQI4x")
_LENGTHS_SHIFT: Final = 32
_LOCK_PATIENCE_SEC: Final = 0.1
_LOCK_RETRY_SEC: Final = 0.00005
_ORDERED: Final = platform.machine().lower() in {"x86_64", "amd64", "i686", "i386"}
_READ_AGAIN: Final = 100
_LEAST_RECORDS: Final = 10
_MUCH_RECORDS: Final = 1000
_LITTLE: Final = 16  # of that, one part in so many
_MOST_NAMES: Final = 1000  # remembered; who wrote once and went is not for ever
_LEFT_TO_OTHERS: Final = 10  # of the machine's shared memory, one part in so many


class Ring:
    """One topic's ring, mapped into this process."""

    def __init__(self, path: Path) -> None:
        """Map a ring that the broker has made.

        Raises:
            RingError: there is none, or it is not of this version.
        """
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise RingError(f"no shared memory at {path}: {error.strerror}") from None
        # Also when nobody closes it: a descriptor alone is no object that Python would end.
        self._close_file = weakref.finalize(self, os.close, self._file)
        try:
            self._map = mmap.mmap(self._file, 0)
        except (OSError, ValueError) as error:
            self._close_file()
            raise RingError(f"{path} cannot be mapped: {error}") from None
        self._bytes = memoryview(self._map)
        self._numbers = self._bytes.cast("Q")
        if self._numbers[0] != _MAGIC or self._numbers[1] != _VERSION:
            self.close()
            raise RingError(f"{path} is not a ring of version {_VERSION}")
        self.capacity = self._numbers[2]

    @classmethod
    def create(cls, path: Path, *, last_id: int = 0, capacity: int = CAPACITY_BYTES) -> Self:
        """Make a ring whose first record will have the id after `last_id`.

        Raises:
            RingError: there is no room for it, or no such thing as shared memory here.
        """
        block = min(BLOCK_BYTES, capacity)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, _DATA + capacity)
                # Allocated, not only promised: memory that is not there would be a SIGBUS later.
                os.posix_fallocate(file, 0, _DATA + block)
                header = struct.pack("=8xQQ40xQQQ", _VERSION, capacity, last_id, 0, block)
                os.pwrite(file, header, 0)
                os.pwrite(file, struct.pack("=Q", _MAGIC), 0)
            finally:
                os.close(file)
        except (OSError, AttributeError) as error:
            path.unlink(missing_ok=True)
            raise RingError(f"no shared memory for {path}: {error}") from None
        return cls(path)

    def close(self) -> None:
        """Let go of it; views of its memory that somebody still holds keep it mapped."""
        for view in (self._numbers, self._bytes):
            with contextlib.suppress(BufferError, AttributeError):
                view.release()
        with contextlib.suppress(BufferError):
            self._map.close()
        self._close_file()

    @property
    def head(self) -> int:
        """The id of the newest record."""
        return self._numbers[_HEAD]

    @property
    def allocated_bytes(self) -> int:
        """How much memory the ring takes."""
        return _DATA + self._numbers[_EXTENT]

    # Readers

    def seat(self, number: int, *, after: int, depth: int) -> int:
        """Give the reader with this number, from 1, a place; the broker alone does this.

        Raises:
            RingError: there are too many readers.
        """
        for seat in range(MOST_READERS):
            at = _READERS + 4 * seat
            if not self._numbers[at]:
                self._numbers[at + 1], self._numbers[at + 2] = after, depth
                self._numbers[at + 3] = 0
                self._map[_ASLEEP + seat] = 0
                self._numbers[at] = number
                return seat
        raise RingError(f"{self.path} has {MOST_READERS} readers already")

    def unseat(self, seat: int) -> None:
        """The reader is gone."""
        self._numbers[_READERS + 4 * seat] = 0
        self._map[_ASLEEP + seat] = 0

    def reader_state(self, seat: int) -> tuple[int, int]:
        """The reader's cursor, and how many messages it has missed."""
        at = _READERS + 4 * seat
        return self._numbers[at + 1], self._numbers[at + 3]

    def _has_room_for_readers(self, end: int, size: int) -> bool:
        """Whether the data is as large as readers need, before the next lap, of such records.

        One with a depth needs that many records, however slow it is. One without, as the broker,
        needs what it has not read; to be a little behind is no reason to grow where there is much.
        Ten are kept in any case, for who asks the broker.
        """
        numbers = self._numbers
        head, extent = numbers[_HEAD], numbers[_EXTENT]
        little = extent // _LITTLE if extent >= _MUCH_RECORDS * size else 0
        deepest = _LEAST_RECORDS
        for at in range(_READERS, _READERS + 4 * MOST_READERS, 4):
            if not numbers[at]:
                continue
            if numbers[at + 2]:
                deepest = max(deepest, numbers[at + 2])
            elif (lag := head - numbers[at + 1]) > 1 and self._size_of(lag, end, size) > little:
                return False
        return min(self._size_of(deepest, end, size) + 2 * size, self.capacity) <= extent

    def _size_of(self, newest: int, end: int, size: int) -> int:
        """How much data the newest so many records take; about so, of `size` each, if too many."""
        if not 0 < newest < _INDEX_SIZE:
            return newest * size
        oldest = max(self._numbers[_HEAD] - newest, 0) + 1
        start = self._numbers[_INDEX + oldest % _INDEX_SIZE]
        laps = end // self.capacity - start // self.capacity
        return end % self.capacity - start % self.capacity + laps * self._numbers[_EXTENT]


class Writer:
    """Appends to a ring; one a process and ring, used by one thread at a time."""

    def __init__(self, ring: Ring, sender: str, doorbells: Doorbells) -> None:
        """Write as `sender`; `doorbells` are those of this process."""
        self.ring = ring
        self.sender = sender
        self._names: dict[str, bytes] = {"": sender.encode()}
        self._doorbells = doorbells
        self._map = ring._map  # noqa: SLF001  this file's own
        self._numbers = ring._numbers  # noqa: SLF001
        self._file = ring._file  # noqa: SLF001
        self._last_id = -1  # the newest record that we know the end of, and its end
        self._end = 0

    def append(
        self,
        text: bytes,
        *,
        seq: int,
        stamp_ns: int,
        field: str = "",
        raw: bytes | memoryview = b"",
    ) -> int:
        """Append a message and wake who sleeps; gives its id, or 0 when that was not possible.

        `raw` is the value of the message's `field`, which `text` leaves out. It is not possible
        when another writer holds the ring and does not go on (it was stopped), or when the message
        is larger than all the memory there is.
        """
        names = self._names.get(field)
        if names is None:
            names = self._names[field] = f"{self.sender}\0{field}".encode()
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not self._wait_for_lock():
                return 0
        try:
            message_id = self._write(names, text, seq, stamp_ns, raw)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        if self._map[_ASLEEP : _ASLEEP + MOST_READERS] != _AWAKE:
            self.wake()
        return message_id

    def _wait_for_lock(self) -> bool:
        """Have the ring to ourselves as soon as may be; False: its holder does not go on."""
        head = self._numbers[_HEAD]
        until_sec = time.monotonic() + _LOCK_PATIENCE_SEC
        while time.monotonic() < until_sec:
            time.sleep(_LOCK_RETRY_SEC)
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if head != (head := self._numbers[_HEAD]):
                until_sec = time.monotonic() + _LOCK_PATIENCE_SEC
        return False

    def _write(
        self, names: bytes, text: bytes, seq: int, stamp_ns: int, raw: bytes | memoryview
    ) -> int:
        numbers = self._numbers
        head = numbers[_HEAD]
        if head != self._last_id:
            self._end = self._end_of(head)  # somebody else has written
        size = (_RECORD.size + len(names) + len(text) + len(raw) + 7) & ~7
        start = self._end
        if start % self.ring.capacity + size + _MARK_BYTES > numbers[_EXTENT]:
            start = self._make_room(start, size)
            if start < 0:
                return 0
        # It says more already where a writer died that had begun a larger one.
        numbers[_RESERVE] = max(numbers[_RESERVE], start + size)
        message_id = head + 1
        at = _DATA + start % self.ring.capacity
        check = 0 if _ORDERED else zlib.crc32(raw, zlib.crc32(text, message_id & 0xFFFFFFFF)) or 1
        lengths = len(text) << _LENGTHS_SHIFT | len(raw)
        _RECORD.pack_into(self._map, at, message_id, stamp_ns, seq, check, lengths, len(names))
        at += _RECORD.size
        body = at + len(names)
        self._map[at:body] = names
        self._map[body : body + len(text)] = text
        if raw:
            body += len(text)
            self._map[body : body + len(raw)] = raw
        numbers[_INDEX + message_id % _INDEX_SIZE] = start
        numbers[_HEAD] = message_id
        self._last_id, self._end = message_id, start + size
        return message_id

    def _end_of(self, message_id: int) -> int:
        """Where the newest record ends."""
        start = self._numbers[_INDEX + message_id % _INDEX_SIZE]
        at = _DATA + start % self.ring.capacity
        found, _, _, _, lengths, names = _RECORD.unpack_from(self._map, at)
        if found != message_id:
            return 0  # the ring is new
        size = _RECORD.size + names + (lengths >> _LENGTHS_SHIFT) + (lengths & 0xFFFFFFFF)
        return int(start + (size + 7 & ~7))

    def _make_room(self, start: int, size: int) -> int:
        """The lap's end is reached: make it longer, or begin the next; -1: it is too large."""
        numbers, capacity = self._numbers, self.ring.capacity
        extent, offset = numbers[_EXTENT], start % capacity
        is_enough = self.ring._has_room_for_readers(start, size)  # noqa: SLF001
        size += _MARK_BYTES
        needed = size if is_enough else offset + size
        while extent < min(needed, capacity):
            more = min(max(BLOCK_BYTES, extent // 4 & -BLOCK_BYTES), capacity - extent)
            if not self._allocate(_DATA + extent, more):
                break  # no more memory: what there is has to do
            extent += more
        numbers[_EXTENT] = extent
        if offset + size <= extent:
            return start
        if size > extent:
            return -1
        numbers[_RESERVE] = max(numbers[_RESERVE], start + _MARK_BYTES)
        numbers[(_DATA + offset) // 8] = _LAP_END
        return (start // capacity + 1) * capacity

    def _allocate(self, start: int, size: int) -> bool:
        room = os.fstatvfs(self._file)
        if room.f_bavail < room.f_blocks // _LEFT_TO_OTHERS:
            return False
        try:
            os.posix_fallocate(self._file, start, size)
        except OSError:
            return False
        return True

    def wake(self) -> None:
        """Ring for the readers that sleep."""
        asleep = self._map[_ASLEEP : _ASLEEP + MOST_READERS]
        seat = asleep.find(1)
        while seat >= 0:
            self._map[_ASLEEP + seat] = 0
            self._doorbells.ring(self._numbers[_READERS + 4 * seat])
            seat = asleep.find(1, seat + 1)


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
        self.lends = lends and _ORDERED
        self._map = ring._map  # noqa: SLF001  this file's own
        self._numbers = memoryview(self._map).cast("Q")  # our own: a loan may outlive the ring
        self._reserve = self._numbers[_RESERVE : _RESERVE + 1]
        self._names: dict[bytes, tuple[str, str]] = {}
        self._missed = 0
        self._next_id = 0  # of the record that begins at the position beside it
        self._next_start = 0
        self._at = _READERS + 4 * seat

    def read(self, most: int = 1 << 30, most_bytes: int = CAPACITY_BYTES) -> list[Record]:
        """What there is to read, the oldest first: `most` records of it, of about so many bytes."""
        numbers = self._numbers
        head = numbers[_HEAD]
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
            if record is None:  # overtaken
                head = numbers[_HEAD]
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
        self._next_id, self._next_start = place
        return record

    def sleep(self) -> None:
        """Say that we are about to wait, so that the next message rings; then ask `has_more`."""
        self._map[_ASLEEP + self.seat] = 1

    def has_more(self) -> bool:
        """Whether there is something to read."""
        return self._numbers[_HEAD] > self.after

    def _copy(self, message_id: int) -> Record | None:
        for _ in range(1 if _ORDERED else _READ_AGAIN):
            start = self._start_of(message_id)
            at = _DATA + start % self.ring.capacity
            found, stamp, seq, check, lengths, names = _RECORD.unpack_from(self._map, at)
            if found != message_id:
                if _ORDERED or self._is_gone(start):
                    return None
                continue
            if self._is_gone(start):  # what it says of its lengths may be half overwritten
                return None
            at += _RECORD.size
            body = at + names
            end = body + (lengths >> _LENGTHS_SHIFT)
            stop = end + (lengths & 0xFFFFFFFF)
            name, text = self._map[at:body], self._map[body:end]
            loan = self._lend(start, end, stop) if self.lends else None
            raw = self._map[end:stop] if loan is None else b""
            if self._is_gone(start):
                return None
            if check and check != (zlib.crc32(raw, zlib.crc32(text, message_id & 0xFFFFFFFF)) or 1):
                continue
            self._next_id, self._next_start = (
                message_id + 1,
                start + (_RECORD.size + stop - at + 7 & ~7),
            )
            known = self._names.get(name) or self._learn(name)
            return Record(message_id, seq, stamp, known[0], text, known[1], raw, 0, loan)
        return None

    def _learn(self, name: bytes) -> tuple[str, str]:
        """A sender and a field, to be known when they come again."""
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        sender, _, field = name.decode().partition("\0")
        known = self._names[name] = (sender, field)
        return known

    def _lend(self, start: int, begin: int, stop: int) -> Loan | None:
        if stop - begin < LENT_BYTES:
            return None
        # A buffer of its own for each: so it shows whether there are more views of it.
        view = memoryview(self._map)[begin:stop].toreadonly()
        return Loan(view, self._reserve, start + self.ring.capacity)

    def _start_of(self, message_id: int) -> int:
        if message_id != self._next_id:
            return self._numbers[_INDEX + message_id % _INDEX_SIZE]
        start, capacity = self._next_start, self.ring.capacity
        if self._numbers[(_DATA + start % capacity) // 8] == _LAP_END:
            start = (start // capacity + 1) * capacity
        return start

    def _is_gone(self, start: int) -> bool:
        return self._numbers[_RESERVE] > start + self.ring.capacity

    def _oldest(self, head: int) -> int:
        """The oldest id that is surely whole, with room to read it before it is overtaken too."""
        low, high = max(head - _INDEX_SIZE // 2, 0) + 1, head
        while low < high:  # positions grow with ids
            middle = (low + high) // 2
            start = self._numbers[_INDEX + middle % _INDEX_SIZE]
            if self._numbers[_RESERVE] > start + self.ring.capacity * 15 // 16:
                low = middle + 1
            else:
                high = middle
        return high
