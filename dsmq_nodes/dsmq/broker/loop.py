"""The broker: an asyncio loop around the router, on TCP and on a Unix socket beside it.

One loop, one thread, no locks. Each chunk that arrives is cut into requests; the router's replies
are gathered and written once for each connection; then the store commits. So a message is on its
way to its readers before SQLite sees it.

Connections that wait to be accepted are accepted before any request is handled: a peer that
connected before a put was sent receives that put.
"""

import asyncio
import functools
import logging
import select
import socket
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors, wire
from dsmq_nodes.dsmq.address import unix_path
from dsmq_nodes.dsmq.broker.listener import (
    Listener,
    Security,
    most_connections,
    tcp_listener,
    unix_listener,
)
from dsmq_nodes.dsmq.broker.peer_connection import Connection
from dsmq_nodes.dsmq.broker.peer_user import is_other_user
from dsmq_nodes.dsmq.limits import PATIENCE_SEC
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError

if TYPE_CHECKING:
    from pathlib import Path

    from dsmq_nodes.dsmq.broker.follow_rings import Following

logger = logging.getLogger("dsmq.broker")

_GRAPH_DELAY_SEC: Final = 0.02  # one graph for many changes at once
_RECEIVE_BYTES: Final = 256 * 1024
_DRAIN_SEC: Final = 4.0
_QUIET_SEC: Final = 0.1
_MOST_CLOSINGS_LOGGED: Final = 20  # a second
_MOST_DISPLACED: Final = 16  # at once: until they have ended, they have descriptors
_SWEEP_SEC: Final = 0.25
_PATIENT_SEC: Final = 0.05  # a peer that says it is patient has what there is so often


class Broker:
    """Listens, and keeps the router fed."""

    def __init__(self, store: Store, security: Security, *, shares_memory: bool = True) -> None:
        self.store = store
        self.security = security
        self._loop = asyncio.get_running_loop()
        self._following: Following | None = None
        if shares_memory and not store.durable:
            from dsmq_nodes.dsmq.broker import follow_rings  # noqa: PLC0415  10 ms, not on every system

            memory = follow_rings.shared_memory()
            self.router = Router(store, security.token, memory)
            if memory is not None:
                self._following = follow_rings.Following(
                    self.router, memory, self.gather, self.flush
                )
        else:
            self.router = Router(store, security.token)
        self.stopped = asyncio.Event()
        self.host = ""
        self.port = 0
        self.unix_path: Path | None = None
        self._stop_reason = ""
        self._hurried = False
        self._closings = 0  # in this second
        self._listeners: list[Listener] = []
        self._arrivals = select.poll() if hasattr(select, "poll") else None  # not on Windows
        self._most_connections = most_connections()
        self._connections: dict[ConnectedPeer, Connection] = {}
        self._outgoing: set[Connection] = set()  # with something in their outbox
        self._watched: set[Connection] = set()  # with half a frame, or without their hello
        self._patient: set[ConnectedPeer] = set()
        self._accepting: dict[Connection, asyncio.Task[None]] = {}
        self._silent: dict[Connection, None] = {}  # oldest first: none has made a request yet
        self._displaced: set[Connection] = set()  # for want of room, and not yet ended
        self._commit_due = False
        self._graph_due = False
        self._wait_due_sec: float | None = None
        self._wait_timer: asyncio.TimerHandle | None = None
        self.last_heard_sec = 0.0
        self.received = memoryview(bytearray(_RECEIVE_BYTES))  # what a connection has just read

    def listen(self, host: str, port: int) -> None:
        """Bind TCP `host`:`port` (port 0: any free one) and the Unix socket beside it.

        Raises:
            AddressInUseError: another process listens there already.
            InsecureError: the broker would be open to everybody.
        """
        self._listeners.append(tcp_listener(host, port, self.security))
        self.host, self.port = self._listeners[0].sock.getsockname()[:2]
        listener = unix_listener(path := unix_path(self.host, self.port))
        if listener is not None:
            self.unix_path = path
            self._listeners.append(listener)
        for each in self._listeners:
            self._loop.add_reader(each.sock, self.accept_waiting)
            if self._arrivals is not None:
                self._arrivals.register(each.sock, select.POLLIN)
        self._tick()

    def stop(self, reason: str) -> None:
        """End the broker; a second call ends it without waiting for its peers."""
        self._hurried = self.stopped.is_set()
        self._stop_reason = reason
        self.stopped.set()

    async def drain(self) -> None:
        """Tell the peers that the broker ends, and let them finish writing and reading."""
        self._stop_listening()
        until_sec = time.monotonic() + _DRAIN_SEC
        await self._serve_all_patient(until_sec)
        closing = wire.encode_object({"event": "closing", "error": self._stop_reason})
        self.gather([(peer, closing) for peer in self._connections if peer.greeted])
        self.flush()
        while self._connections and (now := time.monotonic()) < until_sec and not self._hurried:
            unsent = any(each.unsent_bytes for each in self._connections.values())
            if not unsent and now - self.last_heard_sec > _QUIET_SEC:
                break
            await asyncio.sleep(0.01)
        self._commit()

    async def _serve_all_patient(self, until_sec: float) -> None:
        """Push all messages so far to patient peers."""
        for topic in list(self.router.sharing.topics.values()) if self._patient else ():
            self.gather(self.router.sharing.follow_to_the_end(topic, time.monotonic()))
        for peer in self._patient:
            self.catch_up(peer)
        while any(peer.lags for peer in self._patient) and time.monotonic() < until_sec:
            if self._hurried:
                break
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Stop listening, end every connection."""
        self._stop_listening()
        if self._following is not None:
            self._following.close()
            self._following = None
        self._note_more_closings()
        for connection in list(self._connections.values()):
            connection.abort()
        self.router.commit()

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener.sock)
            if self._arrivals is not None:
                self._arrivals.unregister(listener.sock)
            listener.close()
        self._listeners.clear()
        if self.unix_path is not None:
            self.unix_path.unlink(missing_ok=True)
            self.unix_path = None

    def accept_waiting(self) -> None:
        """Accept every connection that waits; each is a peer from this moment on."""
        # Called for every chunk that is read: one poll costs 1/18 of two accepts that find nothing.
        if self._arrivals is not None and not self._arrivals.poll(0):
            return
        for listener in self._listeners:
            try:
                while len(self._displaced) < _MOST_DISPLACED and (accepted := listener.accept()):
                    self._take_in(listener, *accepted)
            except OSError as error:
                if descriptors.is_full(error):
                    if self._displaced or self._make_room(descriptors.no_more(error)):
                        continue  # it is accepted in the next turn of the loop
                    listener.refuse_one()
                self.note_closing("one that wanted to connect", f"it cannot be accepted: {error}")

    def _make_room(self, why: str) -> bool:
        """End the oldest connection that has made no request; False when there is none."""
        connection = next(iter(self._silent), None)
        if connection is None:
            return False
        del self._silent[connection]
        if not self._displaced:  # one log line for those that go together
            reason = f"it has asked for nothing yet, and another wants its place: {why}"
            self.note_closing(connection.peer.address, reason)
        self._displaced.add(connection)
        task = self._accepting.get(connection)
        if task is None or not task.cancel():  # else its TLS is not agreed on yet
            connection.abort()
        return True

    def note_request(self, connection: Connection) -> None:
        """A connection has made a valid request: it no longer gives way to others."""
        self._silent.pop(connection, None)

    def _take_in(self, listener: Listener, sock: socket.socket, address: str) -> None:
        staying = len(self._connections) - len(self._displaced)
        most = self._most_connections
        if staying >= most and not self._make_room(f"there are {most}"):
            sock.close()
            self.note_closing(address, f"there are {self._most_connections} connections already")
            return
        local = address == "unix" or address.startswith(("127.", "::1:"))
        with listener.spare_descriptor():  # to ask for its user
            trusted = address == "unix" or not (self.security.token or self._is_stranger(sock))
        peer = ConnectedPeer(address, local=local, trusted=trusted, is_neighbour=address == "unix")
        if self._following is not None:
            self._following.follow_now()  # messages from before the connection are not for it
        self.router.connect(peer, time.monotonic())
        connection = self._connections[peer] = Connection(self, peer)
        self._silent[connection] = None
        task = self._loop.create_task(self._attach(listener, sock, connection))
        self._accepting[connection] = task
        task.add_done_callback(functools.partial(self._attached, sock, connection))

    def _attached(
        self, sock: socket.socket, connection: Connection, task: asyncio.Task[None]
    ) -> None:
        del self._accepting[connection]
        if task.cancelled():
            sock.close()
            self.lost(connection)

    def _is_stranger(self, sock: socket.socket) -> bool:
        """Whether a peer is another user's, and so needs a token although none is set."""
        security = self.security
        return not (security.insecure or security.client_ca) and is_other_user(sock)

    async def _attach(
        self, listener: Listener, sock: socket.socket, connection: Connection
    ) -> None:
        handshake_sec = PATIENCE_SEC if listener.tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection, sock, ssl=listener.tls, ssl_handshake_timeout=handshake_sec
            )
        except OSError as error:  # a TLS handshake that failed is one too
            self.note_closing(connection.peer.address, f"it could not be taken in: {error}")
            sock.close()
            self.lost(connection)

    def note_closing(self, who: str, reason: str) -> None:
        """Log why a connection is ended, in one line; beyond some a second they are counted."""
        self._closings += 1
        if self._closings <= _MOST_CLOSINGS_LOGGED:
            # Without a codec: Python imports it late, which fails when descriptors are used up.
            logger.warning("closing %s: %.300s", who, ascii(reason)[1:-1])

    def _note_more_closings(self) -> None:
        if self._closings > _MOST_CLOSINGS_LOGGED:
            more = self._closings - _MOST_CLOSINGS_LOGGED
            logger.warning("closed %d more connections in the same second", more)
        self._closings = 0

    def watch(self, connection: Connection) -> None:
        """Watch a connection that has begun a frame, until the frame is complete."""
        if not self._watched:
            self._loop.call_later(_SWEEP_SEC, self._sweep)
        self._watched.add(connection)

    def _sweep(self) -> None:
        now = time.monotonic()
        for connection in list(self._watched):
            overdue = connection.overdue(now)
            if overdue:
                connection.close("it began a frame, or owes a hello, and did not go on")
            if overdue is not False:
                self._watched.discard(connection)
        if self._watched:
            self._loop.call_later(_SWEEP_SEC, self._sweep)

    def route(self, peer: ConnectedPeer, body: bytes, now: float) -> None:
        """Let the router carry out a request; `flush` sends the replies.

        Raises:
            WireError: it ends the connection.
        """
        try:
            request = wire.decode_request(body)
        except RequestError as error:
            self.gather(self.router.refuse(peer, error))
            return
        self.gather(self.router.handle(peer, request, now))
        if request.action == "subscribe":  # it has the first batch already
            self._loop.call_soon(self.catch_up, peer)
        elif request.action == "hello" and peer.patient and peer not in self._patient:
            self._patient.add(peer)
            self._serve_patient(peer)

    def _serve_patient(self, peer: ConnectedPeer) -> None:
        if peer in self._patient:
            self.catch_up(peer)
            self._loop.call_later(_PATIENT_SEC, self._serve_patient, peer)

    def catch_up(self, peer: ConnectedPeer) -> None:
        """Push the next batch to a peer that lags; one batch a turn, so that others have theirs."""
        replies = self.router.catch_up(peer, time.monotonic())
        if replies:
            self.gather(replies)
            self.flush()
        if peer.lags and not peer.blocked:
            self._loop.call_soon(self.catch_up, peer)

    def flush(self) -> None:
        """Write the gathered replies, one write a connection; then schedule what is due later."""
        while self._outgoing:
            self._outgoing.pop().write()
        router = self.router
        if self.store.uncommitted and not self._commit_due:
            self._commit_due = True
            self._loop.call_soon(self._commit)
        if router.sharing.wants_look and self._following is not None:
            self._following.look_as_wanted()
        if router.graph_changed and not self._graph_due:
            self._graph_due = True
            self._loop.call_later(_GRAPH_DELAY_SEC, self._publish_graph)
        if (due := router.next_wait_sec) is not None and due != self._wait_due_sec:
            if self._wait_timer is not None:
                self._wait_timer.cancel()
            self._wait_due_sec = due
            self._wait_timer = self._loop.call_at(due, self._answer_waits)
        if router.shutdown_asked and not self.stopped.is_set():
            logger.info("shut down by %s", router.shutdown_asked)
            self.stop("it was shut down by a client")

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        for each in (self._watched, self._displaced):
            each.discard(connection)
        self._silent.pop(connection, None)
        self._connections.pop(connection.peer, None)
        self._patient.discard(connection.peer)
        self.router.disconnect(connection.peer)
        if self._following is not None:
            self._following.peer_left(connection.peer)
        self.flush()

    def gather(self, replies: Replies) -> None:
        """Queue replies for the next `flush`."""
        for peer, frame in replies:
            connection = self._connections.get(peer)
            if connection is not None:
                connection.outbox.append(frame)
                connection.queued_bytes += len(frame)
                self._outgoing.add(connection)

    def _commit(self) -> None:
        self._commit_due = False
        if replies := self.router.commit():
            self.gather(replies)
            self.flush()

    def _publish_graph(self) -> None:
        self._graph_due = False
        self.gather(self.router.publish_graph(time.monotonic()))
        self.flush()

    def _answer_waits(self) -> None:
        self._wait_due_sec = None
        self.gather(self.router.answer_waits(time.monotonic()))
        self.flush()

    def _tick(self) -> None:
        self._loop.call_later(1.0, self._tick)
        self._note_more_closings()
        for connection in list(self._connections.values()):
            connection.end_if_silent()
        self.router.exchange.wall_offset_sec = time.time_ns() * 1e-9 - time.monotonic()
        self.gather(self.router.tick(time.monotonic()))
        self.flush()
