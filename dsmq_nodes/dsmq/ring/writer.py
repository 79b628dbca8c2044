"""Appends to a topic's log in shared memory, by the steps of ring.py."""

import contextlib
import fcntl
import mmap
import os
import struct
import threading
import time
from fcntl import LOCK_EX, LOCK_NB, LOCK_UN, flock
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import descriptors, inherited
from dsmq_nodes.dsmq.ring.record import LENGTHS_SHIFT, RECORD, checksum
from dsmq_nodes.dsmq.ring.ring import (
    ASLEEP,
    BLOCK_BYTES,
    BUSY,
    CLOSED,
    DATA,
    EXTENT,
    HEAD,
    INDEX,
    INDEX_SIZE,
    LAP_END,
    MARK_BYTES,
    MOST_READERS,
    ORDERED,
    OWNER,
    READERS,
    RESERVE,
    Ring,
    is_scarce,
)
from dsmq_nodes.errors import RingError

_AWAKE: Final = bytes(MOST_READERS)
_NOT_AWAKE: Final = b"\0" + b"\1" * 255  # any other value counts as asleep
_LOCK: Final = LOCK_EX | LOCK_NB
_LOCK_PATIENCE_SEC: Final = 0.1
_LOCK_RETRY_SEC: Final = 0.00005
_MADV_POPULATE_WRITE: Final = 23  # Linux 5.14
_MOST_AT_ONCE_BYTES: Final = 4 << 20  # takes 2 ms
_OWNED, _WANTED = 1, 2  # values of OWNER
_OWNS_AFTER: Final = 100  # appends in a row
_MOST_OPEN: Final = 64  # doorbells
_FLOCK: Final = struct.Struct("hhqqi")  # of <fcntl.h>


class Doorbells:
    """The writers' ends of the bells (reader.py) of all processes, for one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self.files: dict[int, int] = {}
        inherited.register(self)

    def ring(self, number: int) -> None:
        """Wake the process with this number, if it still exists."""
        try:
            file = self.files.get(number)
            os.write(self._open(number) if file is None else file, b"\0")
        except BlockingIOError:
            pass  # full: the process is about to wake
        except OSError as error:
            self._close_doorbell(number)
            # no other writer would ring for this message
            if descriptors.is_full(error) and self.files:
                self._close_doorbell(next(iter(self.files)))
                self.ring(number)

    def _open(self, number: int) -> int:
        if len(self.files) >= _MOST_OPEN:
            self._close_doorbell(next(iter(self.files)))
        path = f"{self._directory}/{number}"
        file = self.files[number] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return file

    def _close_doorbell(self, number: int) -> None:
        file = self.files.pop(number, None)
        if file is not None:
            os.close(file)

    def forked(self) -> None:
        """Close all bells in a forked child."""
        self.close()

    def close(self) -> None:
        """Close all bells."""
        while self.files:
            self._close_doorbell(next(iter(self.files)))


class Writer:
    """Appends to a ring; a process has one for each ring, used by one thread at a time."""

    __slots__ = (
        *("_alone", "_end", "_fence", "_file", "_timed_out_head", "_last_id", "_map", "_names"),
        *("_numbers", "_patience_sec", "_whole_bytes", "doorbells", "owns", "ring", "sender"),
    )
    is_ordered: Final = ORDERED

    def __init__(
        self,
        ring: Ring,
        sender: str,
        doorbells: Doorbells,
        patience_sec: float = _LOCK_PATIENCE_SEC,
    ) -> None:
        """Write as `sender`, with the doorbells of this process.

        `patience_sec` limits the wait for a lock holder that is stopped.
        """
        self.ring = ring
        self.write_as(sender)
        self.doorbells = doorbells
        self._map = ring.memory
        self._numbers = ring.numbers
        self._file = ring.file
        self._whole_bytes = DATA + ring.capacity
        self._patience_sec = patience_sec
        self._timed_out_head = -1  # HEAD when a wait for the lock last failed
        self.owns = False  # whether this writer owns the ring
        self._alone = 0  # appends with the lock in a row, none of another writer in between
        self._fence = threading.Lock()  # taking it is a memory fence, if `ORDERED`
        self._last_id = -1  # the newest record with a known end, and that end
        self._end = 0

    def write_as(self, sender: str) -> None:
        """Write as another sender from now on."""
        self.sender = sender
        self._names: dict[str, bytes] = {"": sender.encode()}

    def append(
        self,
        text: bytes,
        *,
        seq: int,
        stamp_ns: int,
        field: str = "",
        raw: bytes | memoryview = b"",
    ) -> int:
        """Append a message and wake the readers that sleep; return its id.

        The id is 0, and nothing is appended, if another writer is stopped while it holds the lock.
        `raw` is the value of the message's `field`, which `text` leaves out.

        Raises:
            RingError: the message is larger than the available memory, the ring is damaged, or the
                broker has shut it.
        """
        names = self._names.get(field)
        if names is None:
            names = self._names[field] = f"{self.sender}\0{field}".encode()
        if os.lseek(self._file, 0, os.SEEK_END) < self._whole_bytes:
            self.ring.restore_size()
        owns, numbers = self.owns and ORDERED, self._numbers
        if owns:
            numbers[BUSY] = 1
            with self._fence:
                owns = numbers[OWNER] == _OWNED
            if not owns:
                numbers[BUSY] = 0
                self.disown()
        if not (owns or self._lock()):
            return 0
        try:
            message_id = self._write(names, text, seq, stamp_ns, raw)
        finally:
            if owns:
                numbers[BUSY] = 0
            else:
                self._unlock()
        if self._map[ASLEEP : ASLEEP + MOST_READERS] != _AWAKE:
            self.wake()
        return message_id

    def _lock(self) -> bool:
        """Take the lock, and the ring from its owner; False if the lock's holder is stopped."""
        try:
            flock(self._file, _LOCK)
        except BlockingIOError:
            if not self._wait_for_lock():
                return False
        if not self._numbers[OWNER] or self._take_over():
            return True
        flock(self._file, LOCK_UN)
        return False

    def _unlock(self) -> None:
        """Release the lock; after many appends in a row this writer owns the ring."""
        self._alone += 1
        if self._alone == _OWNS_AFTER and ORDERED:
            self.own()
        flock(self._file, LOCK_UN)

    def _wait_for_lock(self) -> bool:
        """Take the lock; return False if its holder is stopped.

        After one failed wait it does not wait again until there is a new record, or the lock is
        free.
        """
        head = self._numbers[HEAD]
        if head == self._timed_out_head:
            return False
        until_sec = time.monotonic() + self._patience_sec
        while time.monotonic() < until_sec:
            time.sleep(_LOCK_RETRY_SEC)
            with contextlib.suppress(BlockingIOError):
                flock(self._file, _LOCK)
                self._timed_out_head = -1
                return True
            if head != (head := self._numbers[HEAD]):
                until_sec = time.monotonic() + self._patience_sec
        self._timed_out_head = head
        return False

    def own(self) -> None:
        """Own the ring, unless another writer does; call this only with the lock."""
        if not self._numbers[OWNER] and self._lock_owner(fcntl.F_OFD_SETLK, fcntl.F_WRLCK):
            self._numbers[BUSY], self._numbers[OWNER] = 0, _OWNED
            self.owns = True

    def disown(self) -> None:
        """Stop owning the ring, since another writer wants to write."""
        self.owns, self._alone = False, 0
        self._lock_owner(fcntl.F_OFD_SETLK, fcntl.F_UNLCK)

    def _take_over(self) -> bool:
        """Take the ring from another owner; False: that one is stopped. Needs the lock."""
        numbers = self._numbers
        if self.owns and numbers[OWNER] == _OWNED:
            return True
        until_sec = time.monotonic() + self._patience_sec
        if numbers[HEAD] == self._timed_out_head:
            until_sec = 0.0
        numbers[OWNER] = _WANTED
        os.sched_yield()  # the task switch that ring.py requires
        while numbers[BUSY] and not self._lock_owner(fcntl.F_OFD_GETLK, fcntl.F_WRLCK):
            if time.monotonic() >= until_sec:
                self._timed_out_head = numbers[HEAD]
                return False
            time.sleep(_LOCK_RETRY_SEC)
        self._timed_out_head = -1
        numbers[OWNER] = 0
        return True

    def _lock_owner(self, command: int, kind: int) -> bool:
        """Lock or unlock OWNER for this open file, or check that no other one has locked it."""
        asked = _FLOCK.pack(kind, os.SEEK_SET, 8 * OWNER, 8, 0)
        try:
            lock = fcntl.fcntl(self._file, command, asked)
        except OSError:
            return False
        return command != fcntl.F_OFD_GETLK or _FLOCK.unpack(lock)[0] == fcntl.F_UNLCK

    def shut(self) -> None:
        """Refuse further appends, after the one in progress."""
        held = self._lock()  # a stopped holder or owner loses its record
        self.ring.shut()
        if held:
            flock(self._file, LOCK_UN)

    def _write(
        self, names: bytes, text: bytes, seq: int, stamp_ns: int, raw: bytes | memoryview
    ) -> int:
        numbers, capacity = self._numbers, self.ring.capacity
        head, reserve, start = numbers[HEAD], numbers[RESERVE], self._end
        if head != self._last_id or reserve != start:
            start = self._begin(head)
        size = (RECORD.size + len(names) + len(text) + len(raw) + 7) & ~7
        extent = numbers[EXTENT]
        if start % capacity + size + MARK_BYTES > extent or extent > capacity:
            start = self._make_room(start, size)
        end = start + size
        if end > reserve:  # else a writer died while writing a larger record
            numbers[RESERVE] = end
        message_id = head + 1
        at = DATA + start % capacity
        check = 0 if ORDERED else checksum(message_id, text, raw)
        lengths = len(text) << LENGTHS_SHIFT | len(raw)
        now_ns = time.monotonic_ns()
        RECORD.pack_into(
            self._map, at, message_id, stamp_ns, now_ns, seq, check, lengths, len(names)
        )
        at += RECORD.size
        body = at + len(names)
        self._map[at:body] = names
        self._map[body : body + len(text)] = text
        if raw:
            body += len(text)
            self._map[body : body + len(raw)] = raw
        numbers[INDEX + message_id % INDEX_SIZE] = start
        numbers[HEAD] = message_id
        self._last_id, self._end = message_id, end
        return message_id

    def _begin(self, head: int) -> int:
        """Return the position of our record after another process wrote, or died while writing.

        Raises:
            RingError: the ring is damaged.
        """
        self._alone = 0
        if head < self._last_id:  # ids would be used twice
            raise self.ring.damaged(f"it has forgotten the messages after {head}")
        return self.ring.end_of(head)

    def _make_room(self, start: int, size: int) -> int:
        """Grow the data or begin the next lap, at the end of a lap; return the record's position.

        Raises:
            RingError: there is too little memory, or the ring is shut.
        """
        numbers, capacity = self._numbers, self.ring.capacity
        if numbers[CLOSED]:
            raise RingError(f"{self.ring.path} is closed")
        extent, offset = numbers[EXTENT], start % capacity
        if extent > capacity:  # not a value of ours: allocate again what is allocated
            extent = 0
        is_enough = self.ring.has_room_for_readers(start, size)
        size += MARK_BYTES
        needed = size if is_enough else offset + size
        while extent < min(needed, capacity):
            more = max(BLOCK_BYTES, min(extent // 4, _MOST_AT_ONCE_BYTES) & -BLOCK_BYTES)
            more = min(more, capacity - extent)
            if not self._allocate(DATA + extent, more):
                break  # no memory is left: the ring keeps its size
            extent += more
        numbers[EXTENT] = extent
        if offset + size <= extent:
            return start
        if size > extent:
            raise RingError(f"no room in shared memory for a message of {size} bytes")
        numbers[RESERVE] = max(numbers[RESERVE], start + MARK_BYTES)
        if offset + MARK_BYTES <= extent:
            numbers[(DATA + offset) // 8] = LAP_END
        return (start // capacity + 1) * capacity

    def _allocate(self, start: int, size: int) -> bool:
        if is_scarce(self._file):
            return False
        try:
            os.posix_fallocate(self._file, start, size)
        except OSError:
            return False
        with contextlib.suppress(OSError):  # an older Linux maps page by page, at the first write
            page = start & -mmap.PAGESIZE
            self._map.madvise(_MADV_POPULATE_WRITE, page, start + size - page)
        return True

    def wake(self) -> None:
        """Ring for the readers that sleep."""
        asleep = self._map[ASLEEP : ASLEEP + MOST_READERS].translate(_NOT_AWAKE)
        seat = asleep.find(1)
        while seat >= 0:
            self._map[ASLEEP + seat] = 0
            self.doorbells.ring(self._numbers[READERS + 4 * seat])
            seat = asleep.find(1, seat + 1)
