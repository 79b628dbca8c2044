"""The reading half of a link: the topics a node subscribes, over the socket or from rings."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import RingError
from dsmq_nodes.graph.links.link import schema_of
from dsmq_nodes.graph.links.link_reader import LinkReader, Losses
from dsmq_nodes.graph.links.pending import Answers

if TYPE_CHECKING:
    from dsmq_nodes.graph.links.shared_rings import SharedTopics

logger = logging.getLogger("dsmq_nodes.link")


class Incoming:
    """The reading half of a link to a broker.

    Attributes:
        readers: the node's places in the topics that it subscribes.
        shared: the rings of this connection, if it has any.
        unanswered: the subscriptions that the broker has not confirmed yet.
        takers: what takes the usual messages from the socket, by topic as a frame has it.
        ahead_ns: how far the broker's monotonic clock is ahead of ours.
    """

    def __init__(self, node: str, send_object: Callable[[dict[str, object]], None]) -> None:
        """Read for `node`; `send_object` sends a request to the broker."""
        self.readers: dict[str, LinkReader] = {}
        self.shared: SharedTopics | None = None
        self.unanswered = Answers()
        self.takers: dict[bytes, Callable[[], bool] | None] = {}
        self._node = node
        self._send_object = send_object
        self._epoch = ""
        self.ahead_ns = 0
        self._told_unshared: set[str] = set()
        self._told_losses: set[str] = set()

    # The connection

    def begin(self, epoch: str, ahead_ns: int) -> bool:
        """Read from a new connection; returns whether all messages of its log are new to us."""
        is_new_log = epoch != self._epoch
        if is_new_log:
            for reader in self.readers.values():
                reader.began_after = reader.cursor.after = 0
        self._epoch, self.ahead_ns = epoch, ahead_ns
        return is_new_log

    def subscribe_again(self) -> None:
        """Subscribe everything at a new broker."""
        for reader in list(self.readers.values()):
            if reader.losses is not None:
                reader.losses.tell_again()
            self._subscribe(reader)

    def subscribe(self, reader: LinkReader) -> None:
        """Deliver the messages of a topic, from now on, in the thread that reads."""
        topic = reader.topic
        known = self.readers.get(topic)
        self.takers.pop(wire.encode_text(topic), None)
        self.readers[topic] = reader
        reader.losses = Losses(self._node, topic, self._told_losses)
        if known is not None:
            # A new cursor begins with latched messages; the first one knows the old ones.
            reader.cursor, reader.losses = known.cursor, known.losses
            self._send_object({"action": "unsubscribe", "topic": topic})
            if self.shared is not None:
                self.shared.forget(topic)
        self._subscribe(reader)

    def unsubscribe(self, topic: str) -> None:
        """Stop reading a topic."""
        if self.shared is not None:
            self.shared.forget(topic)
        self.takers.pop(wire.encode_text(topic), None)
        if self.readers.pop(topic, None):
            self._send_object({"action": "unsubscribe", "topic": topic})

    def _subscribe(self, reader: LinkReader, *, shm: bool = True) -> None:
        fields: dict[str, object] = {
            "action": "subscribe",
            "topic": reader.topic,
            "depth": reader.depth,
            "type": reader.type_name,
            **schema_of(reader),
            "shm": shm and self.shared is not None,
        }
        if (after := reader.resumes_after) is not None:
            fields |= {"after": after, "epoch": self._epoch}
        self.unanswered.expect(reader.topic)
        self._send_object(fields)

    # What the broker says

    def take(self, topic: str, replies: Sequence[wire.Reply]) -> None:
        """Deliver messages of a topic."""
        reader = self.readers.get(topic)
        if reader is None:
            return
        for reply in replies if self.ahead_ns else ():
            reply.at -= self.ahead_ns if reply.at else 0  # by our own monotonic clock
        reader.take_pushed(replies)
        if reader.call_now is not None and not reader.has_taker:
            reader.has_taker = True
            self.takers[wire.encode_text(topic)] = reader.call_now.taker(None, reader)

    def subscribed(self, reply: wire.Reply) -> None:
        """The broker has confirmed a subscription."""
        self.unanswered.came(reply.topic)
        reader = self.readers.get(reply.topic)
        if reader is not None and reader.began_after is None:
            reader.began_after = reply.id

    def read_ring(self, reply: wire.Reply) -> None:
        """The broker has stopped pushing a topic: it is read from shared memory now."""
        reader = self.readers.get(reply.topic)
        if self.shared is None or reader is None:
            return
        try:
            self.shared.read(reader, reply.ring, reply.seat, reply.id)
        except RingError as error:
            self.read_unshared(reader, error)

    def read_unshared(self, reader: LinkReader, error: RingError) -> None:
        """Ask the broker to push a topic, from our place on."""
        self.tell_unshared(error)
        self._subscribe(reader, shm=False)

    def unshared(self, reply: wire.Reply) -> None:
        """The broker has closed a ring: its topic goes over the socket."""
        reader = self.readers.get(reply.topic)
        if self.shared is None or reader is None:
            return
        self.shared.drain()  # the broker does not push its messages again
        # The broker gives the ids of messages it could not follow a second time.
        reader.cursor.after = min(reader.cursor.after, reply.id)
        if self.shared.forget(reply.topic):
            self._subscribe(reader)

    def tell_unshared(self, error: RingError) -> None:
        """Log why a topic goes over the socket, in one line for all topics."""
        if str(error) not in self._told_unshared:
            self._told_unshared.add(str(error))
            logger.warning("%s: %s: without shared memory", self._node, error)
