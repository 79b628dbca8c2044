"""One peer's socket, as the broker's event loop sees it."""

import asyncio
import contextlib
import logging
import socket
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.topics import Peer
from dsmq_nodes.errors import WireError

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.broker import Broker

logger = logging.getLogger("dsmq.broker")

_HIGH_WATER_BYTES: Final = 64 * 1024
_LINGER_SEC: Final = 2.0
_SLOWEST_BYTES_PER_SEC: Final = 100_000
_STRANGERS_BODY_BYTES: Final = 16 * 1024
PATIENCE_SEC: Final = 2.0  # for a hello where a token is asked for, and for a frame once begun


class Connection(asyncio.Protocol):
    """One peer's socket."""

    def __init__(self, broker: "Broker", peer: Peer) -> None:
        self.peer = peer
        self.outbox: list[bytes] = []
        self.decoder = wire.FrameDecoder()
        self._broker = broker
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._unread_answers = 0
        self._waiting_since_sec: float | None = None
        if not peer.trusted:
            self._waiting_since_sec = time.monotonic()
            broker.watch(self)
        if not (peer.trusted and peer.local):
            self.decoder.max_body_bytes = _STRANGERS_BODY_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        sock = transport.get_extra_info("socket")
        self._socket = sock if sock.family != socket.AF_UNIX else None

    def data_received(self, data: bytes) -> None:
        """Carry out the requests that `data` completes."""
        broker, peer = self._broker, self.peer
        broker.accept_waiting()
        broker.last_heard_sec = time.monotonic()
        frames = self._carry_out(data)
        broker.flush()
        if peer.closing:
            self.close(peer.closing)
            return
        if peer.greeted:
            self.decoder.max_body_bytes = wire.MAX_BODY_BYTES
        if not self.decoder.buffered_bytes:
            if peer.trusted:
                self._waiting_since_sec = None
            return
        if peer.trusted and (frames or self._waiting_since_sec is None):
            self._waiting_since_sec = time.monotonic()
            broker.watch(self)
        self._acknowledge_quickly()

    def _carry_out(self, data: bytes) -> int:
        """Route each request that `data` completes; gives how many."""
        frames = 0
        try:
            for body in self.decoder.feed(data):
                frames += 1
                self._broker.route(self.peer, wire.decode_request(body))
                if self.peer.closing:
                    break
        except WireError as error:
            self.peer.closing = str(error)
        return frames

    def overdue(self, now: float) -> bool | None:
        """Whether a frame once begun, or a hello, has taken too long; None: neither is awaited."""
        if self._waiting_since_sec is None:
            return None
        allowed_sec = PATIENCE_SEC + self.decoder.expected_bytes / _SLOWEST_BYTES_PER_SEC
        return now - self._waiting_since_sec > allowed_sec

    def _acknowledge_quickly(self) -> None:
        # A 0.7.0 client sends header and body apart and, by Nagle's algorithm, holds the body
        # back until the header is acknowledged; a delayed acknowledgement would cost it 40 ms.
        if hasattr(socket, "TCP_QUICKACK") and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def write(self) -> None:
        """Send what is in the outbox."""
        data = self.outbox[0] if len(self.outbox) == 1 else b"".join(self.outbox)
        self.outbox.clear()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if self.peer.blocked:
            # Nothing is pushed to a blocked peer, so these are answers it does not read.
            self._unread_answers += len(data)
            if self._unread_answers > _HIGH_WATER_BYTES:
                transport.pause_reading()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._broker.router.pause(self.peer)

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._broker.router.resume(self.peer)
        if self._unread_answers and self._transport is not None:
            self._unread_answers = 0
            self._transport.resume_reading()
        self._broker.catch_up(self.peer)

    def close(self, reason: str) -> None:
        """End the connection, with what has been written so far."""
        if self._transport is None or self._transport.is_closing():
            return
        who = self.peer.name or self.peer.address
        logger.warning("closing %s: %.300s", who, reason.encode("unicode_escape").decode())
        self._transport.close()
        asyncio.get_running_loop().call_later(_LINGER_SEC, self._transport.abort)

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not left yet."""
        if self._transport is None or self._transport.is_closing():
            return 0
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        self._broker.lost(self)
