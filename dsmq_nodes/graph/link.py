"""The seam between a node and the queue.

A link carries text messages on topics and knows nothing of types. It holds what the node has
advertised and subscribed; after an outage it says all that again and resumes where each reader
was. A node's thread reads, any thread may publish.
"""

import asyncio
import contextlib
import logging
import random
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.channel import Channel
from dsmq_nodes.errors import ConnectionFailedError, RequestRefusedError, WireError
from dsmq_nodes.graph.polling import Poller

logger = logging.getLogger("dsmq_nodes.link")

_RECEIVE_BYTES: Final = 256 * 1024
_RECEIVES_A_TURN: Final = 16
# A socket that can do nothing more now says so; TLS has words of its own for it.
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_STALL_SEC: Final = 0.1  # how long a publish waits for a broker that does not read
_FIRST_RETRY_SEC: Final = 0.05
_LONGEST_RETRY_SEC: Final = 1.0

Deliver = Callable[[wire.Reply], None]


@dataclass(eq=False, slots=True)
class Publication:
    """One topic that a node publishes; `dropped` messages could not be handed to the broker."""

    topic: str
    type_name: str
    latched: int
    topic_json: bytes
    messages: int = 0
    dropped: int = 0


@dataclass(eq=False, slots=True)
class _Reader:
    topic: str
    depth: int
    type_name: str
    deliver: Deliver
    after: int | None = None


class Link(Protocol):
    """What a node needs of the queue."""

    def advertise(self, topic: str, type_name: str, latched: int) -> Publication:
        """Say that we publish a topic; `latched` messages of it are kept for late readers."""

    def unadvertise(self, publication: Publication) -> None:
        """Take an `advertise` back."""

    def publish(self, publication: Publication, text: str) -> None:
        """Send a message, from any thread; never waits for a subscriber."""

    def subscribe(self, topic: str, depth: int, type_name: str, deliver: Deliver) -> None:
        """Have the messages of a topic delivered, from now on, in the thread that reads."""

    def unsubscribe(self, topic: str) -> None:
        """Have no more of a topic."""

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""

    def attach(self, loop: asyncio.AbstractEventLoop, on_readable: Callable[[], None]) -> None:
        """From now on call `on_readable` in `loop` when `drain` has something to read."""

    def detach(self) -> None:
        """Call `on_readable` no more; publishing still works."""

    def drain(self) -> None:
        """Read all there is and deliver it; does not wait."""

    def close(self) -> None:
        """End the connection; what was published before is sent."""


class DsmqLink:
    """A link to a broker over a socket."""

    def __init__(self, host: str, port: int, node: str) -> None:
        """Connect and say hello.

        Raises:
            ConnectionFailedError: no broker answers there.
            NodeNameTakenError: a node of this name is connected already.
        """
        self._host, self._port, self._node = host, port, node
        self._publications: dict[str, Publication] = {}
        self._readers: dict[str, _Reader] = {}
        self._state = "starting"
        self._write_lock = threading.Lock()
        self._unsent = b""  # the rest of a frame that the socket took only in part
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_readable: Callable[[], None] = self.drain
        self._dialling = False
        self._closed = threading.Event()
        self._decoder = wire.FrameDecoder()
        self._poller: Poller | None = None
        self._socket: socket.socket | None = None
        self._epoch = ""
        self._take(self._dial())

    # Publishing

    def advertise(self, topic: str, type_name: str, latched: int) -> Publication:
        """Say that we publish a topic; `latched` messages of it are kept for late readers."""
        publication = Publication(topic, type_name, latched, wire.encode_text(topic))
        self._publications[topic] = publication
        self._send_object(_advertise(publication))
        return publication

    def unadvertise(self, publication: Publication) -> None:
        """Take an `advertise` back."""
        if self._publications.pop(publication.topic, None):
            self._send_object({"action": "unadvertise", "topic": publication.topic})

    def publish(self, publication: Publication, text: str) -> None:
        """Send a message, from any thread.

        A message that cannot be sent, because the broker is gone or does not read, is dropped and
        counted.

        Raises:
            WireError: the message is over the size of a frame.
        """
        message = wire.encode_text(text)
        with self._write_lock:
            seq = publication.messages + 1
            frame = wire.encode_put(publication.topic_json, seq, time.time_ns(), message)
            publication.messages = seq
            if not self._send(frame):
                publication.dropped += 1

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""
        self._state = state
        self._send_object({"action": "state", "topic": "", "state": state})

    def _send_object(self, fields: dict[str, object]) -> None:
        if self._poller is None:  # an original server knows put and get alone
            self._send_locked(wire.encode_object(fields))

    def _send_locked(self, frame: bytes) -> bool:
        with self._write_lock:
            return self._send(frame)

    def _send(self, frame: bytes) -> bool:
        sock = self._socket
        if sock is None or not self._send_rest(sock):
            return False
        try:
            sent = sock.send(frame)
        except _NOT_NOW:
            sent = 0
        except OSError:
            return False  # the reading side sees it too, and reconnects
        if sent == len(frame):
            return True
        # The broker has not kept up: wait a little for it, it never waits for subscribers.
        self._unsent = frame[sent:]
        if self._send_rest(sock, _STALL_SEC) or len(self._unsent) < len(frame):
            return True
        self._unsent = b""
        return False

    def _send_rest(self, sock: socket.socket, patience_sec: float = 0.0) -> bool:
        deadline = time.monotonic() + patience_sec
        while self._unsent:
            try:
                self._unsent = self._unsent[sock.send(self._unsent) :]
            except _NOT_NOW:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([], [sock], [], left)[1]:
                    return False
            except OSError:
                return False
        return True

    # Subscribing

    def subscribe(self, topic: str, depth: int, type_name: str, deliver: Deliver) -> None:
        """Have the messages of a topic delivered, from now on, in the thread that reads."""
        reader = self._readers.get(topic)
        if reader is None:
            reader = self._readers[topic] = _Reader(topic, depth, type_name, deliver)
        else:
            reader.depth, reader.deliver = depth, deliver
        self._send_object(self._subscribe(reader))

    def unsubscribe(self, topic: str) -> None:
        """Have no more of a topic."""
        if self._readers.pop(topic, None):
            self._send_object({"action": "unsubscribe", "topic": topic})

    def _subscribe(self, reader: _Reader) -> dict[str, object]:
        fields: dict[str, object] = {
            "action": "subscribe",
            "topic": reader.topic,
            "depth": reader.depth,
            "type": reader.type_name,
        }
        if reader.after is not None:
            fields |= {"after": reader.after, "epoch": self._epoch}
        return fields

    def attach(self, loop: asyncio.AbstractEventLoop, on_readable: Callable[[], None]) -> None:
        """From now on call `on_readable` in `loop` when `drain` has something to read."""
        self._loop, self._on_readable = loop, on_readable
        if self._socket is None:
            self._lost("it was gone before the node was spun")
        else:
            loop.add_reader(self._socket, on_readable)
            if self._poller is not None:
                self._poller.start(loop)

    def drain(self) -> None:
        """Read all there is and deliver it; does not wait."""
        for _ in range(_RECEIVES_A_TURN):
            if self._socket is None:
                return
            try:
                data = self._receive(self._socket)
                if not data:
                    self._lost("it closed the connection")
                    return
                for body in self._decoder.feed(data):
                    self._received(wire.decode_reply(body))
            except _NOT_NOW:
                return
            except (OSError, WireError) as error:
                self._lost(str(error))
                return
            if len(data) < _RECEIVE_BYTES and not isinstance(self._socket, ssl.SSLSocket):
                return  # TLS may hold more than the socket shows

    def _receive(self, sock: socket.socket) -> bytes:
        if not isinstance(sock, ssl.SSLSocket):
            data = sock.recv(_RECEIVE_BYTES)
            if self._poller is not None and hasattr(socket, "TCP_QUICKACK"):
                # An original server sends header and body apart: acknowledge the one, or the
                # other waits 40 ms for it (Nagle's algorithm).
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            return data
        with self._write_lock:  # one TLS connection cannot be read and written at once
            return sock.recv(_RECEIVE_BYTES)

    def _received(self, reply: wire.Reply) -> None:
        if self._poller is not None:
            polled = self._poller.answer(reply)
            if polled is None:
                return
            reply = polled
        if reply.event == "message":
            reader = self._readers.get(reply.topic)
            if reader is not None:
                reader.after = reply.id
                reader.deliver(reply)
        elif reply.event == "subscribed":
            reader = self._readers.get(reply.topic)
            if reader is not None and reader.after is None:
                reader.after = reply.id
        elif reply.event == "error":
            logger.error("%s: the broker refused %s: %s", self._node, reply.action, reply.error)

    # Losing the broker and finding it again

    def _dial(self) -> Channel:
        return Channel(self._host, self._port, node=self._node)

    def _take(self, channel: Channel) -> None:
        channel.socket.setblocking(False)
        with self._write_lock:
            if channel.epoch != self._epoch:
                # Another log than the one we read: whatever is in it is new to us.
                for reader in self._readers.values():
                    reader.after = 0
            self._epoch = channel.epoch
            self._decoder = wire.FrameDecoder()
            self._unsent = b""
            self._socket = channel.socket
            self._poller = None
        if channel.original:
            self._poller = Poller(self._send_locked, lambda: list(self._readers))
            logger.warning(
                "%s: %s is an original dsmq server: topics are polled, names are not checked, "
                "there is no graph",
                *(self._node, channel.where),
            )
        for publication in self._publications.values():
            self._send_object(_advertise(publication))
        for reader in self._readers.values():
            self._send_object(self._subscribe(reader))
        if self._state != "starting":
            self.set_state(self._state)
        if self._loop is not None:
            self.attach(self._loop, self._on_readable)

    def _lost(self, reason: str) -> None:
        if self._socket is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._socket)
            with self._write_lock:
                self._socket.close()
                self._socket = None
        if self._poller is not None:
            self._poller.stop()
        if not self._closed.is_set() and self._loop is not None and not self._dialling:
            logger.warning(
                "%s: lost the broker at %s:%d (%s): trying again, messages are dropped and counted",
                *(self._node, self._host, self._port, reason),
            )
            self._dialling = True
            # A thread, since a host that does not answer must not hold up the node's timers; a
            # daemon, since it must not hold up the node's end either.
            threading.Thread(target=self._redial, args=(self._loop,), daemon=True).start()

    def _redial(self, loop: asyncio.AbstractEventLoop) -> None:
        began, delay = time.monotonic(), _FIRST_RETRY_SEC
        while not self._closed.wait(delay * random.uniform(0.5, 1.0)):
            try:
                channel = self._dial()
            except (ConnectionFailedError, RequestRefusedError) as error:
                logger.debug("%s: %s", self._node, error)
                delay = min(2 * delay, _LONGEST_RETRY_SEC)
                continue
            try:
                loop.call_soon_threadsafe(self._found, channel, began)
            except RuntimeError:  # the loop was closed meanwhile
                channel.close()
                self._dialling = False
            return

    def _found(self, channel: Channel, began_sec: float) -> None:
        self._dialling = False
        if self._closed.is_set():
            channel.close()
            return
        dropped = sum(
            publication.dropped
            for publication in self._publications.values()
            if not publication.topic.startswith("/dsmq/")  # the kit's own are not the user's loss
        )
        self._take(channel)
        logger.warning(
            "%s: the broker is back after %.1f s; %d messages dropped so far",
            *(self._node, time.monotonic() - began_sec, dropped),
        )

    def detach(self) -> None:
        """Call `on_readable` no more; publishing still works."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
        if self._poller is not None:
            self._poller.stop()
        self._loop = None

    def close(self) -> None:
        """End the connection; what was published before is sent."""
        self._closed.set()
        if self._socket is not None:
            with self._write_lock, contextlib.suppress(OSError):
                self._send_rest(self._socket, _STALL_SEC)
            self._lost("closed")


def _advertise(publication: Publication) -> dict[str, object]:
    return {
        "action": "advertise",
        "topic": publication.topic,
        "type": publication.type_name,
        "latched": publication.latched,
    }
