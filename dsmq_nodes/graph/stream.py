"""A connection to a broker that is read and written without waiting, by several threads."""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.channel import Channel

_RECEIVE_BYTES: Final = 256 * 1024
_RECEIVES_A_TURN: Final = 16
# A socket that can do nothing more now says so; TLS has words of its own for it.
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_STALL_SEC: Final = 0.1  # how long a message waits for a broker that does not read
_LAST_WORDS_SEC: Final = 1.0  # the same, at the end, for what is not sent yet


class Stream:
    """Frames out, bodies in.

    Attributes:
        lock: held by who sends; reading needs it with TLS only.
    """

    def __init__(self, channel: Channel) -> None:
        """Go on with the connection of a channel that has been greeted."""
        self.socket = channel.socket
        self.socket.setblocking(False)
        self.lock = threading.RLock()
        self._is_tls = isinstance(self.socket, ssl.SSLSocket)
        self._is_original = channel.original
        self._decoder = wire.FrameDecoder()
        self._unsent = b""  # the rest of a frame that the socket took only in part

    def send(self, frame: bytes) -> bool:
        """Send a frame; False: the broker does not keep up, and nothing of it was sent.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            if not self._send_rest():
                return False
            try:
                sent = self.socket.send(frame)
            except _NOT_NOW:
                sent = 0
            if sent == len(frame):
                return True
            # The broker has not kept up: wait a little for it, it never waits for subscribers.
            self._unsent = frame[sent:]
            if self._send_rest(_STALL_SEC) or len(self._unsent) < len(frame):
                return True
            self._unsent = b""
            return False

    def send_surely(self, frame: bytes) -> None:
        """Send a frame that must not be lost, later if it cannot be now.

        Raises:
            OSError: the connection is gone.
        """
        with self.lock:
            if not self.send(frame):
                self._unsent += frame

    def _send_rest(self, patience_sec: float = 0.0) -> bool:
        deadline = time.monotonic() + patience_sec
        while self._unsent:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except _NOT_NOW:
                left_sec = deadline - time.monotonic()
                if left_sec <= 0 or not select.select([], [self.socket], [], left_sec)[1]:
                    return False
        return True

    def receive(self) -> Iterator[bytes]:
        """The bodies of what has come; not without end, others have their turn.

        Raises:
            OSError: the connection is gone.
            WireError: what came is not the protocol.
        """
        for _ in range(_RECEIVES_A_TURN):
            try:
                data = self._read()
            except _NOT_NOW:
                return
            if not data:
                raise ConnectionResetError("it closed the connection")
            yield from self._decoder.feed(data)
            if len(data) < _RECEIVE_BYTES and not self._is_tls:
                return  # TLS may hold more than the socket shows

    def _read(self) -> bytes:
        if self._is_tls:
            with self.lock:  # one TLS connection cannot be read and written at once
                return self.socket.recv(_RECEIVE_BYTES)
        data = self.socket.recv(_RECEIVE_BYTES)
        if self._is_original and hasattr(socket, "TCP_QUICKACK"):
            # An original server sends header and body apart: acknowledge the one, or the
            # other waits 40 ms for it (Nagle's algorithm).
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return data

    def wait(self, timeout_sec: float) -> bool:
        """Whether something comes within so long."""
        return timeout_sec > 0 and bool(select.select([self.socket], [], [], timeout_sec)[0])

    def is_ended(self) -> bool:
        """Whether the broker has closed the connection, as far as can be seen without reading."""
        try:
            return not self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def finish(self) -> None:
        """Send what is not sent yet, if the broker takes it."""
        with self.lock, contextlib.suppress(OSError):
            self._send_rest(_LAST_WORDS_SEC)

    def close(self) -> None:
        """End the connection."""
        with self.lock:
            self.socket.close()
