"""The broker's shared memory: a directory of rings, for the processes of one user and machine.

The directory is in a file system without a disk (/dev/shm). Its broker holds a lock on it, so that
the next broker of this user recognises the directories of dead brokers, and removes them. It
contains the rings, and the bells of the processes that read them.
"""

import contextlib
import errno
import fcntl
import logging
import os
import uuid
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.ring.leftovers import PLACE, remove, remove_leftovers
from dsmq_nodes.dsmq.ring.reader import Bell, RingReader
from dsmq_nodes.dsmq.ring.record import RingRecord
from dsmq_nodes.dsmq.ring.ring import CAPACITY_BYTES, Ring, is_scarce
from dsmq_nodes.dsmq.ring.writer import Doorbells, Writer
from dsmq_nodes.errors import RingError

logger = logging.getLogger("dsmq.broker")

OWN_NUMBER: Final = 1
_MOST_TRIES: Final = 10
_FOLLOW_RECORDS: Final = 500  # at once, so that the broker's peers get their turn
_FOLLOW_BYTES: Final = 2 << 20
_LOCK_PATIENCE_SEC: Final = 0.002  # the wait blocks all peers; an append takes a tenth of it


class SharedMemory:
    """The rings of one broker."""

    def __init__(self) -> None:
        """Make the directory, after removing those of dead brokers.

        Raises:
            RingError: this system has no shared memory.
        """
        owner = f"dsmq-{os.getuid()}-" if hasattr(os, "getuid") else ""
        if not owner or not PLACE.is_dir() or not hasattr(os, "mkfifo"):
            raise RingError("this system has no /dev/shm")
        remove_leftovers()
        self._made = 0
        self._logged: set[str] = set()  # why no ring could be made, once logged
        try:
            self.directory, self._lock = _make_locked(owner)
        except OSError as error:
            raise _none_there(error) from None
        try:
            self.bell = Bell(self.directory, OWN_NUMBER)
            self._doorbells = Doorbells(self.directory)
        except OSError as error:
            remove(self.directory)
            os.close(self._lock)
            raise _none_there(error) from None

    def make(self, last_id: int) -> "RingLog":
        """Make a ring, whose first message will have the id after `last_id`.

        Raises:
            RingError: memory or descriptors are scarce.
        """
        try:
            return self._make(last_id)
        except RingError as error:
            if str(error) not in self._logged:
                self._logged.add(str(error))
                logger.warning("%s: new topics go through the broker", error)
            raise

    def _make(self, last_id: int) -> "RingLog":
        if descriptors.is_scarce():  # the rest is for connections
            raise RingError(descriptors.SCARCE)
        if is_scarce(self.directory):  # a new ring could not grow
            raise RingError(f"{PLACE} is nearly full")
        self._made += 1
        ring = Ring.create(self.directory / f"r{self._made}", last_id=last_id)
        return RingLog(ring, self._doorbells)

    @property
    def is_removed(self) -> bool:
        """Whether another program has removed it: then rings and bells can no longer be opened."""
        return os.fstat(self.bell.fileno()).st_nlink == 0

    def remove_bell(self, number: int) -> None:
        """Remove the bell of a process that is gone."""
        with contextlib.suppress(OSError):
            (self.directory / str(number)).unlink()

    def close(self) -> None:
        """Remove everything."""
        self.bell.close()
        self._doorbells.close()
        with contextlib.suppress(OSError):
            remove(self.directory)
        os.close(self._lock)


def _make_locked(owner: str) -> tuple[Path, int]:
    """Make the directory; return it with the descriptor that has it locked.

    Until it is locked another broker that starts may take it for a leftover, and remove it.
    """
    for _ in range(_MOST_TRIES):
        directory = PLACE / f"{owner}{uuid.uuid4().hex[:12]}"
        directory.mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if directory.is_dir():
                return directory, lock
            os.close(lock)
    raise FileNotFoundError(errno.ENOENT, "another program removes what is made there")


def _none_there(error: OSError) -> RingError:
    return RingError(f"no shared memory in {PLACE}: {error.strerror}")


class RingLog:
    """A topic's ring, as the broker reads and writes it."""

    def __init__(self, ring: Ring, doorbells: Doorbells) -> None:
        self._ring = ring
        self._writer = Writer(ring, "", doorbells, _LOCK_PATIENCE_SEC)
        after = ring.head
        # No depth: the ring then keeps as much as it can while the broker is behind.
        seat = ring.seat(OWN_NUMBER, after=after, depth=0)
        self.reader = RingReader(ring, seat, Cursor(after))
        self.bundle = self.reader.bundle

    @property
    def path(self) -> str:
        """The file's path, for processes that map it."""
        return str(self._ring.path)

    def append(self, sender: str, text: bytes, seq: int, stamp_ns: int) -> int:
        """Append for a peer that does not share memory; return the id, or 0 if the lock is held.

        Raises:
            RingError: the ring cannot take this message.
        """
        self._ring.restore_size()
        if self._ring.head < self.reader.cursor.after:  # a new writer cannot notice this
            raise self._ring.damaged(f"it has forgotten the messages after {self._ring.head}")
        if self._writer.sender != sender:
            self._writer.write_as(sender)  # the writer keeps the last sender; peers come and go
        return self._writer.append(text, seq=seq, stamp_ns=stamp_ns)

    def read(self, *, read_here: bool) -> list[RingRecord]:
        """Return the next records that the broker has not read; large ones are on loan.

        Their number is limited, more so with `read_here`.
        """
        return self.reader.read(_FOLLOW_RECORDS, _FOLLOW_BYTES if read_here else CAPACITY_BYTES)

    def find(self, message_id: int) -> RingRecord | None:
        """Return a record that the broker has read before; None if it is overwritten."""
        self._ring.restore_size()
        return self.reader.find(message_id)

    def seat(self, number: int, *, after: int, depth: int) -> int:
        """Give the reader with this number a seat, and return it.

        Raises:
            RingError: no seat is left.
        """
        self._ring.restore_size()
        return self._ring.seat(number, after=after, depth=depth)

    def unseat(self, seat: int) -> None:
        """Free a seat whose reader is gone."""
        self._ring.restore_size()
        self._ring.unseat(seat)

    def reader_state(self, seat: int) -> tuple[int, int]:
        """Return the reader's cursor, and how many messages it has dropped."""
        self._ring.restore_size()
        return self._ring.reader_state(seat)

    def wake_all(self) -> None:
        """Wake the readers that sleep: a writer that died may not have rung."""
        self._ring.restore_size()
        self._writer.wake()

    @property
    def newest_id(self) -> int:
        """The newest id, even if the broker has not read it yet."""
        return self._ring.head

    def has_more(self) -> bool:
        """Whether the ring has messages that the broker has not read."""
        self._ring.restore_size()
        return self.reader.has_more()

    def shut(self) -> None:
        """Refuse further appends."""
        self._ring.restore_size()
        self._writer.shut()

    def close(self, why: str = "") -> None:
        """Stop sharing the topic; `why` is logged if it is not empty."""
        if why:
            logger.warning("%s: from now on it goes through the broker", why)
        with contextlib.suppress(OSError):  # another program may have removed or replaced it
            Path(self.path).unlink()
        self._ring.close()
