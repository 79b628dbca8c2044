"""A link to a broker over a socket.

After an outage it advertises and subscribes again, and every reader resumes at its place. The
losses of the outage are counted at both ends: the publisher counts what it could not send, the
reader what never came (sequence.py). A latched message that could not be sent is sent later.

A broker that does not read has the same effect: publishing goes on without waiting, and messages
without room are dropped and counted (stream.py).
"""

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.dsmq import descriptors, wire
from dsmq_nodes.dsmq.address import patience_sec
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.errors import RingError, WireError
from dsmq_nodes.graph.links.link import (
    Deliver,
    LinkReader,
    OnDiffers,
    OnOutage,
    OnReadable,
    Publication,
    Published,
)
from dsmq_nodes.graph.links.original_server import Poller
from dsmq_nodes.graph.links.pending import Answers
from dsmq_nodes.graph.links.redial import Outage
from dsmq_nodes.graph.links.sequence import Losses
from dsmq_nodes.graph.links.stream import MUCH_BYTES, Stream
from dsmq_nodes.graph.services import service_wire as calls
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC, EVERY_NODES_TOPICS, is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.graph.links.shared_rings import SharedTopics

logger = logging.getLogger("dsmq_nodes.link")

_NO_REPLY: Final = wire.Reply()
_EVERY_NODES: Final = EVERY_NODES_TOPICS | {DIAGNOSTICS_TOPIC}
_LOOK_AGAIN_SEC: Final = 0.01
_STEADY_SEC: Final = 0.1  # a new connection has to last this long to end an outage
_ANSWER_SEC: Final = 1.0  # to an advertisement, so that its topic goes by shared memory
_ANSWER_IN_CALLBACK_SEC: Final = 0.25  # the same in a callback, where the node's timers wait


class DsmqLink:
    """A link to a broker over a socket."""

    def __init__(
        self, host: str, port: int, node: str, clock: BaseClock, on_differs: OnDiffers
    ) -> None:
        """Connect and say hello.

        Raises:
            ConnectionFailedError: no broker answers there.
            NodeNameTakenError: a node of this name is connected already.
        """
        descriptors.raise_limit()
        self._host, self._port, self._node = host, port, node
        self._where = f"{host}:{port}"
        self.client = f"{node}@{os.getpid()}.{clock.now_ns():x}"
        self._clock = clock
        self._publications: dict[str, Publication] = {}
        self._readers: dict[str, LinkReader] = {}
        self._state = "starting"
        self._write_lock = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._on_readable: OnReadable | None = None  # as is `_on_outage`: while a loop is attached
        self._on_outage: OnOutage | None = None
        self._on_differs = on_differs
        self._outage = Outage(self._dial, clock, node, self._broker_is_back)
        self._poller: Poller | None = None
        self._stream: Stream[Publication] | None = None
        self._is_outage_told = False  # whether the node knows
        self._told_unshared: set[str] = set()
        self._is_flushing = False  # the loop sends what waits
        self._is_stalled = False  # messages are dropped because the broker does not read
        self._is_silent = False  # it did not answer, and has sent nothing since
        self._epoch = ""
        self._ahead_ns = 0  # the broker's monotonic clock minus ours
        self._events: dict[str, Callable[[wire.Reply], None]] = {
            "subscribed": self._subscribed,
            "differs": self._differs,
            "ring": self._read_ring,
            "unshared": self._unshared,
            "advertised": self._write_ring,
            "error": self._refused,
        }
        self._shared: SharedTopics | None = None
        self._advertised = Answers()
        self._subscriptions = Answers()
        self._thread = 0  # the thread that runs the loop
        self._look_again_sec = 0.0
        self._take(self._dial())

    @property
    def has_graph(self) -> bool:
        """False with an original server."""
        return self._poller is None

    # Publishing

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Advertise a topic; the newest `latched` messages of it are kept for late readers."""
        publication = self._publications.get(topic)
        if publication is None:
            publication = Publication(topic, type_name, latched, wire.encode_text(topic), schema)
            self._publications[topic] = publication
        publication.latched = max(publication.latched, latched)
        self._advertise([publication], self._patience_sec)
        return publication

    def _advertise(self, publications: Collection[Publication], patience_sec: float) -> None:
        """Advertise; where memory is shared, wait for the answers before anything is published."""
        asked = False
        for each in publications:
            fields = _advertise(each)
            if self._shared is not None and each.writer is None and _is_worth_a_ring(each.topic):
                asked = fields["shm"] = True
                self._advertised.expect(each.topic)
            self._send_object(fields)
        if asked:  # else do not wait: this may run while other answers are read
            self._await(self._advertised, patience_sec)

    def _await(self, answers: Answers, patience_sec: float) -> None:
        """Wait for the broker's answers, unless it does not give them."""
        if not self._is_silent:
            if self._loop is not None and self._thread != threading.get_ident():
                answers.wait(patience_sec)  # the thread that spins reads them
            else:
                self._read(answers, patience_sec)
            self._is_silent = bool(answers.topics)
        answers.give_up()

    def _read(self, answers: Answers, patience_sec: float) -> None:
        until_sec = time.monotonic() + patience_sec
        while answers.topics and self._stream is not None:
            if not self._stream.wait(until_sec - time.monotonic()):
                break
            self._drain_stream()
        if self._loop is not None and self._on_readable is not None:  # messages came meanwhile
            self._loop.call_later(0, self._on_readable, self)

    @property
    def _is_spun(self) -> bool:
        return self._loop is not None and self._loop.is_running()

    @property
    def _is_in_callback(self) -> bool:
        """Whether this thread runs the node's timers, so that waiting delays them."""
        return self._is_spun and self._thread == threading.get_ident()

    @property
    def _patience_sec(self) -> float:
        return _ANSWER_IN_CALLBACK_SEC if self._is_in_callback else _ANSWER_SEC

    def unadvertise(self, publication: Publication) -> None:
        """Stop publishing a topic."""
        publication.writer = None
        if self._publications.pop(publication.topic, None):
            self._send_object({"action": "unadvertise", "topic": publication.topic})

    def publish(
        self, publication: Publication, text: str, field: str = "", raw: bytes | memoryview = b""
    ) -> None:
        """Send a message, from any thread.

        A message that cannot be sent, because the broker is gone or does not read, is dropped and
        counted. In a callback it never waits.

        Raises:
            WireError: the message is over the size of a frame.
        """
        if self._loop is None:
            self._look_after_itself()
        if self._subscriptions.topics and publication.writer is not None:
            # Through memory it would overtake a subscription on its way to the broker, and the
            # answer of another node to it would be missed.
            self._await(self._subscriptions, self._patience_sec)
        if (stream := self._stream) is not None and stream.waiting_bytes:
            self._await_room(stream, MUCH_BYTES)
        with self._write_lock:
            seq = publication.messages + 1
            msg = (text, field, raw, seq, self._clock.now_ns())
            if publication.owed:
                self._encode(
                    publication, msg
                )  # it is sent in its turn; raise now if it is too large
                is_sent = False
            else:
                is_sent = self._put(publication, msg)
            publication.messages = seq
            if publication.latched:
                publication.keep(msg)
            if not is_sent:
                self._not_sent(publication)
        if (stream := self._stream) is not None and stream.waiting_bytes and not self._is_spun:
            self._await_room(stream, 0)  # there is no loop to send the rest

    def _await_room(self, stream: Stream[Publication], most_bytes: int) -> None:
        """Wait until the broker has read, unless this delays the node."""
        if not self._is_in_callback:
            with contextlib.suppress(OSError):  # sending notices it too
                stream.await_room(most_bytes)

    def _not_sent(self, publication: Publication) -> None:
        if publication.owed or (publication.latched and publication.writer is None):
            publication.owe(1)
            self._pay(publication)
        else:
            publication.dropped += 1

    def _pay(self, publication: Publication) -> None:
        """Send the owed messages of a latched topic in order, as far as there is room."""
        while publication.owed and self._put(publication, publication.kept[-publication.owed]):
            publication.owed -= 1

    def _put(self, publication: Publication, msg: Published) -> bool:
        text, field, raw, seq, stamp_ns = msg
        if (writer := publication.writer) is not None:
            wire.check_size(text, raw)
            data = text.encode()
            try:
                return bool(writer.append(data, seq=seq, stamp_ns=stamp_ns, field=field, raw=raw))
            except RingError as error:
                self._tell_unshared(error)
                publication.writer = None  # later messages take the same way, in order
        return self._send(self._encode(publication, msg), publication)

    def _encode(self, publication: Publication, msg: Published) -> bytes:
        text, field, raw, seq, stamp_ns = msg
        message = wire.encode_text(wire.whole_text(text, field, raw))
        return wire.encode_put(publication.topic_json, seq, stamp_ns, message)

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Show in the graph what is wrong between two ends; the broker calls them `pair`."""
        self._send_object({"action": "fault", "topic": topic, "pair": pair, "error": text})

    def _look_after_itself(self) -> None:
        """The node does not spin: check at intervals whether the broker is gone, or back."""
        if self._outage.has_found:
            self._take_fresh()
        now_sec = time.monotonic()
        if now_sec < self._look_again_sec:
            return
        self._look_again_sec = now_sec + _LOOK_AGAIN_SEC
        # Over a socket, sending notices it.
        stream = self._stream
        if self._shared is not None and stream is not None and stream.connection.is_ended():
            self._lost("it closed the connection")

    def set_state(self, state: str) -> None:
        """Show a state in the graph."""
        self._state = state
        self._send_object({"action": "state", "topic": "", "state": state})

    def _send_object(self, fields: dict[str, object]) -> None:
        stream = self._stream
        if stream is None or self._poller is not None:
            return  # an original server knows only put and get
        try:
            stream.send_surely(wire.encode_object(fields))
        except OSError as error:
            self._outage.begin(f"{self._where}: {error}")
        else:
            self._flush_later(stream)

    def _send(self, frame: bytes, publication: Publication | None = None) -> bool:
        stream = self._stream
        if stream is None:
            return False
        try:
            is_sent = stream.send(frame, publication)
        except OSError as error:
            self._outage.begin(f"{self._where}: {error}")
            return False  # the reader notices it too, and drops the stream
        if not is_sent:
            self._stalled()
        elif self._is_stalled and not stream.waiting_bytes:
            self._has_room()
        self._flush_later(stream)
        return is_sent

    def _stalled(self) -> None:
        if not self._is_stalled:
            self._is_stalled = True
            logger.warning(
                "%s: the broker at %s does not keep up: messages are dropped and counted",
                *(self._node, self._where),
            )

    def _flush_later(self, stream: Stream[Publication]) -> None:
        """Let the loop send what waits, if there is a loop; else `publish` waits for it."""
        loop = self._loop
        if stream.waiting_bytes and not self._is_flushing and loop is not None:
            self._is_flushing = True
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._watch_room, stream, loop)

    def _watch_room(self, stream: Stream[Publication], loop: asyncio.AbstractEventLoop) -> None:
        if stream is self._stream and loop is self._loop:
            loop.add_writer(stream.socket, self._flush)

    def _flush(self) -> None:
        stream, loop = self._stream, self._loop
        if stream is None or loop is None:
            return
        self._is_flushing = False  # frames of other threads may have to wait from now on
        try:
            if not stream.flush():
                self._is_flushing = True
                return
        except OSError as error:
            self._lost(str(error))
            return
        loop.remove_writer(stream.socket)
        self._has_room()

    def _has_room(self) -> None:
        """The broker has read everything."""
        was_stalled, self._is_stalled = self._is_stalled, False
        with self._write_lock:
            for publication in list(self._publications.values()):
                self._pay(publication)
        if was_stalled and not self._is_stalled:
            logger.warning(
                "%s: the broker keeps up again; %d messages dropped so far",
                *(self._node, self._dropped()),
            )

    def _dropped(self) -> int:
        return sum(
            publication.dropped
            for publication in list(self._publications.values())
            if not _is_ours(publication.topic)  # not the user's messages
        )

    # Subscribing

    def subscribe(
        self, topic: str, depth: int, type_name: str, deliver: Deliver, schema: bytes = b""
    ) -> None:
        """Deliver the messages of a topic, from now on, in the thread that reads."""
        known = self._readers.get(topic)
        reader = self._readers[topic] = LinkReader(topic, depth, type_name, deliver, schema)
        reader.losses = Losses(self._node, topic)
        if known is not None:
            # A new cursor begins with latched messages; the first one knows the old ones.
            reader.cursor, reader.losses = known.cursor, known.losses
            self._send_object({"action": "unsubscribe", "topic": topic})
            if self._shared is not None:
                self._shared.forget(topic)
        self._subscribe(reader)

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""
        if self._shared is not None:
            self._shared.forget(topic)
        if self._readers.pop(topic, None):
            self._send_object({"action": "unsubscribe", "topic": topic})

    def _subscribe(self, reader: LinkReader, *, shm: bool = True) -> None:
        fields: dict[str, object] = {
            "action": "subscribe",
            "topic": reader.topic,
            "depth": reader.depth,
            "type": reader.type_name,
            **_schema(reader),
            "shm": shm and self._shared is not None,
        }
        if reader.resumes_after is not None:
            fields |= {"after": reader.resumes_after, "epoch": self._epoch}
        if self._shared is not None:
            self._subscriptions.expect(reader.topic)
        self._send_object(fields)

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_readable: OnReadable,
        on_outage: OnOutage,
    ) -> None:
        """From now on call `on_readable(source)` in `loop` when a source has something to read."""
        self._loop, self._on_readable, self._on_outage = loop, on_readable, on_outage
        self._thread = threading.get_ident()
        self._is_outage_told = False
        if self._outage.has_found:
            self._take_fresh()
        elif self._stream is None:
            self._lost("it was gone before the node was spun")
        else:
            self._watch(self._stream, loop, on_readable)
            self._stays(self._stream)

    def _watch(
        self,
        stream: Stream[Publication],
        loop: asyncio.AbstractEventLoop,
        on_readable: OnReadable,
    ) -> None:
        loop.add_reader(stream.socket, on_readable, self)
        self._flush_later(stream)
        if self._shared is not None:
            loop.add_reader(self._shared, on_readable, self._shared)
            loop.call_later(0, on_readable, self)  # as for a socket that is readable already
        if self._poller is not None:
            self._poller.start(loop)

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""
        self._drain_stream()
        if self._shared is not None:
            self._shared.drain()

    def rest(self) -> bool:
        """Have the loop woken by the next message; False: it has come already, so drain again."""
        return self._shared is None or self._shared.rest()

    def _drain_stream(self) -> None:
        if self._stream is None:
            return
        try:
            for body in self._stream.connection.arrived():
                self._is_silent = False
                self._received(wire.decode_reply(body))
        except (OSError, WireError) as error:
            self._lost(str(error))

    def _received(self, reply: wire.Reply) -> None:
        if self._poller is not None:
            reply = self._poller.answer(reply) or _NO_REPLY
        if reply.event == "message":
            if (reader := self._readers.get(reply.topic)) is not None:
                if self._ahead_ns and reply.at:
                    reply.at -= self._ahead_ns  # by our own monotonic clock
                reader.take(reply)
        elif (act := self._events.get(reply.event)) is not None:
            act(reply)

    def _subscribed(self, reply: wire.Reply) -> None:
        self._subscriptions.came(reply.topic)
        reader = self._readers.get(reply.topic)
        if reader is not None and reader.resumes_after is None:
            reader.resumes_after = reply.id

    def _differs(self, reply: wire.Reply) -> None:
        ends = self._readers if reply.end == "publisher" else self._publications
        if end := ends.get(reply.topic):
            self._on_differs(reply, end)

    def _refused(self, reply: wire.Reply) -> None:
        logger.error("%s: the broker refused %s: %s", self._node, reply.action, reply.error)
        for answers in (self._advertised, self._subscriptions):
            answers.came(reply.topic)

    def _read_ring(self, reply: wire.Reply) -> None:
        """The broker has stopped pushing a topic: it is read from shared memory now."""
        reader = self._readers.get(reply.topic)
        if self._shared is None or reader is None:
            return
        try:
            self._shared.read(reader, reply.ring, reply.seat, reply.id)
        except RingError as error:
            self._read_unshared(reader, error)

    def _read_unshared(self, reader: LinkReader, error: RingError) -> None:
        """Ask the broker to push a topic, from our place on."""
        self._tell_unshared(error)
        self._subscribe(reader, shm=False)

    def _unshared(self, reply: wire.Reply) -> None:
        """The broker has closed a ring: its topic goes over the socket."""
        if (publication := self._publications.get(reply.topic)) is not None:
            with self._write_lock:
                publication.writer = None
        reader = self._readers.get(reply.topic)
        if self._shared is None or reader is None:
            return
        self._shared.drain()  # the broker does not push its messages again
        # The broker gives the ids of messages it could not follow a second time.
        reader.cursor.after = min(reader.cursor.after, reply.id)
        reader.resumes_after = min(reader.resumes_after or 0, reply.id)
        if self._shared.forget(reply.topic):
            self._subscribe(reader)

    def _tell_unshared(self, error: RingError) -> None:
        if str(error) not in self._told_unshared:  # one line for all topics
            self._told_unshared.add(str(error))
            logger.warning("%s: %s: without shared memory", self._node, error)

    def _write_ring(self, reply: wire.Reply) -> None:
        """Write a topic to shared memory from now on, unless the answer came too late."""
        publication = self._publications.get(reply.topic)
        if reply.topic not in self._advertised.topics:
            return
        if publication is not None and self._shared is not None and reply.ring:
            try:
                self._shared.write(publication, reply.ring)
            except RingError as error:
                self._tell_unshared(error)
        self._advertised.came(reply.topic)

    # Losing the broker and finding it again

    def _dial(self) -> ClientConnection:
        return ClientConnection(
            self._host,
            self._port,
            node=self._node,
            client=self.client,
            shm=True,
            timeout_sec=patience_sec(),
        )

    def _take(self, connection: ClientConnection) -> bool:
        """Continue with a new connection; False when that is lost before the hand-over is done."""
        is_new_log = connection.epoch != self._epoch
        if is_new_log:  # all its messages are new to us
            for reader in self._readers.values():
                reader.resumes_after = reader.cursor.after = 0
        with self._write_lock:
            self._epoch = connection.epoch
            self._ahead_ns = connection.ahead_ns
            self.broker_began_sec = self._clock.monotonic_sec() - connection.age_sec
            self._stream = stream = Stream[Publication](connection)
            self._poller = None
        self._is_silent = self._is_stalled = False
        if connection.original:
            self._poller = Poller(self._send, lambda: list(self._readers))
            logger.warning(
                "%s: %s is an original dsmq server: topics are polled, names are not checked, "
                "there is no graph",
                *(self._node, connection.where),
            )
        if connection.memory is not None:
            self._share(*connection.memory)
        self._say_again(is_new_log=is_new_log)
        if self._stream is not stream:
            return False
        if self._loop is not None and self._on_readable is not None:
            self._watch(stream, self._loop, self._on_readable)
        return True

    def _say_again(self, *, is_new_log: bool) -> None:
        """Advertise to a new broker, and give it the latched messages."""
        publications = list(self._publications.values())
        self._advertise(publications, _ANSWER_SEC)
        with self._write_lock:
            for publication in publications:
                # The newest may have been lost on its way; readers that had it recognise it.
                least = len(publication.kept) if is_new_log else min(1, len(publication.kept))
                publication.owed = max(publication.owed, least)
                self._pay(publication)
        for reader in list(self._readers.values()):
            if reader.losses is not None:
                reader.losses.tell_again()
            self._subscribe(reader)
        if self._state != "starting":
            self.set_state(self._state)

    def _share(self, directory: str, number: int) -> None:
        from dsmq_nodes.graph.links.shared_rings import SharedTopics  # noqa: PLC0415  7 ms, not on every system

        try:
            self._shared = SharedTopics(directory, number, self._node, self._read_unshared)
        except RingError as error:
            logger.info("%s: without shared memory: %s", self._node, error)

    def _lost(self, reason: str) -> None:
        self._let_go()
        if not self._outage.is_closed:
            self._outage.begin(f"{self._where}: {reason}")
            if not self._is_outage_told:  # else the outage has not ended yet
                self._is_outage_told = True
                self._tell_outage(lost=True)

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            self._unwatch(stream)
            with self._write_lock:
                stream.close()
                for publication in stream.unsent():
                    if publication.latched:
                        publication.owe(1)
                    else:
                        publication.dropped += 1
        if self._poller is not None:
            self._poller.stop()
        self._share_no_more()

    def _unwatch(self, stream: Stream[Publication]) -> None:
        self._is_flushing = False
        if self._loop is not None:
            self._loop.remove_reader(stream.socket)
            self._loop.remove_writer(stream.socket)

    def _share_no_more(self) -> None:
        shared, self._shared = self._shared, None
        for answers in (self._advertised, self._subscriptions):
            answers.give_up()
        if shared is None:
            return
        if self._loop is not None:
            self._loop.remove_reader(shared)
        with self._write_lock:
            for publication in self._publications.values():
                publication.writer = None
            shared.close()

    def _broker_is_back(self) -> None:
        """In the thread that dials."""
        if (loop := self._loop) is not None:
            # A loop that was closed meanwhile: the next `attach` takes it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._take_fresh)

    def _take_fresh(self) -> None:
        connection = self._outage.take()
        if connection is None:
            return
        self._let_go()
        if not self._take(connection):
            return
        loop, stream = self._loop, self._stream
        if loop is None or stream is None:
            self._over()
        else:
            loop.call_later(_STEADY_SEC, self._stays, stream)

    def _stays(self, stream: Stream[Publication]) -> None:
        """The outage ends once the new connection has lasted for a while."""
        if stream is self._stream and not stream.connection.is_ended():
            self._over()

    def _over(self) -> None:
        outage_sec = self._outage.end()
        if outage_sec is None:
            return
        logger.warning(
            "%s: the broker is back after %.1f s; %d messages dropped so far",
            *(self._node, outage_sec, self._dropped()),
        )
        self._is_outage_told = False
        self._tell_outage(lost=False)

    def _tell_outage(self, *, lost: bool) -> None:
        if self._on_outage is not None:
            self._on_outage(lost)

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""
        if self._stream is not None:
            self._unwatch(self._stream)
        if self._shared is not None and self._loop is not None:
            self._loop.remove_reader(self._shared)
        if self._poller is not None:
            self._poller.stop()
        self._loop = self._on_readable = self._on_outage = None

    def close(self) -> None:
        """End the connection, after sending what was published."""
        self._outage.close()
        before = self._dropped()
        if self._stream is not None:
            self._stream.finish()
        self._let_go()
        if lost := self._dropped() - before:
            logger.warning(
                "%s: the broker does not read: the last %d messages were not sent",
                *(self._node, lost),
            )


def _is_ours(topic: str) -> bool:
    """Whether every node publishes the topic for the kit."""
    return is_kits_own(topic) or topic in _EVERY_NODES


def _is_worth_a_ring(topic: str) -> bool:
    """Whether a topic is worth a ring: not the kit's own, nor services that every node has."""
    return not (_is_ours(topic) or calls.is_of_every_node(topic))


def _advertise(publication: Publication) -> dict[str, object]:
    return {
        "action": "advertise",
        "topic": publication.topic,
        "type": publication.type_name,
        "latched": publication.latched,
        **_schema(publication),
    }


def _schema(end: Publication | LinkReader) -> dict[str, object]:
    return {"schema": msgspec.Raw(end.schema)} if end.schema else {}
