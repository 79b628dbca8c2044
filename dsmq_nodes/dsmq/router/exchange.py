"""How messages move: appended to logs, pushed to cursors, read from logs, returned by `get`.

A topic is a log and a reader is a cursor in it. A put appends to the log and is pushed at once to
every cursor at its end. A cursor that is behind, because its peer's socket is full, costs nothing:
when the peer can take more, `catch_up` reads on from the logs of all its topics, in the order of
the puts. No subscriber has a queue of its own. A *patient* peer, such as a recorder, always lags
and catches up at intervals, which costs the broker less and the peer even less.
"""

from typing import Final

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.router.meters import NOT_KNOWN
from dsmq_nodes.dsmq.router.shared_log import CATCH_UP_BYTES, REMOTE_CATCH_UP_BYTES, Followed
from dsmq_nodes.dsmq.router.topic_table import TopicTable, resumed_after
from dsmq_nodes.dsmq.router.topics import (
    ConnectedPeer,
    Put,
    Replies,
    Topic,
    TopicReader,
    Wait,
    error,
    event,
)
from dsmq_nodes.dsmq.router.types import report_unreported
from dsmq_nodes.dsmq.router.waits import Waits
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import StoreFullError

_NOT_TAKEN: Final = "the topic's shared memory is held by a process that does not continue"
_HELD_SEC: Final = 0.25  # from then on a topic's puts are refused, until its ring has a new record


class Exchange:
    """Moves the messages of one broker."""

    def __init__(self, store: Store, table: TopicTable) -> None:
        self.wall_offset_sec = 0.0  # the broker's wall clock minus its monotonic one
        # readers of the statistics: latency is measured for them
        self.listeners: list[TopicReader] = []
        self._store = store
        self._table = table
        self.awaiting_commit: list[Put] = []  # puts whose peers wait for the next `commit`
        self.waits = Waits(table.peers)

    def commit(self) -> Replies:
        """Write the appended messages to the store.

        With a store in memory the messages have been pushed already, and this returns the
        acknowledgements. With a durable store it returns the pushes as well: a subscriber never
        receives a message that a crash could take back or a full disk refuses.
        """
        awaiting_commit, self.awaiting_commit = self.awaiting_commit, []
        replies: Replies = []
        durable = self._store.durable  # when these were appended: a disk that fails ends it
        try:
            self._store.commit()
        except StoreFullError as error:
            return _refusals(awaiting_commit, str(error))
        for put in awaiting_commit:
            if durable:
                replies += self._fan_out(put.topic, put.message_id, put.frame, put.latency_sec)
            if put.request.ack is not None:
                replies.append(event(put.peer, "ack", ack=put.request.ack, id=put.message_id))
        return replies

    def pause(self, peer: ConnectedPeer) -> None:
        """Stop pushing to a peer until `resume`, since its socket is full."""
        peer.blocked = True
        peer.lags = True

    def resume(self, peer: ConnectedPeer) -> None:
        """Push to a peer again; call `catch_up` until the peer no longer lags."""
        peer.blocked = False

    def catch_up(self, peer: ConnectedPeer, now: float) -> Replies:
        """Return the next batch for a peer whose cursors lag; `peer.lags`: more batches are left.

        All its topics are read in the order of the puts. Later puts are not pushed until the peer
        has caught up.
        """
        replies = self.commit()
        if peer.blocked:
            return replies
        if peer.unreported:
            replies += report_unreported(peer)
        if peer.has_unanswered_gets:
            replies += self._answer_gets(peer)
        if lagging := _lagging(peer):
            replies += self._read_next(lagging, now)
        peer.lags = peer.has_unanswered_gets or (bool(lagging) and bool(_lagging(peer)))
        return replies

    def _answer_gets(self, peer: ConnectedPeer) -> Replies:
        """Answer a batch of the `get`s whose messages came while the peer did not read."""
        replies: Replies = []
        size_bytes = 0
        peer.has_unanswered_gets = False
        for wait in list(peer.waits):
            if _has_news(wait):
                if size_bytes > CATCH_UP_BYTES:
                    peer.has_unanswered_gets = True
                    break
                replies += (given := self._answer_one(wait))
                size_bytes += sum(len(frame) for _, frame in given)
        return replies

    def answer_waits(self, now: float) -> Replies:
        """Answer the `get`s that have timed out with an empty message."""
        return [(wait.peer, _empty_answer(wait.peer)) for wait in self.waits.take_late(now)]

    def append(
        self,
        peer: ConnectedPeer,
        topic: Topic,
        request: wire.Request,
        message: bytes | memoryview,
        now: float,
    ) -> Replies:
        """Append a peer's message to a topic's log, and push it.

        While another process holds the topic's ring, `peer.is_to_repeat` is set instead.

        Raises:
            RingError: the log is in a ring that cannot take this message.
        """
        log = topic.log
        message_id, frame = log.append(peer.name, peer.name_json, request, message, now)
        if not message_id:
            newest_id = log.ring.newest_id if log.ring is not None else 0
            if newest_id != topic.held_at_id:  # its holder continues
                topic.held_at_id, topic.held_since_sec = newest_id, now
            if now - topic.held_since_sec > _HELD_SEC:
                return self.refuse(peer, topic, request, _NOT_TAKEN)
            peer.is_to_repeat = True
            return []
        durable = self._store.durable
        latency_sec = self._latency_sec(request.stamp, now) if self.listeners else NOT_KNOWN
        if durable or request.ack is not None:
            self.awaiting_commit.append(Put(peer, topic, request, message_id, frame, latency_sec))
        if not frame:
            return []  # `deliver` pushes it once it was followed
        publication = peer.publications.get(log.name)
        if publication is not None:
            publication.messages += 1
            if latency_sec >= 0:
                publication.latency.add(latency_sec)
        return [] if durable else self._fan_out(topic, message_id, frame, latency_sec)

    def refuse(self, peer: ConnectedPeer, topic: Topic, request: wire.Request, why: str) -> Replies:
        """Refuse a put, and count it."""
        topic.refused += 1
        return [error(peer, request, why)] if peer.greeted else []

    def _latency_sec(self, stamp_ns: int, now: float) -> float:
        """Return how many seconds ago a message was published, if its clock is like ours."""
        latency_sec = now + self.wall_offset_sec - stamp_ns * 1e-9
        return max(latency_sec, 0.0) if -1.0 < latency_sec < self._store.ttl_sec else NOT_KNOWN

    def deliver(self, topic: Topic, found: Followed, end_id: int) -> Replies:
        """Push messages that were followed from a topic's ring, from the id after `end_id` on."""
        topic.messages += found.messages
        topic.size_bytes += found.size_bytes
        topic.dropped += topic.log.last_id - end_id - found.messages
        for publication in topic.publications:
            publication.messages += found.by_sender[publication.peer.name]
        replies: Replies = []
        # The time of this poll is known, but not that of the write: there is no latency.
        for message_id, frame in found.entries if topic.is_read_here else ():
            replies += self._push_all(topic, end_id, message_id, frame, NOT_KNOWN)
            end_id = message_id
        return replies

    def _fan_out(self, topic: Topic, message_id: int, frame: bytes, latency_sec: float) -> Replies:
        """Push a message that was put, and count it."""
        topic.messages += 1
        topic.size_bytes += len(frame)
        return self._push_all(topic, message_id - 1, message_id, frame, latency_sec)

    def _push_all(
        self, topic: Topic, end_id: int, message_id: int, frame: bytes, latency_sec: float
    ) -> Replies:
        """Push to every cursor at the log's end, `end_id`, and answer waiting `get`s."""
        replies: Replies = []
        for cursor in topic.cursors:
            if cursor.after != end_id or cursor.seat is not None:
                continue  # it lags, or reads shared memory
            if not (cursor.peer.lags or cursor.peer.patient):
                _push(cursor, message_id, frame, replies)
                if latency_sec >= 0:
                    cursor.latency.add(latency_sec)
        if topic.waits:
            replies += self._answer(topic)
        return replies

    def _read_next(self, lagging: list[TopicReader], now: float) -> Replies:
        by_number = {cursor.topic.log.stored.number: cursor for cursor in lagging}
        for cursor in lagging:
            cursor.topic.log.begin(cursor)
        replies: Replies = []
        newest: dict[TopicReader, bytes] = {}
        places = [(cursor.topic.log.stored, cursor.after) for cursor in lagging]
        limit_bytes = CATCH_UP_BYTES if lagging[0].peer.local else REMOTE_CATCH_UP_BYTES
        for number, message_id, frame in self._store.read_merged(places, limit_bytes=limit_bytes):
            cursor = by_number[number]
            _push(cursor, message_id, frame, replies)
            newest[cursor] = frame
        if self.listeners:
            for cursor, frame in newest.items():
                latency_sec = self._latency_sec(wire.carried_stamp(frame), now)
                if latency_sec >= 0:
                    cursor.latency.add(latency_sec)
        return replies

    def get(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        """Answer with the next message, or let the `get` wait for one."""
        if request.wait <= 0 and request.topic not in self._table.topics:
            return [(peer, _empty_answer(peer))]
        topic = self._table.topic(request.topic, peer)
        log = topic.log
        cursor = Cursor(self._position_of_get(peer, request, topic), 1 if request.latest else 0)
        log.begin(cursor)
        rows = self._store.read(log.stored, cursor.after, limit=1)
        peer.gets.pop(log.name, None)  # makes it the newest: `_position_of_get` removes the oldest
        peer.gets[log.name] = rows[0][0] if rows else cursor.after
        if not rows and request.wait > 0:
            request.after = None  # the cursor stands there now
            until_sec = now + min(request.wait, limits.MOST_WAIT_SEC)
            return self.waits.add(Wait(peer, topic, request, until_sec))
        if not rows:
            return [(peer, _empty_answer(peer))]
        message_id, frame = rows[0]
        message = wire.carried_message(frame)
        if not peer.greeted:
            return [(peer, wire.encode_frame(b'{"message": %b}' % message))]
        # Messages that are skipped for the newest one are not missed.
        gap = 0 if request.latest else cursor.take(message_id)
        body = b'{"message":%b,"id":%d,"gap":%d}' % (message, message_id, gap)
        return [(peer, wire.encode_frame(body))]

    def _position_of_get(self, peer: ConnectedPeer, request: wire.Request, topic: Topic) -> int:
        """Return the id after which a peer's `get` reads."""
        if request.after is not None:
            return resumed_after(request, topic, self._store.epoch)
        log = topic.log
        after = peer.gets.get(log.name)
        if after is None:
            if len(peer.gets) >= limits.MOST_TOPICS:  # most belong to topics that are gone
                del peer.gets[next(iter(peer.gets))]
            after = self._store.last_id_at(log.stored, peer.connected_seq)
        return after

    def _answer(self, topic: Topic) -> Replies:
        """Answer the `get`s that wait for a message, since one has come."""
        replies = self.commit()
        for wait in list(topic.waits):
            if wait.peer.blocked or wait.peer.has_unanswered_gets:
                wait.peer.has_unanswered_gets = wait.peer.lags = True
            elif _has_news(wait):
                replies += self._answer_one(wait)
        return replies

    def _answer_one(self, wait: Wait) -> Replies:
        self.waits.forget(wait)
        began_sec = wait.until_sec - min(wait.request.wait, limits.MOST_WAIT_SEC)
        return self.get(wait.peer, wait.request, began_sec)


def _has_news(wait: Wait) -> bool:
    """Whether there is a message for a `get`: another one of the same peer may have taken it."""
    log = wait.topic.log
    return wait.peer.gets.get(log.name, 0) < log.last_id


def _lagging(peer: ConnectedPeer) -> list[TopicReader]:
    """Return the peer's cursors that are not at the end of their logs."""
    return [
        cursor
        for cursor in peer.cursors.values()
        if cursor.seat is None and cursor.after < cursor.topic.log.last_id
    ]


def _push(cursor: TopicReader, message_id: int, frame: bytes, replies: Replies) -> None:
    size = len(frame)
    if size > limits.MOST_PUSH_BYTES:
        cursor.skip(message_id)
        return
    cursor.size_bytes += size
    if gap := cursor.take(message_id):
        frame = wire.with_gap(frame, gap)
    replies.append((cursor.peer, frame))


def _refusals(awaiting_commit: list[Put], text: str) -> Replies:
    """Return errors for refused puts: one for each `ack`, else one for each peer."""
    replies: Replies = []
    answered: set[ConnectedPeer] = set()
    for put in awaiting_commit:
        put.topic.refused += 1
        peer, request = put.peer, put.request
        if peer.greeted and (request.ack is not None or peer not in answered):
            answered.add(peer)
            replies.append(error(peer, request, text))
    return replies


def _empty_answer(peer: ConnectedPeer) -> bytes:
    return wire.encode_frame(b'{"message":"","empty":true}' if peer.greeted else b'{"message": ""}')
