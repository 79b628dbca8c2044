"""The sending side of a connection to a broker: several threads write without waiting.

Bytes that the socket does not take at once are kept, up to a limit, and sent as the broker reads
on. Beyond the limit a message is refused: a publisher in a callback must not wait, or a stopped or
slow broker would delay the node's timers. In any other thread, and in a program that only
publishes, waiting is harmless: there `await_room` waits as long as the broker reads on at a good
pace.
"""

import contextlib
import math
import socket
import time
from collections import deque
from typing import Final, Generic, TypeVar

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.descriptors import NOT_NOW

_T = TypeVar("_T")
_MOST_BYTES: Final = 1 << 20  # of messages that wait; a single one may be larger
MUCH_BYTES: Final = _MOST_BYTES // 2  # with more than this, a thread that may wait does
_FAR_TOO_MUCH_BYTES: Final = 32 << 20  # of frames that a new connection repeats
_PATIENCE_SEC: Final = 0.1  # for a broker that does not read
_GOOD_PACE_BYTES_PER_SEC: Final = 4_000_000  # a reader at this pace restores our patience
_LAST_WORDS_SEC: Final = 1.0  # at the end, for unsent frames
_LAST_LETTERS_SEC: Final = 0.02  # the same, after another node has waited for nothing
_REMEMBERED_SEC: Final = 10.0  # how long a broker that did not read is remembered

_gave_up_sec = -math.inf


class Stream(Generic[_T]):
    """Sends frames over a connection that has been greeted; the connection itself reads.

    Each frame that may be lost has an owner; `unsent` returns those of lost frames.

    Attributes:
        lock: the connection's; held while sending.
        waiting_bytes: how many bytes the socket has not taken yet.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.socket = connection, connection.socket
        self.lock = connection.lock
        self.waiting_bytes = 0
        self._frames: deque[tuple[bytes, _T | None]] = deque()  # not taken by the socket yet
        self._taken_bytes = 0  # of the first frame
        self._patience_sec = _PATIENCE_SEC

    def send(self, frame: bytes, owner: _T | None = None) -> bool:
        """Send a frame, now or as the broker reads on; False when too much waits already.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            if self._frames and not self.flush() and self.waiting_bytes + len(frame) > _MOST_BYTES:
                return False
            self._send(frame, owner)
            return True

    def send_surely(self, frame: bytes) -> None:
        """Send a frame that must not be lost.

        Raises:
            OSError: the connection is gone; or it was ended, because too much waits.
        """
        with self.lock:
            if self.waiting_bytes > _FAR_TOO_MUCH_BYTES:
                self.socket.shutdown(socket.SHUT_RDWR)
                raise TimeoutError("it does not read")
            self._send(frame, None)

    def _send(self, frame: bytes, owner: _T | None) -> None:
        sent = 0
        if not self._frames:
            try:
                sent = self.socket.send(frame)
            except NOT_NOW:
                sent = 0
            if sent == len(frame):
                return
            self._taken_bytes = sent
        self._frames.append((frame, owner))
        self.waiting_bytes += len(frame) - sent

    def flush(self) -> bool:
        """Send what waits, as far as the socket takes it; returns whether that was all.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            while self._frames:
                frame, _ = self._frames[0]
                try:
                    sent = self.socket.send(memoryview(frame)[self._taken_bytes :])
                except NOT_NOW:
                    return False
                self.waiting_bytes -= sent
                self._taken_bytes += sent
                if self._taken_bytes == len(frame):
                    self._frames.popleft()
                    self._taken_bytes = 0
                regained_sec = sent / _GOOD_PACE_BYTES_PER_SEC
                self._patience_sec = min(self._patience_sec + regained_sec, _PATIENCE_SEC)
            return True

    def await_room(self, most_bytes: int = MUCH_BYTES) -> None:
        """Wait until at most `most_bytes` wait to be sent, as long as the broker reads on.

        Never in a callback.

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

    def unsent(self) -> list[_T]:
        """The owners of the frames that were not sent; those frames are dropped."""
        with self.lock:
            owners = [owner for _, owner in self._frames if owner is not None]
            self._frames.clear()
            self.waiting_bytes = 0
            return owners

    def wait(self, timeout_sec: float) -> bool:
        """Wait for bytes; returns whether some came in time."""
        return timeout_sec > 0 and bool(descriptors.ready([self.socket], timeout_sec=timeout_sec))

    def finish(self) -> None:
        """Send the unsent frames, if the broker takes them, and wait until it has read them.

        A process of many nodes waits once, and then hardly: the last node has to reach its safe
        state, too.
        """
        global _gave_up_sec  # noqa: PLW0603  of the process
        is_worth_it = time.monotonic() - _gave_up_sec > _REMEMBERED_SEC
        until_sec = time.monotonic() + (_LAST_WORDS_SEC if is_worth_it else _LAST_LETTERS_SEC)
        with self.lock, contextlib.suppress(OSError):
            while not self.flush() and (left_sec := until_sec - time.monotonic()) > 0:
                descriptors.ready([], [self.socket], left_sec)
            if not self.connection.finish(until_sec - time.monotonic()):
                _gave_up_sec = time.monotonic()

    def close(self) -> None:
        """End the connection."""
        with self.lock:
            self.socket.close()
