"""One peer's socket: the requests that were read from it, and the bytes that are not sent yet.

It has no reference to the loop or the router and calls nothing back: the loop (loop.py) decides
when to read, takes the requests, and decides when to write. A socket with TLS has the same calls.
"""

import contextlib
import os
import socket
import ssl
import struct
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors, keepalive, limits, wire
from dsmq_nodes.dsmq.address import MOST_UNSENT_BYTES, RECEIVE_BYTES, RECEIVE_MUCH_BYTES
from dsmq_nodes.dsmq.descriptors import NOT_NOW
from dsmq_nodes.dsmq.router.topics import ConnectedPeer

if TYPE_CHECKING:
    from collections.abc import Iterable

HIGH_WATER_BYTES: Final = 64 * 1024
REMOTE_HIGH_WATER_BYTES: Final = 8 * 1024  # 0.2 s at 300 kbit/s
_MOST_RECORDS: Final = 16  # of TLS, in one read: 256 KiB
_CREDENTIALS: Final = struct.Struct("=3i")  # of Linux: pid, user, group


class Connection:
    """One peer's socket.

    Attributes:
        bodies: the bodies of the frames that were read; () when all of them are carried out.
        put_back: the body of a request that is to be repeated before the others.
        outbox: frames that `write` will send, `queued_bytes` in all.
        unsent: bytes that the socket had no room for.
        is_stalled: whether the peer reads no answers, so that its requests are not read.
        awaits_turn: whether requests were read that wait until other peers have had their turn.
        is_deaf: whether the peer has closed: nothing can be sent, but it may have sent more before.
        is_closing: whether the connection ends as soon as `unsent` is sent.
        is_shaking_hands: whether the TLS handshake is not finished yet.
        takes_at_once: whether frames may be sent without a check of the socket's unsent bytes.
        descriptor: the socket's descriptor.
        woken_ns: when the compiled part was last called for it.
        high_water_bytes: while `unsent` is larger than this, nothing is to be pushed.
    """

    def __init__(self, sock: socket.socket, peer: ConnectedPeer, now: float) -> None:
        self.peer, self.socket, self.descriptor = peer, sock, sock.fileno()
        self._pid = _pid(sock)
        self.woken_ns = 0
        self.outbox: list[bytes] = []
        self.queued_bytes = 0
        self.unsent = bytearray()
        self.is_stalled = self.is_deaf = self.is_closing = self.awaits_turn = False
        self.is_shaking_hands = isinstance(sock, ssl.SSLSocket)
        strange = not (peer.trusted and peer.local)
        self.high_water_bytes = HIGH_WATER_BYTES if peer.local else REMOTE_HIGH_WATER_BYTES
        self._room = None if peer.local else descriptors.room_to_send(sock)
        self.takes_at_once = self._room is None and not self.is_shaking_hands
        self._decoder = wire.FrameDecoder(
            limits.STRANGERS_BODY_BYTES if strange else limits.MAX_BODY_BYTES
        )
        self.bodies: Iterable[bytes] = ()
        self.put_back: tuple[bytes, ...] = ()
        self._receive_bytes = RECEIVE_BYTES
        self._unread_answers = 0
        # The time since which a hello or the rest of a frame is awaited.
        self._waiting_since_sec = now if self.is_shaking_hands or not peer.trusted else None

    def read(self, data: bytes = b"") -> None:
        """Read what has come, once, into `bodies`; with TLS finish the handshake first.

        If `data` is given, it was read already.

        Raises:
            OSError: nothing has come (`NOT_NOW`), the connection has ended, or the handshake
                failed.
        """
        tls = self.socket if isinstance(self.socket, ssl.SSLSocket) else None
        if tls and self.is_shaking_hands:
            tls.do_handshake()
            self.is_shaking_hands = False
            if self.peer.trusted:
                self._waiting_since_sec = None
        data = data or self.socket.recv(self._receive_bytes)
        if not data:
            raise ConnectionResetError("it closed the connection")
        if tls:
            data += self._further_records()
        is_full = len(data) == self._receive_bytes
        self._receive_bytes = RECEIVE_MUCH_BYTES if is_full else RECEIVE_BYTES
        self.bodies = self._decoder.feed(data)

    def _further_records(self) -> bytes:
        """Read what else has come: a call gives one record of TLS, so one message of 50 bytes."""
        records: list[bytes] = []
        with contextlib.suppress(OSError):  # nothing is left, or the next read raises it again
            while len(records) < _MOST_RECORDS and (record := self.socket.recv(RECEIVE_BYTES)):
                records.append(record)
        return b"".join(records)

    def greeted(self) -> None:
        """Accept large frames, since the peer has said hello."""
        self._decoder.max_body_bytes = limits.MAX_BODY_BYTES

    def await_rest(self, frames: int, now: float) -> None:
        """Await the rest of a frame if part of one was read, after `frames` whole ones."""
        trusted = self.peer.trusted
        # then it is the broker that does not read on
        has_more = self.is_stalled or self.awaits_turn
        if has_more or not self._decoder.buffered_bytes:
            if trusted:
                self._waiting_since_sec = None
            return
        if trusted and (frames or self._waiting_since_sec is None):
            self._waiting_since_sec = now
        keepalive.acknowledge_now(self.socket)

    def wait_longer(self, more_sec: float) -> None:
        """Extend the peer's time by `more_sec`: the broker could not read meanwhile."""
        if self._waiting_since_sec is not None:
            self._waiting_since_sec += more_sec

    def overdue(self, now: float) -> bool | None:
        """Whether a frame or a hello has taken too long; None if neither is awaited."""
        if self._waiting_since_sec is None:
            return None
        allowed_sec = (
            limits.PATIENCE_SEC + self._decoder.expected_bytes / limits.SLOWEST_BYTES_PER_SEC
        )
        return now - self._waiting_since_sec > allowed_sec

    def write(self) -> bool:
        """Send the outbox; False: some of it is unsent, or the peer has closed."""
        data = self.outbox[0] if len(self.outbox) == 1 else b"".join(self.outbox)
        self.outbox.clear()
        self.queued_bytes = 0
        if self.is_deaf:
            return True
        if self.peer.blocked:
            # Nothing is pushed to a blocked peer, so these are answers that it does not read.
            self._unread_answers += len(data)
            self.is_stalled = self._unread_answers > HIGH_WATER_BYTES
        sent = 0 if self.unsent else self._send(data)
        if sent == len(data):
            return not self.unsent
        self.unsent += memoryview(data)[sent:]
        return False

    def write_unsent(self) -> bool:
        """Send what was unsent; return whether there is room for pushes again."""
        del self.unsent[: self._send(self.unsent)]
        has_room = len(self.unsent) <= self.high_water_bytes // 4
        if has_room:
            self._unread_answers = 0
        return has_room

    def _send(self, data: bytes | bytearray) -> int:
        sent = 0
        try:
            if self._room is None:
                return self.socket.send(data) if data else 0
            # In pieces, since a socket that is almost full would take all of a large one.
            while sent < len(data) and self._room.poll(0):
                sent += self.socket.send(memoryview(data)[sent : sent + MOST_UNSENT_BYTES // 2])
        except NOT_NOW:
            pass
        except OSError:
            self.is_deaf = True
        return sent

    def why_gone(self) -> str:
        """Return why the connection is useless although it has not ended; empty: it is not."""
        if keepalive.silent_sec(self.socket) > keepalive.SILENT_SEC:
            return "it no longer acknowledges anything: its machine is gone"
        if self._pid > 0 and not _is_there(self._pid) and self._has_nothing():
            return f"its process, pid {self._pid}, has ended, and another one holds its socket"
        return ""

    def _has_nothing(self) -> bool:
        """Whether nothing can be read, and the connection has not ended either."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except OSError as error:
            return isinstance(error, BlockingIOError)
        return False

    def close(self) -> None:
        """End the connection at once."""
        self.is_closing = True
        if isinstance(self.socket, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):  # the other end may be gone
                self.socket.unwrap()
        self.socket.close()


def _pid(sock: socket.socket) -> int:
    """Return the process that has connected over the Unix socket; 0 if it is not known."""
    if not hasattr(socket, "SO_PEERCRED") or sock.family != socket.AF_UNIX:
        return 0
    try:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return 0
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    return pid


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # else it is another user's
    return True
