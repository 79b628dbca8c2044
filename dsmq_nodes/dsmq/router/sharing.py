"""Topics whose log is in shared memory: local nodes write and read it, the broker follows.

A topic is *shared* once a local node that may share memory advertises it. From then on the ids are
assigned by its writers, in the ring (ring.py). The broker reads the messages from there in batches,
for `get`, for readers on other machines, for bags and for the statistics. A put over a socket is
appended to the ring first, so that the topic has one order.

A cursor of a peer that shares memory is *seated* once it has caught up. The broker then sends the
ring's path and the id after which to read, and pushes nothing more. All earlier pushes are ahead of
that message on the socket, so nothing is lost or repeated.

A ring has room for ten messages at least, and for more if a reader has a greater depth or lags.
Latched topics are followed at once.

A ring is closed when memory is scarce or its file is damaged. All its peers are notified, and the
topic goes through the broker from then on, beginning with the messages that the broker had
followed.

Topics of a store in a file are not shared: their readers receive nothing that a crash could take
back.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.router.exchange import Exchange
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies, Topic, TopicReader, event
from dsmq_nodes.errors import RingError

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.directory import SharedMemory


class Sharing:
    """The shared topics of one broker, and the seats of their readers.

    Attributes:
        topics: the shared topics, by name.
        wants_poll: whether the broker has to follow the rings soon: a ring was made, or a reader
            begins to wait.
        has_new_reader: whether it has to do so at once, for a reader.
    """

    def __init__(self, exchange: Exchange, memory: "SharedMemory | None") -> None:
        self.topics: dict[str, Topic] = {}
        self.wants_poll = self.has_new_reader = False
        self._exchange = exchange
        self._memory = memory
        self._last_number = 1  # the last number given to a process with a bell; 1: the broker
        # topics that the last sharing peer may have left
        self._maybe_unused: dict[Topic, None] = {}

    def welcome(self, peer: ConnectedPeer) -> dict[str, object]:
        """Return the path of the shared memory and the peer's number, if the peer can share."""
        if not peer.is_neighbour or self._memory is None:
            return {}
        if not peer.number:
            self._last_number += 1
            peer.number = self._last_number
        return {"shm": str(self._memory.directory), "number": peer.number}

    def follow(self, topic: Topic, now: float) -> Replies:
        """Move a batch of messages from a shared topic's ring to its log."""
        log = topic.log
        end_id = log.last_id
        try:
            found = log.follow(now, read_here=topic.is_read_here or log.stored.latched > 0)
        except RingError as fault:
            return self._unshare(topic, str(fault))
        return self._exchange.deliver(topic, found, end_id)

    def follow_to_the_end(self, topic: Topic, now: float) -> Replies:
        """Move all messages from a shared topic's ring to its log."""
        replies: Replies = []
        while topic.log.ring is not None and topic.log.ring.has_more():
            before = topic.log.last_id
            replies += self.follow(topic, now)
            if topic.log.last_id == before:
                break  # the topic's writers are faster
        return replies

    def forget_overwritten(self) -> None:
        """Advance the first id of each log to that of its ring."""
        for topic in self.topics.values():
            topic.log.forget_overwritten()

    def follow_for(self, request: wire.Request, now: float) -> Replies:
        """Move everything to the logs that a request other than a put may read."""
        if request.pattern:
            topics = list(self.topics.values())
        else:
            topics = [self.topics[request.topic]] if request.topic in self.topics else []
        return [reply for topic in topics for reply in self.follow_to_the_end(topic, now)]

    def stop_sharing(self, topic: Topic, why: str, now: float) -> Replies | None:
        """Stop sharing a topic whose ring takes no message; None: some peers depend on the ring."""
        if topic.log.ring is None or not all(each.unshares for each in _sharers(topic)):
            return None
        return self._read_and_unshare(topic, now, why)

    @property
    def is_offered(self) -> bool:
        """Whether shared memory is offered to peers."""
        return self._memory is not None

    def stop_sharing_all(self, now: float) -> Replies:
        """Stop sharing all topics, since the memory is gone; read their messages before."""
        self._memory = None
        replies: Replies = []
        for topic in list(self.topics.values()):
            replies += self._read_and_unshare(topic, now)
        return replies

    def _read_and_unshare(self, topic: Topic, now: float, why: str = "") -> Replies:
        if topic.log.ring is not None:
            topic.log.ring.shut()
        return [*self.follow_to_the_end(topic, now), *self._unshare(topic, why)]

    def open(self, topic: Topic) -> str:
        """Share a topic; return the path of its ring, or an empty text."""
        log = topic.log
        if log.ring is None and self._memory is not None:
            self.wants_poll = True
            try:
                log.ring = self._memory.make(log.last_id)
            except RingError:
                return ""
            self.topics[log.name] = topic
        return log.ring.path if log.ring is not None else ""

    def seat_all(self, cursors: Iterable[TopicReader]) -> Replies:
        """Seat those readers that have caught up."""
        return [reply for cursor in cursors for reply in self._seat(cursor)]

    def _seat(self, cursor: TopicReader) -> Replies:
        topic, peer = cursor.topic, cursor.peer
        ring = topic.log.ring
        if ring is None or not peer.number or cursor.seat is not None or cursor.pattern:
            return []
        if cursor.after < topic.log.last_id or cursor.gap or not cursor.shares:
            return []
        try:
            cursor.seat = ring.seat(peer.number, after=cursor.after, depth=cursor.depth)
        except RingError:
            return []  # too many readers: messages are pushed to this one
        cursor.dropped_in_ring = 0
        where = {"ring": ring.path, "seat": cursor.seat, "id": cursor.after}
        return [event(peer, "ring", topic=topic.log.name, **where)]

    def subscribing(self, peer: ConnectedPeer, request: wire.Request) -> None:
        """Unseat the reader of a peer that is about to subscribe again."""
        if (cursor := peer.cursors.get(request.topic)) is not None:
            self.unseat(cursor)
            cursor.shares = request.shm

    def subscribed(self, peer: ConnectedPeer, request: wire.Request) -> Replies:
        """Seat the reader of a peer that has subscribed, or else follow the topic soon."""
        replies: Replies = []
        cursor = peer.cursors.get(request.topic)
        if cursor is not None and request.shm:
            cursor.shares = True
            replies = self._seat(cursor)
        if cursor is None or cursor.seat is None:
            self.note_reader()
        return replies

    def note_reader(self) -> None:
        """Follow the rings at once: a reader begins to wait for messages from the broker."""
        self.wants_poll = self.has_new_reader = True

    def unseat(self, cursor: TopicReader) -> None:
        """Free the seat of a cursor whose peer has stopped reading the ring."""
        topic = cursor.topic
        self.mark_maybe_unused(topic)
        if cursor.seat is not None and topic.log.ring is not None:
            self.copy_reader_state(cursor)
            topic.log.ring.unseat(cursor.seat)
            cursor.seat = None

    def copy_reader_state(self, cursor: TopicReader) -> None:
        """Copy a seated reader's numbers from the ring to its cursor."""
        topic, ring = cursor.topic, cursor.topic.log.ring
        if cursor.seat is None or ring is None:
            return
        after, dropped = ring.reader_state(cursor.seat)
        gone = dropped - cursor.dropped_in_ring
        delivered = cursor.advance(min(after, topic.log.last_id), gone)
        if delivered >= 0:  # else the reader is ahead of us, or another process has written there
            cursor.dropped_in_ring = dropped
            cursor.size_bytes += delivered * (topic.size_bytes // max(topic.messages, 1))

    def mark_maybe_unused(self, topic: Topic) -> None:
        """Note that a peer has left a topic: it may have been the last one to share it."""
        if topic.log.ring is not None:
            self._maybe_unused[topic] = None

    def close_unused_rings(self, now: float) -> Replies:
        """Close rings without peers; wake readers of other rings, whose writer may have died."""
        maybe_unused, self._maybe_unused = self._maybe_unused, {}
        return [reply for topic in maybe_unused for reply in self._close_if_unused(topic, now)]

    def stop(self) -> None:
        """Stop sharing, since the broker ends."""
        self._memory = None
        for topic in self.topics.values():
            if topic.log.ring is not None:
                topic.log.ring.close()
            topic.log.ring = None
        self.topics.clear()

    def _close_if_unused(self, topic: Topic, now: float) -> Replies:
        if topic.log.ring is None:
            return []
        if _sharers(topic):
            topic.log.ring.wake_all()
            return []
        replies = [*self.follow_to_the_end(topic, now), *self._exchange.commit()]
        self._close(topic)
        return replies

    def _close(self, topic: Topic, why: str = "") -> None:
        topic.log.unshare(why)
        self.topics.pop(topic.log.name, None)

    def _unshare(self, topic: Topic, why: str = "") -> Replies:
        """Close a topic's ring and notify its peers: the topic goes through the broker from now on.

        `why` is logged if it is not empty.
        """
        if topic.log.ring is None:
            return []
        topic.log.ring.shut()
        replies = self._exchange.commit()
        name, last_id = topic.log.name, topic.log.last_id
        # some of them have left the ring
        readers = [each.peer for each in topic.cursors if each.peer.unshares]
        for peer in dict.fromkeys(_sharers(topic) + readers):
            replies.append(event(peer, "unshared", topic=name, id=last_id))
        for publication in topic.publications:
            publication.shares = False
        for cursor in topic.cursors:
            self.unseat(cursor)
        self._close(topic, f"{name}: {why}" if why else "")
        return replies


def _sharers(topic: Topic) -> list[ConnectedPeer]:
    """Return the peers that write or read a topic's ring."""
    writers = [each.peer for each in topic.publications if each.shares]
    return writers + [each.peer for each in topic.cursors if each.seat is not None]
