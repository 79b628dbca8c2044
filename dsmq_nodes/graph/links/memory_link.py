"""A link to a router in this process: no socket, no bytes on a wire, no thread.

For tests, and for nodes that share a process and need no others.
"""

import asyncio
import logging
import math
import os
import socket
import threading
from collections import deque
from typing import Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import NodeNameTakenError
from dsmq_nodes.graph.links.link import (
    Append,
    OnDiffers,
    OnOutage,
    OnReadable,
    Publication,
    UsualMessages,
)
from dsmq_nodes.graph.links.link_reader import CallNow, Deliver, LinkReader
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.topic_names import GRAPH_TOPIC

logger = logging.getLogger("dsmq_nodes.link")

_FRAMES_AHEAD: Final = 1000  # for a link that does not drain; the rest waits in the log
_TICK_SEC: Final = 1.0
_NEARLY_TOO_BIG_BYTES: Final = MAX_BODY_BYTES - 1000


class MemoryBroker:
    """A router in this process; it carries out requests at once, in the caller's thread."""

    def __init__(self, clock: BaseClock) -> None:
        self.clock = clock
        self._router = Router(Store())
        self._router.exchange.wall_offset_sec = clock.now_ns() * 1e-9 - clock.monotonic_sec()
        self._links: dict[ConnectedPeer, MemoryLink] = {}
        self._made = 0
        self._lock = threading.RLock()
        self._ticked_sec = clock.monotonic_sec()
        self._is_graph_announced = False

    def connect(self, node: str, on_differs: OnDiffers | None = None) -> "MemoryLink":
        """Make a link for a node, or for a peer without a name.

        Raises:
            NodeNameTakenError: a node of this name is connected already.
        """
        peer = ConnectedPeer("memory")
        self._made += 1
        client = f"{node}@{self._made}.{self.clock.now_ns():x}" if node else ""
        link = MemoryLink(self, peer, client, on_differs)
        with self._lock:
            self._links[peer] = link
            self._router.connect(peer, self.clock.monotonic_sec())
        pid, host = os.getpid(), socket.gethostname()
        hello = wire.Request("hello", version=wire.VERSION, node=node, pid=pid, host=host)
        hello.client = client
        self.ask(peer, hello)
        if peer.closing:
            self.disconnect(peer)
            raise NodeNameTakenError(peer.closing)
        return link

    def disconnect(self, peer: ConnectedPeer) -> None:
        """Remove the peer of a link that has ended."""
        with self._lock:
            if self._links.pop(peer, None):
                self._router.disconnect(peer)
                self._wake_graph_readers()

    def ask(self, peer: ConnectedPeer, request: wire.Request) -> None:
        """Carry out a request; the links have its replies when this returns."""
        now = self.clock.monotonic_sec()
        with self._lock:
            if peer not in self._links:
                return  # the link or this broker is closed; a node's last requests have no effect
            self._send(self._router.handle(peer, request, now))
            if now - self._ticked_sec >= _TICK_SEC:
                self._ticked_sec = now
                self._send(self._router.tick(now))
            self._wake_graph_readers()

    def put(self, peer: ConnectedPeer, request: wire.Request) -> None:
        """Carry out a put."""
        self.ask(peer, request)

    def catch_up(self, peer: ConnectedPeer) -> None:
        """Give a link that has drained the messages that waited for it in the log."""
        with self._lock:
            self._router.resume(peer)
            self._send(self._router.catch_up(peer, self.clock.monotonic_sec()))

    @property
    def faults(self) -> list[str]:
        """The type differences that were reported, of all topics."""
        topics = self._router.topics.values()
        return [pair.fault for topic in topics for pair in topic.pairs.values() if pair.fault]

    def close(self) -> None:
        """End every link, and close the store."""
        with self._lock:
            self._links.clear()
            self._router.store.close()

    def write_graph(self) -> None:
        """Publish the graph if it has changed and has a reader."""
        with self._lock:
            self._is_graph_announced = False
            if self._router.table.graph_changed and self._router.topics[GRAPH_TOPIC].cursors:
                self._send(self._router.publish_graph(self.clock.monotonic_sec()))

    def _wake_graph_readers(self) -> None:
        """Wake the readers of the graph: it is written once, when the first of them reads."""
        if self._router.table.graph_changed and not self._is_graph_announced:
            self._is_graph_announced = True
            for cursor in self._router.topics[GRAPH_TOPIC].cursors:
                if (link := self._links.get(cursor.peer)) is not None:
                    link.wake()

    def _send(self, replies: Replies) -> None:
        for peer, frame in replies:
            link = self._links.get(peer)
            if link is not None and link.receive(frame) >= _FRAMES_AHEAD:
                self._router.pause(peer)


class MemoryLink:
    """A link to a `MemoryBroker`; made by its `connect`.

    Attributes:
        publications: the topics that are published over it.
        readers: the topics that are read over it.
    """

    def __init__(
        self, broker: MemoryBroker, peer: ConnectedPeer, client: str, on_differs: OnDiffers | None
    ) -> None:
        self.client = client
        self.broker_began_sec = -math.inf  # older than every node
        self._broker = broker
        self._peer = peer
        self.publications: dict[str, Publication] = {}
        self.readers: dict[str, LinkReader] = {}
        self._frames: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._on_readable: OnReadable | None = None  # while a loop is attached
        self._is_woken = False
        self._on_differs = on_differs

    @property
    def has_graph(self) -> bool:
        """Always True."""
        return True

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Advertise a topic; the newest `latched` messages of it are kept for late readers."""
        publication = self.publications.get(topic)
        if publication is None:
            publication = Publication(topic, type_name, latched, wire.encode_text(topic), schema)
            self.publications[topic] = publication
        publication.latched = max(publication.latched, latched)
        self._ask(
            "advertise",
            topic,
            type=publication.type_name,
            latched=publication.latched,
            schema=msgspec.Raw(publication.schema),
        )
        return publication

    def unadvertise(self, publication: Publication) -> None:
        """Stop publishing a topic."""
        if self.publications.pop(publication.topic, None):
            self._ask("unadvertise", publication.topic)

    def appender(self, publication: Publication, usual: UsualMessages) -> Append | None:
        """Return None: there is no shared memory to append to."""

    def publish(
        self,
        publication: Publication,
        text: str,
        field: str = "",
        raw: bytes | memoryview = b"",
        *,
        age_sec: float = 0.0,
    ) -> None:
        """Send a message, from any thread.

        Raises:
            WireError: the message is larger than a frame may be.
        """
        message = wire.encode_text(wire.whole_text(text, field, raw))
        stamp_ns = self._broker.clock.now_ns() - round(age_sec * 1e9)
        if len(message) > _NEARLY_TOO_BIG_BYTES:  # the limit of a frame holds here too
            wire.encode_put(publication.topic_json, publication.messages + 1, stamp_ns, message)
        publication.messages += 1
        put = wire.Request("put", publication.topic, msgspec.Raw(message))
        put.seq, put.stamp = publication.messages, stamp_ns
        self._broker.put(self._peer, put)

    def subscribe(
        self,
        topic: str,
        depth: int,
        type_name: str,
        deliver: Deliver,
        schema: bytes = b"",
        *,
        call_now: CallNow | None = None,
    ) -> None:
        """Deliver the messages of a topic, from now on, in the thread that reads."""
        known = self.readers.get(topic)
        reader = self.readers[topic] = LinkReader(topic, depth, type_name, deliver, schema)
        if known is not None:
            self.drain()
            reader.cursor = known.cursor
            self._ask("unsubscribe", topic)
        self._ask("subscribe", topic, type=type_name, depth=depth, schema=msgspec.Raw(schema))

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""
        if self.readers.pop(topic, None):
            self._ask("unsubscribe", topic)

    def began_after(self, topic: str) -> int | None:
        """Return the id after which the subscription of a topic began; None: not known (yet)."""
        reader = self.readers.get(topic)
        return None if reader is None else reader.began_after

    def confirm(self) -> None:
        """Return at once: the router has all subscriptions already."""

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Report to the graph what is wrong between two ends; the router calls them `pair`."""
        self._ask("fault", topic, pair=pair, error=text)

    def set_state(self, state: str) -> None:
        """Show the node's state in the graph."""
        self._ask("state", "", state=state)

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_readable: OnReadable, on_outage: OnOutage
    ) -> None:
        """Call `on_readable(self)` in `loop` from now on, when there is something to read."""
        self._loop, self._on_readable = loop, on_readable
        self._thread = threading.get_ident()
        self._is_woken = False
        self.wake()

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""
        self._loop = None

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""
        self._broker.write_graph()
        while True:
            while self._frames:
                self._received(wire.decode_reply(self._frames.popleft()[wire.HEADER_BYTES :]))
            if not self._peer.lags:
                return
            self._broker.catch_up(self._peer)

    def arm(self) -> bool:
        """Return True: every frame wakes the loop."""
        return True

    def receive(self, frame: bytes) -> int:
        """Take a frame from the router; return how many wait to be drained."""
        self._frames.append(frame)
        self.wake()
        return len(self._frames)

    def wake(self) -> None:
        """Wake the loop, since there is something to read."""
        if self._loop is not None and not self._is_woken:
            self._wake(self._loop)

    def close(self) -> None:
        """End the connection."""
        self._loop = None
        self._broker.disconnect(self._peer)

    def _ask(self, action: str, topic: str, **fields: str | int | msgspec.Raw) -> None:
        request = wire.Request(action, topic)
        for name, value in fields.items():
            setattr(request, name, value)
        self._broker.ask(self._peer, request)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_woken = True
        if threading.get_ident() == self._thread:
            loop.call_soon(self._woken)
        else:
            loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        self._is_woken = False
        if self._loop is not None and self._on_readable is not None:
            self._on_readable(self)

    def _received(self, reply: wire.Reply) -> None:
        reader = self.readers.get(reply.topic)
        if reader is not None and reply.event == "message":
            reader.take_pushed((reply,))
        elif reader is not None and reply.event == "subscribed":
            reader.began_after = reply.id
        elif reply.event == "differs" and self._on_differs is not None:
            ends = self.readers if reply.end == "publisher" else self.publications
            if end := ends.get(reply.topic):
                self._on_differs(reply, end)
        elif reply.event == "error":
            logger.error("%s: refused %s: %s", self._peer.name, reply.action, reply.error)
