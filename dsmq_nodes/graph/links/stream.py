"""The sending side of a connection to a broker: several threads write without waiting.

Bytes that the socket does not take at once are kept, up to a limit, and sent as the broker reads
on. When a connection is late, the newest message of each topic is kept, and none for more than a
second (`backlog.py`). A publisher in a callback must not wait, or a stopped or slow broker would
delay the node's timers. In any other thread, and in a program that only publishes, waiting is
harmless: there `await_room` waits as long as the broker reads at a good pace.
"""

import contextlib
import math
import socket
import time
from typing import Final, Generic, TypeVar

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.descriptors import NOT_NOW
from dsmq_nodes.graph.links.backlog import Backlog

_T = TypeVar("_T")
_MOST_BYTES: Final = 1 << 20  # of messages that wait; a single one may be larger
MUCH_BYTES: Final = _MOST_BYTES // 2  # above this, a thread that may wait waits
_FAR_TOO_MUCH_BYTES: Final = 32 << 20  # of frames that a new connection sends again
_STALE_SEC: Final = 1.0  # a message that has waited for longer is not sent
_PATIENCE_SEC: Final = 0.1  # how long we wait for a broker that does not read
_GOOD_PACE_BYTES_PER_SEC: Final = 4_000_000  # a reader at this pace restores our patience
_LAST_WORDS_SEC: Final = 1.0  # at the end, for unsent frames
_LAST_LETTERS_SEC: Final = 0.02  # the same, after another node of this process has waited in vain
_REMEMBERED_SEC: Final = 10.0  # how long a broker that did not read is remembered

_timed_out_sec = -math.inf


class Stream(Generic[_T]):
    """Sends frames over a connection that has said hello; the connection itself reads.

    Each frame that may be lost has an owner; `take_displaced` and `unsent` return the owners of
    lost ones.

    Attributes:
        lock: the connection's; held while sending.
        waiting_bytes: how many bytes the socket has not taken yet.
        descriptor: the socket's.
    """

    __slots__ = ("__dict__", "__weakref__", "waiting_bytes")  # used for each message

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.socket = connection, connection.socket
        self.descriptor = self.socket.fileno()
        self.lock = connection.lock
        self.waiting_bytes = 0
        self._displaced: list[_T] = []
        self._backlog: Backlog[bytes, _T] = Backlog(lambda owner, _: self._displaced.append(owner))
        self._rest = memoryview(b"")  # the rest of a frame that was sent in part
        self._rest_owner: _T | None = None
        self._patience_sec = _PATIENCE_SEC
        self._room = descriptors.room_to_send(self.socket)

    def send(self, frame: bytes, owner: _T | None = None, *, is_sure: bool = False) -> bool:
        """Send a frame, now or when the broker reads on; False when too much waits already.

        Before that, the oldest frames of the same owner are dropped to make room, except those that
        are `is_sure`.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            if not self.waiting_bytes and self._begin(frame, owner):
                return True  # the usual case
            if self.waiting_bytes and not self.flush():
                if owner is not None and not is_sure:
                    self._make_room(owner, len(frame))
                if self.waiting_bytes and self.waiting_bytes + len(frame) > _MOST_BYTES:
                    return False
            self._send(frame, owner, is_sure=is_sure)
            return True

    def _make_room(self, owner: _T, size: int) -> None:
        if (missing := self.waiting_bytes + size - _MOST_BYTES) > 0:
            self._backlog.make_room(owner, missing)
            self._count()

    def send_surely(self, frame: bytes) -> None:
        """Send a frame that must not be lost.

        Raises:
            OSError: the connection is gone; or it was ended, because too much waits.
        """
        with self.lock:
            if self.waiting_bytes > _FAR_TOO_MUCH_BYTES:
                self.socket.shutdown(socket.SHUT_RDWR)
                raise TimeoutError("it does not read")
            self._send(frame, None, is_sure=True)

    def _send(self, frame: bytes, owner: _T | None, *, is_sure: bool) -> None:
        if self.waiting_bytes or not self._begin(frame, owner):
            lasts_sec = math.inf if is_sure else _STALE_SEC
            self._backlog.add(
                frame, owner, len(frame), time.monotonic(), is_sure=is_sure, lasts_sec=lasts_sec
            )
            self._count()

    def _begin(self, frame: bytes, owner: _T | None) -> bool:
        """Send the start of a frame; False if the socket takes nothing. The rest must follow."""
        sent = self._sent(frame)
        if sent == len(frame):
            return True
        if sent or self.connection.is_tls:  # TLS may have taken it without reporting it
            self.has_begun(frame, sent, owner)
        return sent > 0 or self.connection.is_tls

    def has_begun(self, frame: bytes, sent: int, owner: _T | None) -> None:
        """Keep the rest of a frame of which `sent` bytes were sent; the caller holds the lock."""
        self._rest, self._rest_owner = memoryview(frame)[sent:], owner
        self._count()

    def _sent(self, data: bytes | memoryview) -> int:
        """Send; return how many bytes the socket took."""
        if self._room is not None and not self._room.poll(0):
            return 0
        try:
            return self.socket.send(data)
        except NOT_NOW:
            return 0

    def _count(self) -> None:
        self.waiting_bytes = len(self._rest) + self._backlog.waiting_bytes

    def flush(self) -> bool:
        """Send what waits, as far as the socket takes it; return whether nothing waits any longer.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            try:
                while self._flush_one():
                    pass
            finally:
                self._count()
            return not self.waiting_bytes

    def _flush_one(self) -> bool:
        """Send some of the first frame; returns False when nothing waits or the socket is full."""
        if self._rest:
            sent = self._sent(self._rest)
            self._rest = self._rest[sent:]
        else:
            first = self._backlog.first(time.monotonic())
            if first is None or not self._begin(*first):
                return False
            self._backlog.pop()
            sent = len(first[0]) - len(self._rest)
        regained_sec = sent / _GOOD_PACE_BYTES_PER_SEC
        self._patience_sec = min(self._patience_sec + regained_sec, _PATIENCE_SEC)
        return sent > 0

    def await_room(self, most_bytes: int = MUCH_BYTES) -> None:
        """Wait until at most `most_bytes` wait to be sent, as long as the broker reads on.

        This is never called in a callback.

        Raises:
            OSError: the connection is gone.
        """
        while self.waiting_bytes > most_bytes and self._patience_sec > 0:
            began_sec = time.monotonic()
            # Without the lock: the thread that spins sends too.
            with contextlib.suppress(ValueError):  # it was closed meanwhile
                descriptors.ready([], [self.socket], self._patience_sec)
            self._patience_sec -= time.monotonic() - began_sec
            self.flush()

    @property
    def is_late(self) -> bool:
        """Whether messages were dropped for newer ones in the last second."""
        return self._backlog.is_late(time.monotonic())

    def take_displaced(self) -> list[_T]:
        """Return the owners of the frames that were dropped for newer ones since the last call."""
        with self.lock:
            owners = self._displaced[:]
            self._displaced.clear()
            return owners

    def unsent(self) -> list[_T]:
        """Return the owners of the frames that were not sent; those frames are dropped."""
        with self.lock:
            owners = self._backlog.clear()
            if self._rest and self._rest_owner is not None:
                owners.insert(0, self._rest_owner)
            self._rest = memoryview(b"")
            self._count()
            return owners

    def wait(self, timeout_sec: float) -> bool:
        """Wait for bytes to read; return whether some came in time."""
        return timeout_sec > 0 and bool(descriptors.ready([self.socket], timeout_sec=timeout_sec))

    def finish(self) -> None:
        """Send the unsent frames, if the broker takes them, and wait until it has read them.

        Of a process with many nodes, one waits for a broker that does not read; the others hardly
        wait, since the last node has to reach its safe state, too.
        """
        global _timed_out_sec  # noqa: PLW0603  of the process
        is_worth_it = time.monotonic() - _timed_out_sec > _REMEMBERED_SEC
        until_sec = time.monotonic() + (_LAST_WORDS_SEC if is_worth_it else _LAST_LETTERS_SEC)
        with self.lock, contextlib.suppress(OSError):
            while not self.flush() and (left_sec := until_sec - time.monotonic()) > 0:
                descriptors.ready([], [self.socket], left_sec)
            if not self.connection.finish(until_sec - time.monotonic()):
                _timed_out_sec = time.monotonic()

    def close(self) -> None:
        """End the connection."""
        with self.lock:
            self.socket.close()
