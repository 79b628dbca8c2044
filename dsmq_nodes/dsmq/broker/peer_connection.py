"""One peer's socket, as the broker's event loop sees it."""

import asyncio
import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Final, Protocol

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.keepalive import has_gone_silent
from dsmq_nodes.dsmq.limits import (
    MAX_BODY_BYTES,
    PATIENCE_SEC,
    SLOWEST_BYTES_PER_SEC,
    STRANGERS_BODY_BYTES,
)
from dsmq_nodes.dsmq.router.topics import ConnectedPeer
from dsmq_nodes.errors import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsmq_nodes.dsmq.router.router import Router

_HIGH_WATER_BYTES: Final = 64 * 1024
_LINGER_SEC: Final = 2.0
_REST_BYTES: Final = 64 * 1024
_MOST_REST_READS: Final = 64  # 4 MiB, more than a Unix socket holds


class ServingLoop(Protocol):
    """The part of the loop (loop.py) that a connection uses."""

    received: memoryview
    last_heard_sec: float

    @property
    def router(self) -> "Router":
        """It decides; the connection tells it when its socket is full."""

    def accept_waiting(self) -> None:
        """Accept every connection that waits."""

    def watch(self, connection: "Connection") -> None:
        """Ask `connection.overdue` from time to time."""

    def note_request(self, connection: "Connection") -> None:
        """The connection has made its first request."""

    def note_closing(self, who: str, reason: str) -> None:
        """Log why a connection is ended."""

    def route(self, peer: ConnectedPeer, body: bytes, now: float) -> None:
        """Carry out one request."""

    def flush(self) -> None:
        """Write every outbox that is not empty."""

    def catch_up(self, peer: ConnectedPeer) -> None:
        """Push what the peer has not read yet."""

    def lost(self, connection: "Connection") -> None:
        """The connection has ended."""


class Connection(asyncio.BufferedProtocol):
    """One peer's socket."""

    def __init__(self, broker: ServingLoop, peer: ConnectedPeer) -> None:
        self.peer = peer
        self.outbox: list[bytes] = []
        self.decoder = wire.FrameDecoder()
        self._broker = broker
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self.queued_bytes = 0  # in the outbox
        self._bodies: Iterator[bytes] = iter(())
        self._unread_answers = 0
        self._stalled = False  # it reads no answers, so we read no requests
        self._has_asked = False
        self._waiting_since_sec: float | None = None
        if not peer.trusted:
            self._waiting_since_sec = time.monotonic()
            broker.watch(self)
        if not (peer.trusted and peer.local):
            self.decoder.max_body_bytes = STRANGERS_BODY_BYTES

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        sock = transport.get_extra_info("socket")
        self._socket = sock if sock.family != socket.AF_UNIX else None

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer to read to: one for all connections, since a new one a read costs more."""
        return self._broker.received

    def buffer_updated(self, nbytes: int) -> None:
        """Carry out the requests that the new bytes complete."""
        self._broker.accept_waiting()
        self._bodies = self.decoder.feed(bytes(self._broker.received[:nbytes]))
        self._carry_on()

    def _carry_on(self) -> None:
        """Carry out the requests that have come, as long as there is room for the answers."""
        broker, peer = self._broker, self.peer
        broker.last_heard_sec = now = time.monotonic()
        frames = 0
        try:
            for body in self._bodies:
                frames += 1
                broker.route(peer, body, now)
                if self.queued_bytes > _HIGH_WATER_BYTES:
                    broker.flush()
                if peer.closing or self._stalled:
                    break
        except WireError as error:
            peer.closing = str(error)
        broker.flush()
        if peer.closing:
            self.close(peer.closing)
        elif not self._stalled:
            self._set_deadline(frames)

    def _set_deadline(self, frames: int) -> None:
        """Limit the time that a frame may take to arrive."""
        peer = self.peer
        if peer.greeted:
            self.decoder.max_body_bytes = MAX_BODY_BYTES
        if peer.trusted and not self._has_asked:
            self._has_asked = True
            self._broker.note_request(self)
        if not self.decoder.buffered_bytes:
            if peer.trusted:
                self._waiting_since_sec = None
            return
        if peer.trusted and (frames or self._waiting_since_sec is None):
            self._waiting_since_sec = time.monotonic()
            self._broker.watch(self)
        self._acknowledge_quickly()

    def overdue(self, now: float) -> bool | None:
        """Whether a frame or a hello has taken too long; None when neither is awaited."""
        if self._waiting_since_sec is None:
            return None
        allowed_sec = PATIENCE_SEC + self.decoder.expected_bytes / SLOWEST_BYTES_PER_SEC
        return now - self._waiting_since_sec > allowed_sec

    def _acknowledge_quickly(self) -> None:
        # A 0.7.0 client sends header and body apart and, by Nagle's algorithm, holds the body
        # back until the header is acknowledged; a delayed acknowledgement would cost it 40 ms.
        if hasattr(socket, "TCP_QUICKACK") and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def write(self) -> None:
        """Send the outbox."""
        data = self.outbox[0] if len(self.outbox) == 1 else b"".join(self.outbox)
        self.outbox.clear()
        self.queued_bytes = 0
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self.peer.blocked:
            # Nothing is pushed to a blocked peer, so these are answers it does not read.
            self._unread_answers += len(data)
            if self._unread_answers > _HIGH_WATER_BYTES and not self._stalled:
                self._stalled = True
                transport.pause_reading()
        transport.write(data)

    def pause_writing(self) -> None:
        """The socket is full."""
        self._broker.router.pause(self.peer)

    def resume_writing(self) -> None:
        """The socket has room again."""
        self._broker.router.resume(self.peer)
        self._unread_answers = 0
        if self._stalled and self._transport is not None:
            self._stalled = False
            self._transport.resume_reading()
            self._carry_on()
        self._broker.catch_up(self.peer)

    def close(self, reason: str) -> None:
        """End the connection after sending the outbox."""
        if self._transport is None or self._transport.is_closing():
            return
        self._broker.note_closing(self.peer.name or self.peer.address, reason)
        if self.peer.greeted:
            self._transport.write(wire.encode_object({"event": "closing", "error": reason}))
        self._transport.close()
        asyncio.get_running_loop().call_later(_LINGER_SEC, self._transport.abort)

    def end_if_silent(self) -> None:
        """End the connection if the other machine is gone."""
        if self._socket is not None and has_gone_silent(self._socket):
            reason = "it no longer acknowledges anything: its machine is gone"
            self._broker.note_closing(self.peer.name or self.peer.address, reason)
            self.abort()

    @property
    def unsent_bytes(self) -> int:
        """How many bytes the transport still has to send."""
        if self._transport is None or self._transport.is_closing():
            return 0
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, at either end."""
        if exc is not None:
            self._carry_out_the_rest()
        self._broker.lost(self)

    def _carry_out_the_rest(self) -> None:
        """Carry out what a peer sent before it closed.

        An answer that can no longer be written ends the transport, with that still unread.
        """
        transport = self._transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return
        file = transport.get_extra_info("socket").fileno()
        with contextlib.suppress(OSError):
            for _ in range(_MOST_REST_READS):  # it may have closed one direction, and go on sending
                data = os.read(file, _REST_BYTES)
                if not data or self.peer.closing or self._stalled:
                    break
                self._bodies = self.decoder.feed(data)
                self._carry_on()
