r"""A topic's log in shared memory: the newest messages of one topic, for processes of one machine.

One file a topic. Whoever publishes the topic appends to it, whoever subscribes it reads it with a
cursor of its own; the broker is one more of both. Nobody waits for a reader: one that the ring has
overtaken finds its record gone and goes on at a newer one, and ids, which have no holes, tell how
many it has missed.

Any process of the user can write anything into the file, so nothing in it is trusted. A record that
cannot be (its place, its lengths, its names, a text that is not UTF-8) is a gap, as one that was
overwritten. Where the numbers at the file's head cannot be, reader and writer raise `RingError`,
and the topic goes through the broker.

The file
========
Numbers are unsigned, 64 bits, in the machine's order, at multiples of 8::

    0       magic, version, greatest size of the data
    64      HEAD     id of the newest whole record
    72      RESERVE  how far has been written, with what is being written or was left half done
    80      EXTENT   how many bytes of the data are allocated; 0 once nobody is to append
    88      CLOSED   what EXTENT was before that
    512     64 bytes, one a reader: 1 when it sleeps and wants to be woken
    1024    64 readers of 4 numbers: its number (0: none), its cursor, its depth, what it has missed
    4096    index: where the record with id I begins, at I modulo 4096, for who jumps to it
    36864   the data

A *position* is lap x CAPACITY + offset into the data. A lap may end anywhere, with a mark where the
next record would begin; the next lap begins at offset 0. So positions only grow, and a record at
position P is whole as long as RESERVE is at most P + CAPACITY. Memory is allocated bit by bit, as
readers' depths and lags ask for it, up to CAPACITY; where there is no more of it, the lap ends
there.

A record is ``id, stamp_ns, at_ns, seq, check, length of text and of raw, length of names``, ``at``
being when it was written, by the machine's monotonic clock; then the names
(the sender's, and after a NUL that of the message's field which raw is), the text (the message as
JSON in UTF-8) and raw (the bytes of its large ``bytes`` field, which the text leaves out).

Writing (writer.py)
========================
Under an exclusive `flock`, which the kernel lets go when its holder dies: RESERVE, then the record,
its place in the index, and last HEAD. A writer that is killed on the way leaves nothing to be seen.
Had it begun to write over the newest record, or is that record damaged, the next one begins a lap:
where that is, the index tells readers who look for it behind the one before.
After the lock is let go, the bells (bell.py) of the readers that sleep are rung.

Reading (reader.py)
========================
Copy the record, then look at RESERVE: if it has passed, what was copied is worth nothing. A reader
that *lends* leaves large raw bytes where they are and gives a view of them; RESERVE is looked at by
whoever has read that. Before it sleeps a reader says so, clears its bell, and then looks at HEAD
once more, and whether its word still stands: a writer takes it back before it rings. (Both sides
have a system call between what they write and what they read, so neither can miss the other's
word.) On machines that may show one processor's writes to another in another order, all but x86,
the record carries a checksum, and what does not fit it yet is read again; nothing is lent there.
"""

import contextlib
import mmap
import os
import platform
import struct
import weakref
import zlib
from pathlib import Path
from typing import Final, Self

from dsmq_nodes.dsmq import inherited
from dsmq_nodes.dsmq.limits import MOST_ID, MOST_NUMBER
from dsmq_nodes.errors import RingError

CAPACITY_BYTES: Final = 64 << 20
BLOCK_BYTES: Final = 64 << 10
MOST_READERS: Final = 64

_MAGIC: Final = int.from_bytes(b"dsmqring", "little")
_VERSION: Final = 3
_HEADER: Final = struct.Struct("=QQQ")
HEAD, RESERVE, EXTENT, CLOSED = 8, 9, 10, 11  # as indices of 64-bit numbers
ASLEEP: Final = 512
READERS: Final = 128  # as index
INDEX: Final = 512  # as index
INDEX_SIZE: Final = 4096
DATA: Final = 36864
MARK_BYTES: Final = 8
LAP_END: Final = 2**64 - 1  # the mark, where a record has its id
RECORD: Final = struct.Struct("=QQQQQQI4x")
LENGTHS_SHIFT: Final = 32
ORDERED: Final = platform.machine().lower() in {"x86_64", "amd64", "i686", "i386"}
_LEAST_RECORDS: Final = 10
_MUCH_RECORDS: Final = 1000
_LITTLE: Final = 16  # of that, one part in so many
_LEFT_TO_OTHERS: Final = 10  # of the machine's shared memory, one part in so many


def is_scarce(place: int | Path) -> bool:
    """Whether so little shared memory is free that what there is is left to others."""
    room = os.statvfs(place)
    return room.f_bavail < room.f_blocks // _LEFT_TO_OTHERS


def checksum(message_id: int, text: bytes, raw: bytes | memoryview) -> int:
    """What a record carries where processors may see it in parts; never 0."""
    return zlib.crc32(raw, zlib.crc32(text, message_id & 0xFFFFFFFF)) or 1


class Ring:
    """One topic's ring, mapped into this process.

    Attributes:
        path: the file.
        capacity: how large its data may become.
        memory: the file's bytes.
        numbers: the same as 64-bit numbers.
        file: its descriptor, for the lock.
    """

    def __init__(self, path: Path) -> None:
        """Map a ring that the broker has made.

        Raises:
            RingError: there is none, or it is not of this version.
        """
        self.path = path
        try:
            self.file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise RingError(f"no shared memory at {path}: {error.strerror}") from None
        # Also when nobody closes it: a descriptor alone is no object that Python would end.
        self._close_file = weakref.finalize(self, os.close, self.file)
        self._close_file.atexit = False  # nodes that end with the process still publish
        try:
            self.memory = mmap.mmap(self.file, 0)
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
            RingError: there is no room for it, or no such thing as shared memory here.
        """
        block = min(BLOCK_BYTES, capacity)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(file, DATA + capacity)
                # Allocated, not only promised: memory that is not there would be a SIGBUS later.
                os.posix_fallocate(file, 0, DATA + block)
                header = struct.pack("=8xQQ40xQQQ", _VERSION, capacity, last_id, 0, block)
                os.pwrite(file, header, 0)
                os.pwrite(file, struct.pack("=Q", _MAGIC), 0)
            finally:
                os.close(file)
        except (OSError, AttributeError) as error:
            path.unlink(missing_ok=True)
            raise RingError(f"no shared memory for {path}: {error}") from None
        return cls(path)

    def forked(self) -> None:
        """In a forked child: its lock would be the parent's, and nobody's when that has died."""
        self.close()

    def close(self) -> None:
        """Let go of it; views of its memory that somebody still holds keep it mapped."""
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
    def allocated_bytes(self) -> int:
        """How much memory the ring takes."""
        return DATA + self.numbers[EXTENT]

    @property
    def extent(self) -> int:
        """How many bytes of the data there are, whatever the file says."""
        return min(self.numbers[EXTENT] or self.numbers[CLOSED], self.capacity)

    def end_of(self, message_id: int) -> int:
        """Where the record after the newest one begins, whose id this is.

        Raises:
            RingError: no record can have that id, or be at the position that was begun last.
        """
        start, reserve = self.numbers[INDEX + message_id % INDEX_SIZE], self.numbers[RESERVE]
        if message_id > MOST_ID or reserve > MOST_NUMBER:
            raise self.damaged(f"message {message_id} at position {reserve}")
        begun = reserve if start > MOST_NUMBER else max(start, reserve)
        if not begun:
            return 0  # the ring is new
        end = start + self._size_at(start % self.capacity, message_id)
        if start < end <= reserve <= end + self.capacity:
            return end
        # A writer was killed that had begun to write over the newest record, or what is there is no
        # record: the next one goes behind all that was begun, on a lap of its own.
        return (begun // self.capacity + 1) * self.capacity

    def hold_size(self) -> None:
        """Grow the file again where somebody has cut it; it is lost then, and shut.

        To touch what is gone is a SIGBUS, which ends the process. The broker asks at each look, a
        reader before each batch; before each append it would cost a fifth of that.
        """
        if os.lseek(self.file, 0, os.SEEK_END) < DATA + self.capacity:
            os.ftruncate(self.file, DATA + self.capacity)
            self.shut()

    def shut(self) -> None:
        """Refuse further appends; what was appended can still be read."""
        self.numbers[CLOSED] = self.extent or MARK_BYTES
        self.numbers[EXTENT] = 0

    def damaged(self, what: str) -> RingError:
        """Refuse further appends, since ids might be given twice; returns the error to raise."""
        self.shut()
        return RingError(f"{self.path} is damaged: {what}")

    def _size_at(self, offset: int, message_id: int) -> int:
        """How large the record with this id is that begins there; 0: there is none."""
        extent = self.extent
        if offset % 8 or offset + RECORD.size > extent:
            return 0
        found, _, _, _, _, lengths, names = RECORD.unpack_from(self.memory, DATA + offset)
        size = RECORD.size + names + (lengths >> LENGTHS_SHIFT) + (lengths & 0xFFFFFFFF)
        size = size + 7 & ~7
        return size if found == message_id and offset + size + MARK_BYTES <= extent else 0

    # Readers

    def seat(self, number: int, *, after: int, depth: int) -> int:
        """Give the reader with this number, from 1, a place; the broker alone does this.

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
        """The reader's cursor, and how many messages it has dropped."""
        at = READERS + 4 * seat
        return self.numbers[at + 1], self.numbers[at + 3]

    def has_room_for_readers(self, end: int, size: int) -> bool:
        """Whether the data is as large as readers need, before the next lap, of such records.

        One with a depth needs that many records, however slow it is. One without, as the broker,
        needs what it has not read; to be a little behind is no reason to grow where there is much.
        Ten are kept in any case, for who asks the broker.
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
        """How much data the newest so many records take; about so, of `size` each, if too many."""
        if not 0 < newest < INDEX_SIZE:
            return newest * size
        oldest = max(self.numbers[HEAD] - newest, 0) + 1
        start = self.numbers[INDEX + oldest % INDEX_SIZE]
        laps = end // self.capacity - start // self.capacity
        return end % self.capacity - start % self.capacity + laps * self.numbers[EXTENT]
