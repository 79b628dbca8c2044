"""The broker: an asyncio loop around the router, on TCP and on a Unix socket beside it.

One loop, one thread, no locks. A wake is one read, one route, one write: a connection reads what
has come, the router carries out its requests, and the replies are gathered and written once for
each connection. The store commits some milliseconds later, many messages at once; a request that
needs those messages commits first. So a message is on its way to its readers before it is in
SQLite.

A peer whose requests take long, such as those for all of many topics, has a turn of `_TURN_SEC`.
Its other requests wait until the other peers have had their turn. So does a peer that puts into
shared memory which another process holds for a moment: that process may wait for a CPU.

Connections that wait to be accepted are accepted before any request is handled: a peer that
connected before a put was sent receives that put.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import descriptors, wire
from dsmq_nodes.dsmq.broker.acceptor import Acceptor
from dsmq_nodes.dsmq.broker.closings import Closings
from dsmq_nodes.dsmq.broker.listener import SPARE_DESCRIPTORS, Listener, Security
from dsmq_nodes.dsmq.broker.peer_connection import HIGH_WATER_BYTES, Connection
from dsmq_nodes.dsmq.broker.peer_user import is_other_user
from dsmq_nodes.dsmq.broker.schedule import Schedule
from dsmq_nodes.dsmq.loopback import is_loopback
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.selector import add_straight
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError, WireError
from dsmq_nodes.speedups import forward

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsmq_nodes.dsmq.broker.follow_rings import Following

logger = logging.getLogger("dsmq.broker")

_DRAIN_SEC: Final = 4.0
_QUIET_SEC: Final = 0.1
_LINGER_SEC: Final = 2.0  # for the last frames to a peer
_MOST_REST_READS: Final = 64  # 4 MiB, more than a Unix socket holds
_TURN_SEC: Final = 0.02
_REPEAT_SEC: Final = 0.002
_MOST_HANDSHAKES: Final = 8  # in a turn of the loop: 1.5 ms each
_TICK_SEC: Final = 1.0
_NO_MEMORY: Final = "no memory is left for what it sends"
_PATIENT_SEC: Final = 0.05  # how often a patient peer is pushed all that there is


class Broker:
    """Accepts connections, passes requests to the router, and sends its replies."""

    def __init__(self, store: Store, security: Security, *, shares_memory: bool = True) -> None:
        self.store = store  # for the compiled part (forward.cpp)
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
        self._closings = Closings()
        self.acceptor = Acceptor(self._add_connection, self._make_room, self._closings)
        self._schedule = Schedule(self.router, store, self._send)
        self.stopped = asyncio.Event()
        self.has_greeted = False  # whether any peer has said hello
        self._stop_reason = ""
        self._hurried = False
        self._most_connections = max(descriptors.raise_limit() - SPARE_DESCRIPTORS, 1)
        self._connections: dict[ConnectedPeer, Connection] = {}
        self._outgoing: set[Connection] = set()  # connections with a filled outbox
        self._patient: set[ConnectedPeer] = set()
        self._silent: dict[Connection, None] = {}  # those without a request yet, oldest first
        self._handshakes = 0  # in this turn of the loop
        self._last_heard_sec = 0.0
        self._ticked_sec = time.monotonic() - _TICK_SEC

    @property
    def has_peers(self) -> bool:
        """Whether any peer is connected."""
        return bool(self._connections)

    def listen(self, host: str, port: int) -> None:
        """Bind TCP `host`:`port` (port 0: any free one) and the Unix socket beside it.

        Raises:
            AddressInUseError: another process listens there already.
            InsecureError: every machine could connect without a token.
        """
        self.acceptor.listen(host, port, self.security)
        self._tick()

    def stop(self, reason: str) -> None:
        """End the broker; a second call ends it without waiting for its peers."""
        self._hurried = self.stopped.is_set()
        self._stop_reason = reason
        self.stopped.set()

    async def drain(self) -> None:
        """Tell the peers that the broker ends, and let them finish writing and reading."""
        self.acceptor.close()
        until_sec = time.monotonic() + _DRAIN_SEC
        await self._serve_all_patient(until_sec)
        closing = wire.encode_object({"event": "closing", "error": self._stop_reason})
        self._send([(peer, closing) for peer in self._connections if peer.greeted])
        while self._connections and (now := time.monotonic()) < until_sec and not self._hurried:
            if not self._is_halfway(now) and now - self._last_heard_sec > _QUIET_SEC:
                break
            await asyncio.sleep(0.01)
        self._schedule.commit()

    def _is_halfway(self, now: float) -> bool:
        """Whether a frame was begun, in either direction, whose end has not come yet."""
        return any(
            each.unsent or each.awaits_turn or (each.peer.trusted and each.overdue(now) is False)
            for each in self._connections.values()
        )

    async def _serve_all_patient(self, until_sec: float) -> None:
        """Push all messages so far to patient peers."""
        for topic in list(self.router.sharing.topics.values()) if self._patient else ():
            self.gather(self.router.sharing.follow_to_the_end(topic, time.monotonic()))
        for peer in self._patient:
            self._catch_up(peer)
        while any(peer.lags for peer in self._patient) and time.monotonic() < until_sec:
            if self._hurried:
                break
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Stop listening, end every connection."""
        self.acceptor.close()
        if self._following is not None:
            self._following.close()
            self._following = None
        self._closings.end_second()
        for connection in list(self._connections.values()):
            self._end(connection)
        self.router.commit()

    def _make_room(self, why: str) -> bool:
        """End the oldest connection that has made no request; False if there is none."""
        connection = next(iter(self._silent), None)
        if connection is None:
            return False
        reason = f"it has sent no request yet, and another connection needs its place: {why}"
        self._closings.note(connection.peer.address, reason)
        self._end(connection)
        return True

    def _add_connection(self, listener: Listener, sock: socket.socket, address: str) -> None:
        most = self._most_connections
        if len(self._connections) >= most and not self._make_room(f"there are {most}"):
            sock.close()
            self._closings.note(address, f"there are {most} connections already")
            return
        is_neighbour = address == "unix"
        local = is_neighbour or is_loopback(address.rpartition(":")[0])
        with listener.spare_descriptor():  # for finding out the socket's user
            trusted = is_neighbour or not (self.security.token or self._is_stranger(sock))
        peer = ConnectedPeer(address, local=local, trusted=trusted, is_neighbour=is_neighbour)
        if self._following is not None:
            self._following.follow_now()  # earlier messages are not for this peer
        now = time.monotonic()
        self.router.connect(peer, now)
        connection = self._connections[peer] = Connection(sock, peer, now)
        self._silent[connection] = None
        self._await_requests(connection)

    def _await_requests(self, connection: Connection) -> None:
        read: Callable[[], object] = partial(self._read, connection)
        if forward is not None and not isinstance(connection.socket, ssl.SSLSocket):
            ends = (connection, connection.peer, self, connection.descriptor)
            read = partial(forward, self._read, *ends)
        add_straight(self._loop, connection.socket, read)

    def _is_stranger(self, sock: socket.socket) -> bool:
        """Whether a peer is another user's, and so needs a token although none is set."""
        security = self.security
        return not (security.insecure or security.client_ca) and is_other_user(sock)

    def _read(self, connection: Connection, data: bytes = b"") -> None:
        """Read from a socket, unless `data` was read, and carry out the requests."""
        if connection.is_shaking_hands and not self._may_shake_hands():
            return  # the loop calls again
        if self.acceptor.arrivals(0):  # those peers have to receive later puts
            self.acceptor.accept_waiting()
        try:
            connection.read(data)
        except descriptors.NOT_NOW:
            return
        except OSError as error:
            shaking = connection.is_shaking_hands
            self._end(connection, f"it could not be taken in: {error}" if shaking else "")
            return
        except MemoryError:
            self._close(connection, _NO_MEMORY)
            return
        if connection.peer.trusted:
            self._silent.pop(connection, None)  # it is no longer ended to make room for others
        self._carry_out(connection)

    def _may_shake_hands(self) -> bool:
        """Whether one more handshake is for this turn: all other peers wait for it."""
        if not self._handshakes:
            self._loop.call_soon(setattr, self, "_handshakes", 0)
        self._handshakes += 1
        return self._handshakes <= _MOST_HANDSHAKES

    def _carry_out(self, connection: Connection) -> None:
        """Route the requests that were read, while there is room for answers, and time."""
        peer = connection.peer
        self._last_heard_sec = now = time.monotonic()
        frames = 0
        connection.awaits_turn = False
        put_back, connection.put_back = connection.put_back, ()
        try:
            for body in chain(put_back, connection.bodies):
                frames, request = frames + 1, _request(body)
                self.gather(self.router.handle(peer, request, now))
                if request.action != "put":
                    self._note_request(connection, request.action)
                elif peer.is_to_repeat:
                    peer.is_to_repeat = False
                    connection.put_back = (body,)
                    self._end_turn(connection, _REPEAT_SEC)
                if connection.queued_bytes > HIGH_WATER_BYTES:
                    self.flush()
                if peer.closing or connection.is_stalled or connection.awaits_turn:
                    break
            else:
                connection.bodies = ()
        except (WireError, MemoryError) as error:
            peer.closing = str(error) or _NO_MEMORY
        self.flush()
        if peer.closing:
            self._close(connection, peer.closing)
        else:
            connection.await_rest(frames, now)

    def _note_request(self, connection: Connection, action: str) -> None:
        """Do what follows from a request other than a put that was carried out."""
        peer = connection.peer
        if action == "subscribe" and peer.lags:  # it has the first batch already
            self._loop.call_soon(self._catch_up, peer)
        elif action == "hello" and peer.greeted:
            self.has_greeted = True
            connection.greeted()
            if peer.patient and peer not in self._patient:
                self._patient.add(peer)
                self._serve_patient(peer)
        router = self.router
        if router.sharing.wants_poll and self._following is not None:
            self._following.poll_as_wanted()
        if router.shutdown_asked and not self.stopped.is_set():
            logger.info("shut down by %s", router.shutdown_asked)
            self.stop("it was shut down by a client")
        if time.monotonic() > self._last_heard_sec + _TURN_SEC:
            self._end_turn(connection)

    def _end_turn(self, connection: Connection, pause_sec: float = 0.0) -> None:
        """Let other peers have their turn: this one has taken long enough, or cannot go on."""
        connection.awaits_turn = True
        self._loop.remove_reader(connection.socket)
        self._loop.call_later(pause_sec, self._take_turn, connection)

    def _take_turn(self, connection: Connection) -> None:
        """Continue with a peer, after the others have had their turn."""
        has_ended = connection.is_closing or connection.is_deaf  # or `_finish` continues
        if connection.awaits_turn and not has_ended and not connection.is_stalled:
            self._await_requests(connection)
            self._carry_out(connection)

    def _serve_patient(self, peer: ConnectedPeer) -> None:
        if peer in self._patient:
            self._catch_up(peer)
            self._loop.call_later(_PATIENT_SEC, self._serve_patient, peer)

    def _catch_up(self, peer: ConnectedPeer) -> None:
        """Push the next batch to a peer that lags; one batch a turn, for the others' sake."""
        replies = self.router.catch_up(peer, time.monotonic())
        if replies:
            self._send(replies)
        if peer.lags and not peer.blocked:
            self._loop.call_soon(self._catch_up, peer)

    def flush(self) -> None:
        """Write the gathered replies, once for each connection; then schedule later calls."""
        while self._outgoing:
            connection = self._outgoing.pop()
            if not connection.write():
                self._await_room(connection)
        self._schedule.plan()

    def _sent_in_part(self, connection: Connection, frame: bytes, sent: int, is_deaf: bool) -> None:
        """Keep the rest of a frame of which the compiled part has sent `sent` bytes."""
        connection.is_deaf = is_deaf
        connection.unsent += memoryview(frame)[sent:]
        self._await_room(connection)

    def _await_room(self, connection: Connection) -> None:
        """Send the rest when the peer has read, since its socket is full."""
        if connection.is_deaf:
            self._loop.call_soon(self._finish, connection)
            return
        if len(connection.unsent) > connection.high_water_bytes:
            self.router.pause(connection.peer)
        if connection.is_stalled:
            self._loop.remove_reader(connection.socket)
        self._loop.add_writer(connection.socket, self._send_unsent, connection)

    def _send_unsent(self, connection: Connection) -> None:
        """Send what is unsent, since a socket has room again."""
        has_room = connection.write_unsent()
        if connection.is_deaf or not connection.unsent:
            self._loop.remove_writer(connection.socket)
        if connection.is_deaf:
            self._finish(connection)
        elif connection.is_closing:
            if not connection.unsent:
                self._end(connection)
        elif has_room and connection.peer.blocked:
            self._resume(connection)

    def _resume(self, connection: Connection) -> None:
        self.router.resume(connection.peer)
        if connection.is_stalled:
            connection.is_stalled = False
            self._await_requests(connection)
            self._carry_out(connection)
        self._catch_up(connection.peer)

    def _finish(self, connection: Connection, reads: int = _MOST_REST_READS) -> None:
        """Carry out the requests that a peer sent before it closed, and end its connection."""
        with contextlib.suppress(OSError):
            while reads and not connection.is_closing and not connection.is_stalled:
                if not connection.awaits_turn:
                    connection.read()
                    reads -= 1  # it may have closed one direction only, and still send
                self._carry_out(connection)
                if connection.awaits_turn:
                    self._loop.call_soon(self._finish, connection, reads)
                    return
        self._end(connection)

    def _close(self, connection: Connection, reason: str) -> None:
        """End a connection after sending its outbox and the reason."""
        if connection.is_closing:
            return
        peer = connection.peer
        self._closings.note(peer.name or peer.address, reason)
        if peer.greeted:
            connection.outbox.append(wire.encode_object({"event": "closing", "error": reason}))
        connection.is_closing = True
        self._loop.remove_reader(connection.socket)
        if connection.write():
            self._end(connection)
        else:
            self._await_room(connection)
            self._loop.call_later(_LINGER_SEC, self._end, connection)

    def _end(self, connection: Connection, reason: str = "") -> None:
        """End a connection at once; the `reason`, if there is one, is logged only."""
        peer = connection.peer
        if self._connections.pop(peer, None) is None:
            return
        if reason:
            self._closings.note(peer.name or peer.address, reason)
        self._loop.remove_reader(connection.descriptor)
        self._loop.remove_writer(connection.descriptor)
        connection.close()
        self._outgoing.discard(connection)
        self._silent.pop(connection, None)
        self._patient.discard(peer)
        self.router.disconnect(peer)
        if self._following is not None:
            self._following.peer_disconnected(peer)
        self.flush()

    def gather(self, replies: Replies) -> None:
        """Queue replies for the next `flush`."""
        for peer, frame in replies:
            connection = self._connections.get(peer)
            if connection is not None and not connection.is_closing:
                connection.outbox.append(frame)
                connection.queued_bytes += len(frame)
                self._outgoing.add(connection)

    def _send(self, replies: Replies) -> None:
        self.gather(replies)
        self.flush()

    def _tick(self) -> None:
        self._loop.call_later(_TICK_SEC, self._tick)
        self._closings.end_second()
        now = time.monotonic()
        # the broker was stopped, suspended, or without a CPU
        stood_still_sec, self._ticked_sec = now - self._ticked_sec - _TICK_SEC, now
        for connection in list(self._connections.values()):
            connection.wait_longer(stood_still_sec)
            if why := connection.why_gone():
                self._end(connection, why)
            elif connection.overdue(now):
                why = "it began a frame, or has sent no hello, and did not continue"
                self._close(connection, why)
        self.router.exchange.wall_offset_sec = time.time_ns() * 1e-9 - now
        if self._following is not None:
            self._following.check_memory()
            if self.router.exchange.listeners:
                self._following.follow_now()  # so that the rates are current
        self._send(self.router.tick(now))


def _request(body: bytes) -> wire.Request | RequestError:
    try:
        return wire.decode_request(body)
    except RequestError as error:  # the router answers it
        return error
