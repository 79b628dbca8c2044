"""A link to a broker over a socket.

After an outage it says again what the node advertises and subscribes, and resumes where each reader
was. What the outage has cost is counted at both ends: by the publisher what it could not send, by
the reader what never came (losses.py).
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
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.channel import Channel
from dsmq_nodes.errors import RequestRefusedError, RingError, WireError
from dsmq_nodes.graph.clock import Clock
from dsmq_nodes.graph.link import Deliver, OnDiffers, Publication, Reader
from dsmq_nodes.graph.losses import Losses
from dsmq_nodes.graph.polling import Poller

if TYPE_CHECKING:
    from dsmq_nodes.graph.shared_topics import SharedTopics

logger = logging.getLogger("dsmq_nodes.link")

_RECEIVE_BYTES: Final = 256 * 1024
_RECEIVES_A_TURN: Final = 16
# A socket that can do nothing more now says so; TLS has words of its own for it.
_NOT_NOW: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_NO_REPLY: Final = wire.Reply()
_STALL_SEC: Final = 0.1  # how long a publish waits for a broker that does not read
_LAST_WORDS_SEC: Final = 1.0  # the same, at the end, for what is not sent yet
_SMALL_TOPICS: Final = frozenset({"/rosout", "/parameter_events", "/diagnostics"})
_ANSWER_SEC: Final = 1.0  # to an advertisement, so that its topic goes by shared memory
_FIRST_RETRY_SEC: Final = 0.05
_LONGEST_RETRY_SEC: Final = 1.0


class DsmqLink:
    """A link to a broker over a socket."""

    def __init__(self, host: str, port: int, node: str, clock: Clock) -> None:
        """Connect and say hello.

        Raises:
            ConnectionFailedError: no broker answers there.
            NodeNameTakenError: a node of this name is connected already.
        """
        self._host, self._port, self._node = host, port, node
        self._clock = clock
        self._publications: dict[str, Publication] = {}
        self._readers: dict[str, Reader] = {}
        self._state = "starting"
        self._write_lock = threading.Lock()
        self._unsent = b""  # the rest of a frame that the socket took only in part
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_readable: Callable[[], None] = self.drain
        self._on_outage: Callable[[bool], None] = lambda _: None
        self.on_differs: OnDiffers = lambda _, __: None
        self._outage_lock = threading.Lock()
        self._lost_at_sec: float | None = None
        self._fresh: Channel | None = None  # a new connection, not yet taken
        self._closed = threading.Event()
        self._decoder = wire.FrameDecoder()
        self._poller: Poller | None = None
        self._socket: socket.socket | None = None
        self._epoch = ""
        self._events: dict[str, Callable[[wire.Reply], None]] = {
            "subscribed": self._subscribed,
            "differs": self._differs,
            "ring": self._read_ring,
            "advertised": self._write_ring,
            "error": self._refused,
        }
        self._shared: SharedTopics | None = None
        self._unanswered: set[str] = set()  # topics whose advertisement is
        self._answered = threading.Condition()
        self._thread = 0  # that runs the loop
        self._take(self._dial())

    @property
    def has_graph(self) -> bool:
        """Not with an original server."""
        return self._poller is None

    # Publishing

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Say that we publish a topic; `latched` messages of it are kept for late readers."""
        publication = self._publications.get(topic)
        if publication is None:
            publication = Publication(topic, type_name, latched, wire.encode_text(topic), schema)
            self._publications[topic] = publication
        publication.latched = max(publication.latched, latched)
        self._advertise([publication])
        return publication

    def _advertise(self, publications: Collection[Publication]) -> None:
        """Where memory is shared the answers are awaited: then no message goes the other way."""
        for each in publications:
            fields = _advertise(each)
            if self._shared is not None and each.writer is None and not _is_small(each.topic):
                fields["shm"] = True
                self._unanswered.add(each.topic)
            self._send_object(fields)
        if self._loop is not None and self._thread != threading.get_ident():
            with self._answered:  # the thread that spins reads them
                self._answered.wait_for(lambda: not self._unanswered, _ANSWER_SEC)
        else:
            self._read_answers()
        self._unanswered.clear()

    def _read_answers(self) -> None:
        until_sec = time.monotonic() + _ANSWER_SEC
        while self._unanswered and self._socket is not None:
            left_sec = until_sec - time.monotonic()
            if left_sec <= 0 or not select.select([self._socket], [], [], left_sec)[0]:
                break
            self._drain_socket()
        if self._loop is not None:  # for what came meanwhile
            self._loop.call_later(0, self._on_readable)

    def unadvertise(self, publication: Publication) -> None:
        """Publish a topic no more."""
        publication.writer = None
        if self._publications.pop(publication.topic, None):
            self._send_object({"action": "unadvertise", "topic": publication.topic})

    def publish(
        self, publication: Publication, text: str, field: str = "", raw: bytes = b""
    ) -> None:
        """Send a message, from any thread.

        A message that cannot be sent, because the broker is gone or does not read, is dropped and
        counted.

        Raises:
            WireError: the message is over the size of a frame.
        """
        if self._loop is None:
            self._look_after_itself()
        with self._write_lock:
            seq = publication.messages + 1
            stamp_ns = self._clock.now_ns()
            writer = publication.writer
            if writer is not None:
                wire.check_size(text, raw)
                publication.messages = seq
                data = text.encode()
                if not writer.append(data, seq=seq, stamp_ns=stamp_ns, field=field, raw=raw):
                    publication.dropped += 1
                return
            message = wire.encode_text(wire.whole_text(text, field, raw))
            frame = wire.encode_put(publication.topic_json, seq, stamp_ns, message)
            publication.messages = seq
            if not self._send(frame):
                publication.dropped += 1

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Show in the graph what is wrong between two ends, whom the broker calls `pair`."""
        self._send_object({"action": "fault", "topic": topic, "pair": pair, "error": text})

    def _look_after_itself(self) -> None:
        """Nobody spins the node: see whether the broker is gone, or back."""
        if self._fresh is not None:
            self._take_fresh()
        if self._shared is None or self._socket is None:
            return  # what is sent to a socket tells
        with contextlib.suppress(BlockingIOError):
            if not self._socket.recv(1, socket.MSG_PEEK):
                self._lost("it closed the connection")

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""
        self._state = state
        self._send_object({"action": "state", "topic": "", "state": state})

    def _send_object(self, fields: dict[str, object]) -> None:
        if self._poller is not None:
            return  # an original server knows put and get alone
        frame = wire.encode_object(fields)
        with self._write_lock:
            if not self._send(frame) and self._socket is not None:
                self._unsent += frame  # unlike a message this must not be lost

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
        except OSError as error:
            self._warn_and_redial(str(error))
            return False  # whoever reads sees it too, and lets go of the socket
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

    def subscribe(
        self, topic: str, depth: int, type_name: str, deliver: Deliver, schema: bytes = b""
    ) -> None:
        """Have the messages of a topic delivered, from now on, in the thread that reads."""
        known = self._readers.get(topic)
        reader = self._readers[topic] = Reader(topic, depth, type_name, deliver, schema)
        reader.losses = Losses(self._node, topic)
        if known is not None:
            # A new cursor begins with what is latched; `seen` tells what is old to the first one.
            reader.seen, reader.losses = known.seen, known.losses
            self._send_object({"action": "unsubscribe", "topic": topic})
            if self._shared is not None:
                self._shared.forget(topic)
        self._send_object(self._subscribe(reader))

    def unsubscribe(self, topic: str) -> None:
        """Have no more of a topic."""
        if self._shared is not None:
            self._shared.forget(topic)
        if self._readers.pop(topic, None):
            self._send_object({"action": "unsubscribe", "topic": topic})

    def _subscribe(self, reader: Reader) -> dict[str, object]:
        fields: dict[str, object] = {
            "action": "subscribe",
            "topic": reader.topic,
            "depth": reader.depth,
            "type": reader.type_name,
            **_schema(reader),
            "shm": self._shared is not None,
        }
        if reader.after is not None:
            fields |= {"after": reader.after, "epoch": self._epoch}
        return fields

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_readable: Callable[[], None],
        on_outage: Callable[[bool], None],
    ) -> None:
        """From now on call `on_readable` in `loop` when `drain` has something to read."""
        self._loop, self._on_readable, self._on_outage = loop, on_readable, on_outage
        self._thread = threading.get_ident()
        if self._fresh is not None:
            self._take_fresh()
        elif self._socket is None:
            self._lost("it was gone before the node was spun")
        else:
            self._watch(self._socket, loop)

    def _watch(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_reader(sock, self._on_readable)
        if self._shared is not None:
            loop.add_reader(self._shared.bell, self._on_readable)
            loop.call_later(0, self._on_readable)  # as a socket that is readable already
        if self._poller is not None:
            self._poller.start(loop)

    def drain(self) -> None:
        """Read all there is and deliver it; does not wait."""
        self._drain_socket()
        if self._shared is not None:
            self._shared.drain()

    def rest(self) -> bool:
        """What was drained is dispatched; False: more has come already, without `on_readable`."""
        return self._shared is None or self._shared.rest()

    def _drain_socket(self) -> None:
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
            reply = self._poller.answer(reply) or _NO_REPLY
        if reply.event == "message":
            if (reader := self._readers.get(reply.topic)) is not None:
                reader.take(reply)
        elif (act := self._events.get(reply.event)) is not None:
            act(reply)

    def _subscribed(self, reply: wire.Reply) -> None:
        reader = self._readers.get(reply.topic)
        if reader is not None and reader.after is None:
            reader.after = reply.id

    def _differs(self, reply: wire.Reply) -> None:
        ends = self._readers if reply.end == "publisher" else self._publications
        if end := ends.get(reply.topic):
            self.on_differs(reply, end)

    def _refused(self, reply: wire.Reply) -> None:
        logger.error("%s: the broker refused %s: %s", self._node, reply.action, reply.error)

    def _read_ring(self, reply: wire.Reply) -> None:
        """The broker pushes a topic no more: it is read from shared memory."""
        reader = self._readers.get(reply.topic)
        if self._shared is None or reader is None:
            return
        try:
            self._shared.read(reader, reply.ring, reply.seat, reply.id)
        except RingError as error:
            logger.warning("%s: %s: without shared memory", self._node, error)
            self._send_object(self._subscribe(reader) | {"shm": False})

    def _write_ring(self, reply: wire.Reply) -> None:
        """From now on a topic is written to shared memory; not if that comes too late."""
        publication = self._publications.get(reply.topic)
        if reply.topic not in self._unanswered:
            return
        if publication is not None and self._shared is not None and reply.ring:
            try:
                self._shared.write(publication, reply.ring)
            except RingError as error:
                logger.warning("%s: %s: without shared memory", self._node, error)
        with self._answered:
            self._unanswered.discard(reply.topic)
            self._answered.notify_all()

    # Losing the broker and finding it again

    def _dial(self) -> Channel:
        return Channel(self._host, self._port, node=self._node, shm=True)

    def _take(self, channel: Channel) -> None:
        channel.socket.setblocking(False)
        with self._write_lock:
            if channel.epoch != self._epoch:
                # Another log than the one we read: whatever is in it is new to us.
                for reader in self._readers.values():
                    reader.after = reader.seen = 0
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
        if channel.memory is not None:
            self._share(*channel.memory)
        self._say_again()
        if self._loop is not None:
            self._watch(channel.socket, self._loop)

    def _say_again(self) -> None:
        """Tell a new broker what the node does."""
        self._advertise(self._publications.values())
        for reader in self._readers.values():
            if reader.losses is not None:
                reader.losses.tell_again()
            self._send_object(self._subscribe(reader))
        if self._state != "starting":
            self.set_state(self._state)

    def _share(self, directory: str, number: int) -> None:
        from dsmq_nodes.graph.shared_topics import SharedTopics  # noqa: PLC0415  not everywhere

        try:
            self._shared = SharedTopics(directory, number, self._node)
        except RingError as error:
            logger.info("%s: without shared memory: %s", self._node, error)

    def _lost(self, reason: str) -> None:
        self._let_go()
        if not self._closed.is_set():
            self._warn_and_redial(reason)
            self._on_outage(True)

    def _let_go(self) -> None:
        if self._socket is not None:
            if self._loop is not None:
                self._loop.remove_reader(self._socket)
            with self._write_lock:
                self._socket.close()
                self._socket = None
        if self._poller is not None:
            self._poller.stop()
        self._share_no_more()

    def _share_no_more(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        if self._loop is not None:
            self._loop.remove_reader(shared.bell)
        with self._write_lock:
            for publication in self._publications.values():
                publication.writer = None
            shared.close()

    def _warn_and_redial(self, reason: str) -> None:
        """Once an outage, from whichever thread sees it first."""
        with self._outage_lock:
            if self._lost_at_sec is not None:
                return
            self._lost_at_sec = self._clock.monotonic_sec()
        logger.warning(
            "%s: lost the broker at %s:%d (%s): trying again, messages are dropped and counted",
            *(self._node, self._host, self._port, reason),
        )
        # A thread, since a host that does not answer must not hold up the node's timers; a
        # daemon, since it must not hold up the node's end either.
        threading.Thread(target=self._redial, daemon=True).start()

    def _redial(self) -> None:
        delay_sec = _FIRST_RETRY_SEC
        while not self._closed.wait(delay_sec * random.uniform(0.5, 1.0)):
            try:
                channel = self._dial()
            except (OSError, RequestRefusedError) as error:  # ConnectionFailedError is the first
                logger.debug("%s: %s", self._node, error)
                delay_sec = min(2 * delay_sec, _LONGEST_RETRY_SEC)
                continue
            self._fresh = channel
            loop = self._loop
            if self._closed.is_set():
                channel.close()
            elif loop is not None:
                # A loop that was closed meanwhile: the next `attach` takes it.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._take_fresh)
            return

    def _take_fresh(self) -> None:
        with self._outage_lock:
            channel, self._fresh = self._fresh, None
            if channel is None or self._closed.is_set():
                return
            outage_sec = self._clock.monotonic_sec() - (self._lost_at_sec or 0.0)
            self._lost_at_sec = None
        self._let_go()
        dropped = sum(
            publication.dropped
            for publication in self._publications.values()
            if not publication.topic.startswith("/dsmq/")  # the kit's own are not the user's loss
        )
        self._take(channel)
        logger.warning(
            "%s: the broker is back after %.1f s; %d messages dropped so far",
            *(self._node, outage_sec, dropped),
        )
        self._on_outage(False)

    def detach(self) -> None:
        """Call `on_readable` no more; publishing still works."""
        if self._socket is not None and self._loop is not None:
            self._loop.remove_reader(self._socket)
        if self._shared is not None and self._loop is not None:
            self._loop.remove_reader(self._shared.bell)
        if self._poller is not None:
            self._poller.stop()
        self._loop = None
        self._on_outage = lambda _: None

    def close(self) -> None:
        """End the connection; what was published before is sent."""
        self._closed.set()
        if self._socket is not None:
            with self._write_lock:
                self._send_rest(self._socket, _LAST_WORDS_SEC)
        self._let_go()
        if self._fresh is not None:
            self._fresh.close()


def _is_small(topic: str) -> bool:
    """Whether a topic is the kit's own: many nodes have it, and none says much there."""
    return "/_" in topic or topic.startswith("/dsmq/") or topic in _SMALL_TOPICS


def _advertise(publication: Publication) -> dict[str, object]:
    return {
        "action": "advertise",
        "topic": publication.topic,
        "type": publication.type_name,
        "latched": publication.latched,
        **_schema(publication),
    }


def _schema(end: Publication | Reader) -> dict[str, object]:
    return {"schema": msgspec.Raw(end.schema)} if end.schema else {}
