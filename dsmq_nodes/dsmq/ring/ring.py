r"""A topic's log in shared memory: the newest messages of one topic, for processes of one machine.

Each topic has one file. Its publishers append to the file, and each subscriber reads it with a
cursor of its own; the broker does both. A writer never waits for a reader. A reader that was
overtaken finds its record overwritten and continues at a newer one. Ids have no holes, so the
reader knows how many messages it has dropped.

Any process of the user can write anything into the file, so its content is not trusted. A record
that cannot be right (its place, its lengths, its names, a text that is not UTF-8) counts as
overwritten. When the numbers at the file's head cannot be right, readers and writers raise
`RingError`, and the topic goes through the broker.

The file
========
Numbers are unsigned, 64 bits, in the machine's order, at multiples of 8::

    0       magic, version, greatest size of the data
    64      HEAD     id of the newest whole record
    72      RESERVE  position up to which records are written or were begun
    80      EXTENT   how many bytes of the data are allocated; 0 once appends are refused
    88      CLOSED   the value of EXTENT before that
    96      OWNER    1 while a writer appends without the lock, 2 once another wants to write
    104     BUSY     1 while that writer appends
    512     64 bytes, one a reader: 1 when it sleeps and wants to be woken
    1024    64 readers of 4 numbers: its number (0: free), its cursor, its depth, what it dropped
    4096    index: the position of the record with id I, at I modulo 4096, for readers that jump
    36864   the data

A *position* is lap x CAPACITY + offset into the data. A lap may end anywhere, with a mark in place
of the next record; the next lap begins at offset 0. So positions only grow, and a record at
position P is whole as long as RESERVE is at most P + CAPACITY. Memory is allocated in steps, as the
depths and lags of readers need it, up to CAPACITY. When no memory is left, the lap ends there.

A record is ``id, stamp_ns, at_ns, seq, check, length of text and of raw, length of names``, where
``at`` is the time of writing by the machine's monotonic clock. Then come the names (the sender, and
after a NUL the message's field that raw is), the text (the message as JSON in UTF-8) and raw (the
bytes of its large ``bytes`` field, which the text leaves out).

Writing (writer.py)
===================
1. Take an exclusive `flock`; the kernel releases it when its holder dies.
2. Find the end of the newest record. If a killed writer has begun to overwrite that record, or it
   is damaged, begin a new lap; the index tells readers where.
3. At the end of a lap, grow the data or begin the next lap.
4. Write RESERVE: readers of records that are about to be overwritten notice it.
5. Write the record, then its position in the index.
6. Write HEAD: readers see the record from now on. A writer that is killed earlier leaves nothing.
7. Release the lock.
8. Ring the bells of the readers that sleep.

Owning (writer.py, speedups/append.cpp)
=======================================
The lock's two system calls are a third of an append. So a writer that has appended many messages in
a row, with none of another writer in between, owns the ring: under the lock, it sets OWNER to 1 if
that is 0. A lock on OWNER's bytes (of the open file, `F_OFD_SETLK`) shows that the owner lives.

1. The owner, for each message: set BUSY to 1; a memory fence; read OWNER. If that is still 1, steps
   2 to 6 without the lock; then set BUSY to 0. If not, set BUSY to 0, own no longer, take the lock.
2. Another writer that has the lock and finds OWNER not 0: set it to 2; make a system call that
   switches tasks; wait until BUSY is 0, or the owner's lock is gone, as after a kill. Then set
   OWNER to 0. An owner that is stopped while BUSY is 1 counts as a stopped holder of the lock.

Reading (reader.py)
===================
1. Read HEAD. If the cursor is more than the reader's depth behind, jump, and count what is skipped.
2. Find the record: after the last one, or by the index.
3. Copy the record. Large raw bytes stay in the ring, *on loan*: the reader returns a view.
4. Read RESERVE: if it has passed the record by a whole lap, drop the copy and count a gap. The user
   of a view makes this check after reading the view.

On machines that may reorder the writes of one processor for another, all except x86, the record
carries a checksum. A record that does not match it yet is read again, and nothing is lent.

Sleeping (reader.py)
====================
1. Set the reader's byte to 1: it wants to be woken.
2. Clear the bell.
3. Read HEAD again, and the byte: a writer resets it before it rings. If there is a new record, or
   the byte is 0, do not sleep.

Writer and reader each make a system call, or a memory fence, between their write and their read, so
that one of the two always sees what the other has written.
"""

import contextlib
import os
import platform
import struct
import sys
import weakref
from pathlib import Path
from typing import Final, Self

from dsmq_nodes.dsmq import inherited
from dsmq_nodes.dsmq.limits import MOST_ID, MOST_NUMBER
from dsmq_nodes.dsmq.ring.mapping import mapped
from dsmq_nodes.dsmq.ring.record import LENGTHS_SHIFT, RECORD
from dsmq_nodes.errors import RingError

# With 32 bits, sixty rings of 64 MiB would leave a process no addresses for anything else;
# the largest message has 9 MB.
CAPACITY_BYTES: Final = (64 if sys.maxsize > 1 << 32 else 16) << 20
BLOCK_BYTES: Final = 64 << 10
MOST_READERS: Final = 64

_MAGIC: Final = int.from_bytes(b"dsmqring", "little")
_VERSION: Final = 3
_HEADER: Final = struct.Struct("=QQQ")
HEAD, RESERVE, EXTENT, CLOSED, OWNER, BUSY = range(8, 14)  # as indices of 64-bit numbers
ASLEEP: Final = 512
READERS: Final = 128  # as index
INDEX: Final = 512  # as index
INDEX_SIZE: Final = 4096
DATA: Final = 36864
MARK_BYTES: Final = 8
LAP_END: Final = 2**64 - 1  # the mark, where a record has its id
ORDERED: Final = platform.machine().lower() in {"x86_64", "amd64", "i686", "i386"}
_LEAST_RECORDS: Final = 10
_MUCH_RECORDS: Final = 1000
_LITTLE: Final = 16  # a sixteenth of that
_RESERVED_SHARE: Final = 10  # a tenth of the machine's shared memory


def is_scarce(place: int | Path) -> bool:
    """Whether shared memory is so scarce that the rest is left to other programs."""
    room = os.statvfs(place)
    return room.f_bavail < room.f_blocks // _RESERVED_SHARE


class Ring:
    """One topic's ring, mapped into this process.

    Attributes:
        path: the path of its file.
        capacity: the greatest size of its data, in bytes.
        memory: the file's bytes.
        numbers: the same bytes as 64-bit numbers.
        file: the file's descriptor, for the lock.
    """

    def __init__(self, path: Path) -> None:
        """Map a ring that the broker has made.

        Raises:
            RingError: there is no ring, or it is of another version.
        """
        self.path = path
        try:
            self.file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise RingError(f"no shared memory at {path}: {error.strerror}") from None
        # Needed if `close` is never called: Python does not close a bare descriptor.
        self._close_file = weakref.finalize(self, os.close, self.file)
        self._close_file.atexit = False  # nodes that end with the process still publish
        try:
            self.memory = mapped(self.file, os.fstat(self.file).st_size)
        except (OSError, ValueError) as error:
            self._close_file()
            raise RingError(f"{path} cannot be mapped: {error}") from None
        self.capacity = len(self.memory) - DATA
        expected = _HEADER.pack(_MAGIC, _VERSION, max(self.capacity, 0))
        if self.memory[: len(expected)] != expected or self.capacity % 8:
            self.memory.close()
            self._close_file()
            raise RingError(f"{path} is not a ring of version {_VERSION}")
        self._bytes = memoryview(self.memory)
        self.numbers = self._bytes.cast("Q")
        inherited.register(self)

    @classmethod
    def create(cls, path: Path, *, last_id: int = 0, capacity: int = CAPACITY_BYTES) -> Self:
        """Make a ring whose first record will have the id after `last_id`.

        Raises:
            RingError: there is no room for it, or this system has no shared memory.
        """
        block = min(BLOCK_BYTES, capacity)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, DATA + capacity)
                # Allocated now: memory that is only promised would cause a SIGBUS later.
                os.posix_fallocate(file, 0, DATA + block)
                header = struct.pack("=8xQQ40xQQQ", _VERSION, capacity, last_id, 0, block)
                os.pwrite(file, header, 0)
                os.pwrite(file, struct.pack("=Q", _MAGIC), 0)
            finally:
                os.close(file)
        except (OSError, AttributeError) as error:
            with contextlib.suppress(OSError):  # the path may be another program's file
                path.unlink()
            reason = getattr(error, "strerror", None) or error
            raise RingError(f"no shared memory in {path.parent}: {reason}") from None
        return cls(path)

    def forked(self) -> None:
        """Close it in a forked child, whose lock would be the parent's."""
        self.close()

    def close(self) -> None:
        """Close the ring; views of its memory that are still held keep it mapped."""
        for view in (self.numbers, self._bytes):
            with contextlib.suppress(BufferError, AttributeError):
                view.release()
        with contextlib.suppress(BufferError):
            self.memory.close()
        self._close_file()

    @property
    def head(self) -> int:
        """The id of the newest record."""
        return self.numbers[HEAD]

    @property
    def extent(self) -> int:
        """How many bytes of data are mapped, whatever the file's numbers say."""
        return min(self.numbers[EXTENT] or self.numbers[CLOSED], self.capacity)

    def end_of(self, message_id: int) -> int:
        """Return the position after the newest record, whose id is `message_id`.

        Raises:
            RingError: no record can have that id, or be at the last position.
        """
        start, reserve = self.numbers[INDEX + message_id % INDEX_SIZE], self.numbers[RESERVE]
        if message_id > MOST_ID or reserve > MOST_NUMBER:
            raise self.damaged(f"message {message_id} at position {reserve}")
        begun = reserve if start > MOST_NUMBER else max(start, reserve)
        if not begun:
            return 0  # the ring is new
        end = start + self.size_at(start % self.capacity, message_id)
        if start < end <= reserve <= end + self.capacity:
            return end
        # A writer was killed after it had begun to overwrite the newest record, or there is no
        # record at that place: the next record goes after everything that was begun, on a new lap.
        return (begun // self.capacity + 1) * self.capacity

    def restore_size(self) -> None:
        """Grow the file if a process has cut it: its messages are lost, and appends are refused.

        Touching the missing part causes a SIGBUS (mapping.py). The broker checks at each poll, a
        reader before each batch, a writer before each append. The compiled reader and writer check
        at most every 5 us, since the check takes a tenth of an append.
        """
        if os.lseek(self.file, 0, os.SEEK_END) < DATA + self.capacity:
            os.ftruncate(self.file, DATA + self.capacity)
            self.shut()

    def shut(self) -> None:
        """Refuse further appends; what was appended can still be read."""
        self.numbers[CLOSED] = self.extent or MARK_BYTES
        self.numbers[EXTENT] = 0

    def damaged(self, what: str) -> RingError:
        """Refuse further appends, since ids might be used twice; return the error to raise."""
        self.shut()
        return RingError(f"{self.path} is damaged: {what}")

    def size_at(self, offset: int, message_id: int) -> int:
        """Return the size of the record with this id at an offset; 0 if there is none."""
        extent = self.extent
        if offset % 8 or offset + RECORD.size > extent:
            return 0
        found, _, _, _, _, lengths, names = RECORD.unpack_from(self.memory, DATA + offset)
        size = RECORD.size + names + (lengths >> LENGTHS_SHIFT) + (lengths & 0xFFFFFFFF)
        size = size + 7 & ~7
        return size if found == message_id and offset + size + MARK_BYTES <= extent else 0

    # Readers

    def seat(self, number: int, *, after: int, depth: int) -> int:
        """Give the reader with this number, from 1, a seat; only the broker does this.

        Raises:
            RingError: there are too many readers.
        """
        for seat in range(MOST_READERS):
            at = READERS + 4 * seat
            if not self.numbers[at]:
                self.numbers[at + 1], self.numbers[at + 2] = after, depth
                self.numbers[at + 3] = 0
                self.memory[ASLEEP + seat] = 0
                self.numbers[at] = number
                return seat
        raise RingError(f"{self.path} has {MOST_READERS} readers already")

    def unseat(self, seat: int) -> None:
        """Free a seat whose reader is gone."""
        self.numbers[READERS + 4 * seat] = 0
        self.memory[ASLEEP + seat] = 0

    def reader_state(self, seat: int) -> tuple[int, int]:
        """Return the reader's cursor, and how many messages it has dropped."""
        at = READERS + 4 * seat
        return self.numbers[at + 1], self.numbers[at + 3]

    def has_room_for_readers(self, end: int, size: int) -> bool:
        """Whether the data is as large as readers need, before a new lap of records of this size.

        A reader with a depth needs that many records, however slow it is. A reader without a depth,
        such as the broker, needs its unread records; a small lag is no reason to grow a large ring.
        Ten records are always kept, for `get`.
        """
        numbers = self.numbers
        head, extent = numbers[HEAD], numbers[EXTENT]
        little = extent // _LITTLE if extent >= _MUCH_RECORDS * size else 0
        deepest = _LEAST_RECORDS
        for at in range(READERS, READERS + 4 * MOST_READERS, 4):
            if not numbers[at]:
                continue
            if numbers[at + 2]:
                deepest = max(deepest, numbers[at + 2])
            elif (lag := head - numbers[at + 1]) > 1 and self._size_of(lag, end, size) > little:
                return False
        return min(self._size_of(deepest, end, size) + 2 * size, self.capacity) <= extent

    def _size_of(self, newest: int, end: int, size: int) -> int:
        """Return the size of the `newest` records; beyond the index it is estimated by `size`."""
        if not 0 < newest < INDEX_SIZE:
            return newest * size
        oldest = max(self.numbers[HEAD] - newest, 0) + 1
        start = self.numbers[INDEX + oldest % INDEX_SIZE]
        laps = end // self.capacity - start // self.capacity
        return end % self.capacity - start % self.capacity + laps * self.numbers[EXTENT]
