"""The reading half of a link: replies of the broker, and the topics that a node subscribes.

Messages of these topics come over the socket or from rings. One `drain` reads both.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import RingError, WireError
from dsmq_nodes.graph.links.heartbeat import Heartbeat
from dsmq_nodes.graph.links.link import schema_of
from dsmq_nodes.graph.links.link_reader import LinkReader, Losses
from dsmq_nodes.graph.links.pending import Answers

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.client_connection import ClientConnection
    from dsmq_nodes.graph.links.original_server import Poller
    from dsmq_nodes.graph.links.shared_rings import SharedTopics

logger = logging.getLogger("dsmq_nodes.link")

_NO_REPLY: Final = wire.Reply()


class Incoming:
    """The reading half of a link to a broker.

    Attributes:
        readers: the node's readers, by topic.
        connection: the connection that is read; None while the broker is lost.
        poller: polls an original server, which does not push; None with a broker of ours.
        shared: the rings of this connection, if it has any.
        unanswered: the subscriptions that the broker has not confirmed yet.
        takers: for each topic, as a frame has it, the function that takes usual messages from the
            socket to the callback.
        ahead_ns: how far the broker's monotonic clock is ahead of ours.
        gave_no_answer: the broker did not answer in time, and has sent nothing since.
    """

    def __init__(
        self,
        node: str,
        send_object: Callable[[dict[str, object]], None],
        heartbeat: Heartbeat,
        others: Mapping[str, Callable[[wire.Reply], None]],
        on_lost: Callable[[str], None],
    ) -> None:
        """Read for `node`.

        Args:
            node: the node's name.
            send_object: sends a request to the broker.
            heartbeat: told when the broker sends something after a turn without anything.
            others: functions for the events that do not concern a subscription, by name of the
                event.
            on_lost: called by `drain` when the connection can no longer be read.
        """
        self.readers: dict[str, LinkReader] = {}
        self.connection: ClientConnection | None = None
        self.poller: Poller | None = None
        self.shared: SharedTopics | None = None
        self.unanswered = Answers()
        self.takers: dict[bytes, Callable[[], bool] | None] = {}
        self.ahead_ns = 0
        self.gave_no_answer = False
        self._node = node
        self._send_object, self._heartbeat, self._on_lost = send_object, heartbeat, on_lost
        self._arrived: deque[wire.Reply] = deque()  # read, and not yet acted on, in order
        self._events: dict[str, Callable[[wire.Reply], None]] = {
            "message": self._take_messages,
            "subscribed": self._subscribed,
            "ring": self._read_ring,
            **others,
        }
        self._epoch = ""
        self._warned_unshared: set[str] = set()
        self._warned_losses: set[str] = set()

    # The connection

    def begin(self, connection: "ClientConnection") -> bool:
        """Read from a new connection; return whether its log is another than before."""
        self.connection = connection
        self.gave_no_answer = False
        is_new_log = connection.epoch != self._epoch
        if is_new_log:
            for reader in self.readers.values():
                reader.began_after = reader.cursor.after = 0
        self._epoch, self.ahead_ns = connection.epoch, connection.ahead_ns
        return is_new_log

    def end(self) -> None:
        """Drop what was read but not acted on, since the connection is lost."""
        self.connection = None
        self._arrived.clear()
        if self.poller is not None:
            self.poller.stop()

    def subscribe_again(self) -> None:
        """Subscribe all topics at a new broker."""
        for reader in list(self.readers.values()):
            if reader.losses is not None:
                reader.losses.warn_again()
            self._subscribe(reader)

    def subscribe(self, reader: LinkReader) -> None:
        """Deliver the messages of a topic, from now on, in the thread that reads."""
        topic = reader.topic
        known = self.readers.get(topic)
        self.takers.pop(wire.encode_text(topic), None)
        self.readers[topic] = reader
        reader.losses = Losses(self._node, topic, self._warned_losses)
        if known is not None:
            reader.cursor, reader.losses = known.cursor, known.losses
            if self.shared is not None:
                self.shared.forget(topic)
        self._subscribe(reader, known)

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""
        if self.shared is not None:
            self.shared.forget(topic)
        self.takers.pop(wire.encode_text(topic), None)
        if self.readers.pop(topic, None):
            self._send_object({"action": "unsubscribe", "topic": topic})

    def _subscribe(
        self, reader: LinkReader, known: LinkReader | None = None, *, shm: bool = True
    ) -> None:
        """Subscribe a topic from a reader's place on, which may be that of a `known` one."""
        fields: dict[str, object] = {
            "action": "subscribe",
            "topic": reader.topic,
            "depth": reader.depth,
            "type": reader.type_name,
            **schema_of(reader),
            "shm": shm and self.shared is not None,
        }
        if (after := (known or reader).resumes_after) is not None:
            fields |= {"after": after, "epoch": self._epoch}
        if known is not None:
            fields["latched"] = 1  # for the later subscription
        self.unanswered.topics.add(reader.topic)
        self._send_object(fields)

    # Reading

    def fileno(self) -> int:
        """Return the socket's descriptor, to wait for; -1 without a connection."""
        return -1 if self.connection is None else self.connection.socket.fileno()

    def drain(self) -> None:
        """Read and deliver all messages that are there; does not wait."""
        self.drain_socket()
        if self.shared is not None:
            self.shared.drain()

    def arm(self) -> bool:
        """Wake the loop at the next message; False when one has come already: drain again."""
        return self.shared is None or self.shared.arm()

    def drain_socket(self) -> None:
        """Read the broker's replies, and act on them."""
        connection = self.connection
        if connection is None:
            return
        reason = ""
        try:
            for body in connection.ready_bodies():
                self._arrived.append(wire.decode_reply(body))
        except (OSError, WireError) as error:
            reason = str(error)
        if self._heartbeat.unanswered and self._arrived:
            self._heartbeat.note_answer()
        # A callback may drain again while it waits for an answer: the order must hold then, too.
        while self._arrived:
            self.gave_no_answer = False
            reply = self._arrived.popleft()
            if self.poller is not None:
                reply = self.poller.answer(reply) or _NO_REPLY
            self._events.get(reply.event, _ignore)(reply)
        if reason and connection is self.connection:
            self._on_lost(reason)

    def _take_messages(self, reply: wire.Reply) -> None:
        """Deliver a message, together with those of its topic that came directly after it."""
        replies, ready_bodies, topic = [reply], self._arrived, reply.topic
        while (
            ready_bodies and ready_bodies[0].topic == topic and ready_bodies[0].event == "message"
        ):
            replies.append(ready_bodies.popleft())
        if (reader := self.readers.get(topic)) is not None:
            self._take(reader, replies)

    def _take(self, reader: LinkReader, replies: Sequence[wire.Reply]) -> None:
        for reply in replies if self.ahead_ns else ():
            reply.at -= self.ahead_ns if reply.at else 0  # by our own monotonic clock
        reader.take_pushed(replies)
        if reader.call_now is not None and not reader.has_taker:
            reader.has_taker = True
            self.takers[wire.encode_text(reader.topic)] = reader.call_now.taker(None, reader)

    def _subscribed(self, reply: wire.Reply) -> None:
        """Note that the broker has confirmed a subscription."""
        self.unanswered.remove(reply.topic)
        reader = self.readers.get(reply.topic)
        if reader is not None and reader.began_after is None:
            reader.began_after = reply.id

    def _read_ring(self, reply: wire.Reply) -> None:
        """Read a topic from its ring from now on: the broker has stopped pushing it."""
        reader = self.readers.get(reply.topic)
        if self.shared is None or reader is None:
            return
        try:
            self.shared.read(reader, reply.ring, reply.seat, reply.id)
        except RingError as error:
            self.read_unshared(reader, error)

    def read_unshared(self, reader: LinkReader, error: RingError) -> None:
        """Ask the broker to push a topic, from the reader's place on."""
        self.warn_unshared(error)
        self._subscribe(reader, shm=False)

    def unshared(self, reply: wire.Reply) -> None:
        """Read a topic over the socket from now on: the broker has closed its ring."""
        reader = self.readers.get(reply.topic)
        if self.shared is None or reader is None:
            return
        self.shared.drain()  # the broker does not push its messages again
        # The broker gives other messages the ids of those that it could not follow.
        reader.cursor.after = min(reader.cursor.after, reply.id)
        if self.shared.forget(reply.topic):
            self._subscribe(reader)

    def warn_unshared(self, error: RingError) -> None:
        """Warn why a topic goes over the socket, in one line for all topics."""
        if str(error) not in self._warned_unshared:
            self._warned_unshared.add(str(error))
            logger.warning("%s: %s: without shared memory", self._node, error)


def _ignore(_: wire.Reply) -> None:
    """Ignore an event of a newer broker, or the answer to a heartbeat."""
