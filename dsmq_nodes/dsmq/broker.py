"""The broker: asyncio shells around the router, on TCP and on a Unix socket beside it.

One loop, one thread, no locks. Each chunk that arrives is cut into requests, the router's replies
are gathered per connection and written once, and then the store is written: a message is on its
way to its readers before SQLite sees it.

Before anything that arrived is handled, connections that wait to be accepted are accepted: who has
connected before a put was sent sees that put.
"""

import argparse
import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.address import DEFAULT_HOST, DEFAULT_PORT, unix_path
from dsmq_nodes.dsmq.exchange import Replies
from dsmq_nodes.dsmq.router import Router
from dsmq_nodes.dsmq.store import Store
from dsmq_nodes.dsmq.topics import Peer
from dsmq_nodes.errors import AddressInUseError, WireError

logger = logging.getLogger("dsmq.broker")

# Small, so that what a slow reader has not read waits in the log, where it can be skipped and
# counted, and not in the kernel (which else hides 4 MB per connection).
_SEND_BUFFER_BYTES: Final = 128 * 1024
_HIGH_WATER_BYTES: Final = 64 * 1024
_GRAPH_DELAY_SEC: Final = 0.02  # one graph for many changes at once
_LINGER_SEC: Final = 2.0


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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        sock = transport.get_extra_info("socket")
        self._socket = sock if sock.family != socket.AF_UNIX else None

    def data_received(self, data: bytes) -> None:
        """Carry out the requests that `data` completes."""
        broker = self._broker
        broker.accept_waiting()
        try:
            for body in self.decoder.feed(data):
                broker.route(self.peer, wire.decode_request(body))
        except WireError as error:
            self.peer.closing = str(error)
        broker.flush()
        if self.peer.closing:
            self.close(self.peer.closing)
        elif self._socket is not None and self.decoder.buffered_bytes:
            self._acknowledge_quickly()

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

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, whoever ended it."""
        self._broker.lost(self.peer)


class Broker:
    """Listens, and keeps the router fed."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self.router = Router(self.store)
        self.port = 0
        self.host = ""
        self.unix_path: Path | None = None
        self._listeners: list[socket.socket] = []
        self._connections: dict[Peer, Connection] = {}
        self._waiting: set[Connection] = set()  # connections with something in their outbox
        self._accepting: set[asyncio.Task[None]] = set()
        self._commit_due = False
        self._graph_due = False
        self._loop = asyncio.get_running_loop()

    def listen(self, host: str, port: int) -> None:
        """Bind TCP `host`:`port` (port 0: any free one) and the Unix socket beside it.

        Raises:
            AddressInUseError: when somebody listens there already.
        """
        self._listeners.append(_tcp_listener(host, port))
        self.host, self.port = self._listeners[0].getsockname()[:2]
        listener = _unix_listener(path := unix_path(self.host, self.port))
        if listener is not None:
            self.unix_path = path
            self._listeners.append(listener)
        for sock in self._listeners:
            self._loop.add_reader(sock, self.accept_waiting)
        self._loop.call_later(1.0, self._tick)

    def close(self) -> None:
        """Stop listening, end every connection."""
        for sock in self._listeners:
            self._loop.remove_reader(sock)
            sock.close()
        self._listeners.clear()
        if self.unix_path is not None:
            self.unix_path.unlink(missing_ok=True)
        for connection in list(self._connections.values()):
            connection.abort()
        self.store.close()

    def accept_waiting(self) -> None:
        """Take in every connection that waits; each is a peer from this moment on."""
        for listener in self._listeners:
            while (accepted := _accept(listener)) is not None:
                self._take_in(*accepted)

    def _take_in(self, sock: socket.socket, address: str) -> None:
        peer = Peer(address, local=address == "unix" or address.startswith("127."))
        connection = Connection(self, peer)
        self._connections[peer] = connection
        self.router.connect(peer, time.monotonic())
        task = self._loop.create_task(self._attach(sock, connection))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _attach(self, sock: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock)
        except OSError as error:
            logger.warning("connection from %s failed: %s", connection.peer.address, error)
            sock.close()
            self.lost(connection.peer)

    def route(self, peer: Peer, request: wire.Request) -> None:
        """Let the router carry out a request; `flush` sends what it says."""
        self._gather(self.router.handle(peer, request, time.monotonic()))

    def catch_up(self, peer: Peer) -> None:
        """Let a peer read on from its cursors, a batch a turn so that others have theirs."""
        replies = self.router.catch_up(peer)
        if replies:
            self._gather(replies)
            self.flush()
            if not peer.blocked:
                self._loop.call_soon(self.catch_up, peer)

    def flush(self) -> None:
        """Write what was gathered, one write a connection; then see to store and graph."""
        while self._waiting:
            self._waiting.pop().write()
        if not self._commit_due:
            self._commit_due = True
            self._loop.call_soon(self._commit)
        if self.router.graph_changed and not self._graph_due:
            self._graph_due = True
            self._loop.call_later(_GRAPH_DELAY_SEC, self._publish_graph)

    def lost(self, peer: Peer) -> None:
        """A connection has ended."""
        self._connections.pop(peer, None)
        self.router.disconnect(peer)
        self.flush()

    def _gather(self, replies: Replies) -> None:
        for peer, frame in replies:
            connection = self._connections.get(peer)
            if connection is not None:
                connection.outbox.append(frame)
                self._waiting.add(connection)

    def _commit(self) -> None:
        self._commit_due = False
        if acknowledgements := self.router.commit():
            self._gather(acknowledgements)
            self.flush()

    def _publish_graph(self) -> None:
        self._graph_due = False
        self._gather(self.router.publish_graph(time.monotonic()))
        self.flush()

    def _tick(self) -> None:
        self._loop.call_later(1.0, self._tick)
        self._gather(self.router.tick(time.monotonic()))
        self.flush()


def _tcp_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Not SO_REUSEPORT, and on Linux this does not take a port somebody listens on.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(
                f"port {port} on {host} is in use: a broker may be running there already "
                f"(see `dsmq-nodes topic list`); stop it, or choose another with --port"
            ) from None
        raise AddressInUseError(f"cannot listen on {host} port {port}: {error.strerror}") from None
    sock.setblocking(False)
    return sock


def _unix_listener(path: Path) -> socket.socket | None:
    """A listener at `path`, or None where there cannot be one: TCP alone then serves everybody."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # TCP's port is ours, so what lies here is a dead broker's
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(1024)
    except OSError as error:
        logger.warning("no Unix socket at %s: %s", path, error)
        sock.close()
        return None
    sock.setblocking(False)
    return sock


def _accept(listener: socket.socket) -> tuple[socket.socket, str] | None:
    try:
        sock, address = listener.accept()
    except (BlockingIOError, ConnectionAbortedError):
        return None
    except OSError as error:
        logger.warning("cannot accept a connection: %s", error)
        return None
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    if listener.family == getattr(socket, "AF_UNIX", None):
        return sock, "unix"
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, f"{address[0]}:{address[1]}"


async def serve(host: str, port: int, *, announce: bool = True) -> None:
    """Run a broker until SIGINT or SIGTERM.

    Raises:
        AddressInUseError: when the port is taken.
    """
    broker = Broker()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, stop.set)
    broker.listen(host, port)
    if announce:
        where = f" (unix {broker.unix_path})" if broker.unix_path else ""
        with contextlib.suppress(OSError):  # who started us may have closed its end
            print(f"dsmq broker listening on {broker.host}:{broker.port}{where}", flush=True)  # noqa: T201
    try:
        await stop.wait()
    finally:
        broker.close()
        await asyncio.sleep(0)


def main() -> int:
    """Run a broker as a process of its own; gives the exit status."""
    parser = argparse.ArgumentParser(prog="dsmq broker", description="Run a dsmq broker.")
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free one")
    arguments = parser.parse_args()
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
    try:
        asyncio.run(serve(arguments.host, arguments.port))
    except AddressInUseError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
