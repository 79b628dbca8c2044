"""A link to a broker over a socket.

After an outage the link advertises and subscribes again, and every reader resumes at its place. The
losses of the outage are counted at both ends: the publisher counts what it could not send, the
reader what never came (link_reader.py). A latched message that could not be sent is sent later.

A broker that does not read has the same effect: publishing continues without waiting, and messages
without room are dropped and counted (stream.py).
"""

import asyncio
import contextlib
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from dsmq_nodes.dsmq import descriptors, wire
from dsmq_nodes.dsmq.address import patience_sec
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.selector import add_straight
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.links.heartbeat import Heartbeat
from dsmq_nodes.graph.links.incoming import Incoming
from dsmq_nodes.graph.links.link import (
    Append,
    Contact,
    OnDiffers,
    OnOutage,
    OnReadable,
    Publication,
    UsualMessages,
    is_ours,
    schema_of,
)
from dsmq_nodes.graph.links.link_reader import CallNow, Deliver, LinkReader
from dsmq_nodes.graph.links.original_server import Poller
from dsmq_nodes.graph.links.outgoing import Outgoing
from dsmq_nodes.graph.links.pending import Answers
from dsmq_nodes.graph.links.redial import Outage
from dsmq_nodes.graph.links.stream import Stream
from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.speedups import receive
from dsmq_nodes.topic_names import PROBE_TOPIC, REQUEST

logger = logging.getLogger("dsmq_nodes.link")

_CHECK_AGAIN_SEC: Final = 0.01
# The system repeats a request to connect after 1, 2, 4, 8 s, and in the end once a minute.
_CONNECT_AGAIN_SEC: Final = 5.0
_NO_THREAD_SEC: Final = 0.5  # until the system may give a thread to dial in
_STEADY_SEC: Final = 0.1  # a new connection has to last this long to end an outage
# for an answer to an advertisement, so that its topic goes by shared memory
_ANSWER_SEC: Final = 1.0
_ANSWER_IN_CALLBACK_SEC: Final = 0.25  # the same in a callback, which delays the node's timers


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
        self._state = "starting"
        # this and `_on_outage`: set while a loop is attached
        self._on_readable: OnReadable | None = None
        self._on_outage: OnOutage | None = None
        self._on_differs = on_differs
        dial = partial(self._dial, _CONNECT_AGAIN_SEC)
        self._outage = Outage(dial, clock, node, self._broker_is_back)
        self._contact: Contact = "here"  # as last reported to the node
        self._outgoing = Outgoing(
            node,
            self._where,
            clock,
            on_broken=self._broken,
            on_lost=self._lost,
            on_unshared=self._warn_unshared,
        )
        self._heartbeat = Heartbeat(
            *(node, self._where),
            ask=lambda: self._outgoing.send_object({"action": "get", "topic": PROBE_TOPIC}),
            on_change=lambda: self._report_contact(
                "silent" if self._heartbeat.is_silent else "here"
            ),
            dropped=self._outgoing.dropped,
        )
        self._incoming = Incoming(
            *(node, self._outgoing.send_object, self._heartbeat),
            others={
                "differs": self._differs,
                "unshared": self._unshared,
                "advertised": self._write_ring,
                "error": self._refused,
            },
            on_lost=self._lost,
        )
        self._reading = threading.RLock()  # held while no loop reads
        self._logged = ""  # the last refusal by the broker that was logged
        self._advertised = Answers()
        self._check_again_sec = 0.0
        self._take(self._dial())

    @property
    def has_graph(self) -> bool:
        """False with an original server."""
        return self._incoming.poller is None

    # Publishing

    def advertise(
        self, topic: str, type_name: str, latched: int, schema: bytes = b""
    ) -> Publication:
        """Advertise a topic; the newest `latched` messages of it are kept for late readers."""
        publication = self._outgoing.publications.get(topic)
        if publication is None:
            publication = Publication(topic, type_name, latched, wire.encode_text(topic), schema)
            self._outgoing.publications[topic] = publication
        publication.latched = max(publication.latched, latched)
        self._advertise([publication], self._patience_sec)
        return publication

    def _advertise(self, publications: Collection[Publication], patience_sec: float) -> None:
        """Advertise; with shared memory, wait for the answers before anything is published."""
        asked = False
        for each in publications:
            fields = _advertise(each)
            is_unshared = self._incoming.shared is not None and each.writer is None
            if is_unshared and _is_worth_a_ring(each.topic):
                asked = fields["shm"] = True
                self._advertised.topics.add(each.topic)
            self._outgoing.send_object(fields)
        if asked:  # else do not wait: this may run while other answers are read
            self._await(self._advertised, patience_sec)

    def _await(self, answers: Answers, patience_sec: float) -> bool:
        """Wait for the broker's answers, unless it failed to answer before; False if some lack."""
        if not self._incoming.gave_no_answer:
            if self._outgoing.is_elsewhere:
                answers.wait(patience_sec)  # the thread that spins reads them
            else:
                self._read(answers, patience_sec)
            self._incoming.gave_no_answer = bool(answers.topics)
        is_answered = not answers.topics
        answers.stop_waiting()
        return is_answered

    def _read(self, answers: Answers, patience_sec: float) -> None:
        until_sec = time.monotonic() + patience_sec
        while answers.topics and self._outgoing.stream is not None:
            if not self._outgoing.stream.wait(until_sec - time.monotonic()):
                break
            with self._reading:
                self._incoming.drain_socket()
        loop = self._outgoing.loop
        if loop is not None and self._on_readable is not None:  # messages came meanwhile
            loop.call_later(0, self._on_readable, self._incoming)

    @property
    def _patience_sec(self) -> float:
        return _ANSWER_IN_CALLBACK_SEC if self._outgoing.is_in_callback else _ANSWER_SEC

    def unadvertise(self, publication: Publication) -> None:
        """Stop publishing a topic."""
        publication.writer = None
        if self._outgoing.publications.pop(publication.topic, None):
            self._outgoing.send_object({"action": "unadvertise", "topic": publication.topic})

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

        A message that cannot be sent, because the broker is lost or does not read, is dropped and
        counted. In a callback this never waits.

        Raises:
            WireError: the message is larger than a frame may be.
        """
        if self._outgoing.loop is None:
            self._check_connection()
        if self._incoming.unanswered.topics and publication.writer is not None:
            # Through memory it would overtake a subscription on its way to the broker, and this
            # node would miss the answer of another node to the message.
            is_answered = self._await(self._incoming.unanswered, self._patience_sec)
            if not is_answered and publication.topic.endswith(REQUEST):
                with self._outgoing.lock:
                    publication.writer = None  # a call would wait for ever: the socket has an order
        self._outgoing.publish(publication, text, field, raw, age_sec=age_sec)

    def appender(self, publication: Publication, usual: UsualMessages) -> Append | None:
        """Return a function for the usual messages of a publication, which repeats no decision.

        All other messages go through `publish`: those of a latched topic, while a subscription is
        not confirmed, for a full socket, large ones, and without shared memory.
        """
        if publication.latched:
            return None
        unanswered = self._incoming.unanswered.topics
        return self._outgoing.appender(publication, usual, unanswered, self._check_connection)

    def set_fault(self, topic: str, pair: int, text: str) -> None:
        """Report to the graph what is wrong between two ends; the broker calls them `pair`."""
        self._outgoing.send_object({"action": "fault", "topic": topic, "pair": pair, "error": text})

    def _check_connection(self) -> None:
        """Check at intervals, while the node does not spin, whether the broker is lost or back."""
        if self._outage.has_found:
            self._take_connection()
        now_sec = time.monotonic()
        if now_sec < self._check_again_sec:
            return
        self._check_again_sec = now_sec + _CHECK_AGAIN_SEC
        stream = self._outgoing.stream
        if stream is None:
            return
        byte = stream.connection.peek()
        if byte == b"":
            if self._incoming.shared is not None:  # over a socket, sending detects it
                self._lost("it closed the connection")
        elif byte or stream.connection.is_tls:
            self._read_answers()

    def _read_answers(self) -> None:
        """Read the broker's answers, unless another thread reads them or begins to spin.

        The broker stops reading from a peer that does not read its answers, such as refusals.
        """
        if self._reading.acquire(blocking=False):
            try:
                if self._outgoing.loop is None:
                    self._incoming.drain_socket()
            finally:
                self._reading.release()

    def set_state(self, state: str) -> None:
        """Show the node's state in the graph."""
        self._state = state
        self._outgoing.send_object({"action": "state", "topic": "", "state": state})

    # Subscribing

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
        reader = LinkReader(topic, depth, type_name, deliver, schema)
        reader.call_now = call_now
        self._incoming.subscribe(reader)

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""
        self._incoming.unsubscribe(topic)

    def began_after(self, topic: str) -> int | None:
        """Return the id after which the subscription of a topic began; None: not known (yet)."""
        reader = self._incoming.readers.get(topic)
        return None if reader is None else reader.began_after

    def confirm(self) -> None:
        """Wait until the broker has confirmed all subscriptions, at most a second."""
        if self.has_graph and self._incoming.unanswered.topics:
            self._await(self._incoming.unanswered, self._patience_sec)

    def attach(
        self, loop: asyncio.AbstractEventLoop, on_readable: OnReadable, on_outage: OnOutage
    ) -> None:
        """Call `on_readable(readable)` in `loop` from now on, when there is something to read."""
        with self._reading:  # no other thread reads from now on
            self._outgoing.attach(loop)
        self._on_readable, self._on_outage = on_readable, on_outage
        if self._outage.has_found:
            self._take_connection()
        elif (stream := self._outgoing.stream) is None:
            self._lost("it was gone before the node was spun")
        else:
            self._watch(stream, loop, on_readable)
            self._confirm_connection(stream)

    def _watch(
        self, stream: Stream[Publication], loop: asyncio.AbstractEventLoop, on_readable: OnReadable
    ) -> None:
        add_straight(loop, self._incoming, self._on_socket(stream.connection, on_readable))
        self._outgoing.flush_later(stream)
        if (shared := self._incoming.shared) is not None:
            add_straight(loop, shared, shared.on_bell(on_readable))
        # For messages that were read before, and those that are there now.
        loop.call_later(0, on_readable, self._incoming)
        if self._incoming.poller is not None:
            self._incoming.poller.start(loop)
        else:
            self._heartbeat.begin(loop)

    def _on_socket(
        self, connection: ClientConnection, on_readable: OnReadable
    ) -> Callable[[], object]:
        """Return the function to call when the socket is readable: `on_readable` or its equal."""
        is_usual = not (connection.is_tls or connection.original or self._incoming.shared)
        if receive is None or not is_usual or not hasattr(on_readable, "call_now"):
            return partial(on_readable, self._incoming)
        parts = (connection, connection.decoder, self._incoming.takers, self._heartbeat)
        where = (connection.socket.fileno(), self._incoming.ahead_ns)
        return partial(receive, on_readable, self._incoming, *parts, *where)

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""
        self._incoming.drain()

    def arm(self) -> bool:
        """Wake the loop at the next message; False when one has come already: drain again."""
        return self._incoming.arm()

    # Replies of the broker, except messages and subscriptions

    def _differs(self, reply: wire.Reply) -> None:
        readers, publications = self._incoming.readers, self._outgoing.publications
        if end := (readers if reply.end == "publisher" else publications).get(reply.topic):
            self._on_differs(reply, end)

    def _refused(self, reply: wire.Reply) -> None:
        what = f"{reply.action}: {reply.error}"
        if what != self._logged or reply.action != "put":  # do not log the same again
            self._logged = what
            logger.error("%s: the broker refused %s", self._node, what)
        for answers in (self._advertised, self._incoming.unanswered):
            answers.remove(reply.topic)

    def _unshared(self, reply: wire.Reply) -> None:
        """Send and read a topic over the socket from now on: the broker has closed its ring."""
        if (publication := self._outgoing.publications.get(reply.topic)) is not None:
            with self._outgoing.lock:
                publication.writer = None
        self._incoming.unshared(reply)

    def _warn_unshared(self, error: RingError) -> None:
        self._incoming.warn_unshared(error)

    def _write_ring(self, reply: wire.Reply) -> None:
        """Write a topic to shared memory from now on, unless the answer came too late."""
        publication = self._outgoing.publications.get(reply.topic)
        if reply.topic not in self._advertised.topics:
            return
        shared = self._incoming.shared
        if publication is not None and shared is not None and reply.ring:
            try:
                shared.write(publication, reply.ring)
            except RingError as error:
                self._warn_unshared(error)
        self._advertised.remove(reply.topic)

    # Losing the broker and finding it again

    def _dial(self, connect_sec: float = math.inf) -> ClientConnection:
        return ClientConnection(
            self._host,
            self._port,
            node=self._node,
            client=self.client,
            shm=True,
            timeout_sec=patience_sec(),
            connect_sec=connect_sec,
        )

    def _take(self, connection: ClientConnection) -> bool:
        """Continue with a new connection; return False if it is lost before that is done."""
        is_new_log = self._incoming.begin(connection)
        with self._outgoing.lock:
            self.broker_began_sec = self._clock.monotonic_sec() - connection.age_sec
            stream = self._outgoing.begin(connection)
            self._incoming.poller = None
        self._heartbeat.is_silent = False
        if connection.original:
            readers = self._incoming.readers
            self._incoming.poller = Poller(self._outgoing.send, lambda: list(readers))
            logger.warning(
                "%s: %s is an original dsmq server: topics are polled, names are not checked, "
                "there is no graph",
                *(self._node, connection.where),
            )
        if connection.memory is not None:
            self._share_memory(*connection.memory)
        self._advertise_again(is_new_log=is_new_log)
        if self._outgoing.stream is not stream:
            return False
        if self._outgoing.loop is not None and self._on_readable is not None:
            self._watch(stream, self._outgoing.loop, self._on_readable)
        return True

    def _advertise_again(self, *, is_new_log: bool) -> None:
        """Advertise and subscribe again at the broker, and send it the latched messages."""
        self._advertise(list(self._outgoing.publications.values()), _ANSWER_SEC)
        self._outgoing.send_latched_again(is_new_log=is_new_log)
        self._incoming.subscribe_again()
        if self._state != "starting":
            self.set_state(self._state)

    def _share_memory(self, directory: str, number: int) -> None:
        from dsmq_nodes.graph.links.shared_rings import SharedTopics  # noqa: PLC0415  7 ms, not on every system

        try:
            self._incoming.shared = SharedTopics(
                directory, number, self._node, self._incoming.read_unshared
            )
        except RingError as error:
            logger.info("%s: without shared memory: %s", self._node, error)

    def _broken(self, reason: str) -> bool:
        """Begin an outage: the connection cannot be written. The reader detects it too.

        Return False if nothing can dial yet.
        """
        return self._outage.begin(f"{self._where}: {reason}", self._heartbeat.silent_sec)

    def _lost(self, reason: str) -> None:
        self._drop_connection()
        if not self._outage.is_closed:
            is_dialling = self._broken(reason)
            self._report_contact("lost")
            if not is_dialling and (loop := self._outgoing.loop) is not None:
                loop.call_later(_NO_THREAD_SEC, self._lost_again, reason)

    def _lost_again(self, reason: str) -> None:
        if self._outgoing.stream is None:
            self._lost(reason)

    def _drop_connection(self) -> None:
        self._heartbeat.end()
        self._outgoing.end()
        self._incoming.end()
        self._stop_sharing()

    def _stop_sharing(self) -> None:
        shared, self._incoming.shared = self._incoming.shared, None
        for answers in (self._advertised, self._incoming.unanswered):
            answers.stop_waiting()
        if shared is None:
            return
        if self._outgoing.loop is not None:
            self._outgoing.loop.remove_reader(shared)
        with self._outgoing.lock:
            self._outgoing.stop_sharing()
            shared.close()

    def _broker_is_back(self) -> None:
        """Take the new connection in the thread of the loop; called in the thread that dials."""
        if (loop := self._outgoing.loop) is not None:
            # The loop may be closed by now: the next `attach` takes the connection.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._take_connection)

    def _take_connection(self) -> None:
        connection = self._outage.take()
        if connection is None:
            return
        self._drop_connection()
        if not self._take(connection):
            return
        loop, stream = self._outgoing.loop, self._outgoing.stream
        if loop is None or stream is None:
            self._end_outage()
        else:
            loop.call_later(_STEADY_SEC, self._confirm_connection, stream)

    def _confirm_connection(self, stream: Stream[Publication]) -> None:
        """End the outage, since the new connection has lasted for a while."""
        if stream is self._outgoing.stream and not stream.connection.is_ended():
            self._end_outage()

    def _end_outage(self) -> None:
        outage_sec = self._outage.end()
        if outage_sec is None:
            return
        logger.warning(
            "%s: the broker is back after %.1f s; %d messages dropped so far",
            *(self._node, outage_sec, self._outgoing.dropped()),
        )
        self._report_contact("here")

    def _report_contact(self, contact: Contact) -> None:
        if contact == self._contact or (contact == "silent" and self._contact == "lost"):
            return  # an outage that has not ended yet
        self._contact = contact
        if self._on_outage is not None:
            self._on_outage(contact)

    def detach(self) -> None:
        """Stop calling `on_readable`; publishing still works."""
        loop, shared = self._outgoing.loop, self._incoming.shared
        if self._outgoing.stream is not None:
            self._outgoing.unwatch(self._outgoing.stream)
        if shared is not None and loop is not None:
            loop.remove_reader(shared)
        if self._incoming.poller is not None:
            self._incoming.poller.stop()
        self._heartbeat.end()
        self._outgoing.loop = self._on_readable = self._on_outage = None

    def close(self) -> None:
        """End the connection, after sending all published messages."""
        self._outage.close()
        before = self._outgoing.dropped()
        if self._outgoing.stream is not None:
            self._outgoing.stream.finish()
        self._drop_connection()
        if lost := self._outgoing.dropped() - before:
            logger.warning(
                "%s: the broker does not read: the last %d messages were not sent",
                *(self._node, lost),
            )


def _is_worth_a_ring(topic: str) -> bool:
    """Whether a topic is worth a ring: not the kit's own, nor the services of every node."""
    return not (is_ours(topic) or calls.is_of_every_node(topic))


def _advertise(publication: Publication) -> dict[str, object]:
    return {
        "action": "advertise",
        "topic": publication.topic,
        "type": publication.type_name,
        "latched": publication.latched,
        **schema_of(publication),
    }
