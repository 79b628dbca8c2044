"""Topics whose log lies in shared memory: local nodes write and read it, the broker follows.

A topic is *shared* once a local node that may share memory advertises it. From then on its writers
give the ids, in the ring (ring.py). The broker takes the messages from there in batches, for `get`,
for readers on other machines, for bags and for the statistics. A put over a socket is appended to
the ring first, so that the topic has one order.

A cursor of a peer that shares memory is *seated* once it has caught up. The broker then sends the
ring's path and the id after which to read, and pushes nothing more. All earlier pushes are ahead of
that message on the socket, so nothing is lost or repeated.

Large messages stay in the ring while no reader needs them from the broker. Each has a blank row in
the store, which is filled when a reader comes to it, or when the ring is about to be closed. A
message that its writers have overwritten by then is gone, as if it had expired, and its readers are
told about the gap. A ring has room for ten messages at least, and for more where a reader is deeper
or lags. Latched topics are followed at once.

A ring is closed when memory is scarce or its file is damaged. All its peers get a notice, and the
topic goes through the broker from then on, beginning with what the broker had followed.

Topics of a store in a file are not shared: their readers see nothing that a crash could take back.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import MAX_BODY_BYTES
from dsmq_nodes.dsmq.router.exchange import CATCH_UP_BYTES, Exchange, Replies, error
from dsmq_nodes.dsmq.router.meters import NOT_KNOWN
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Put, SharedLog, Topic, TopicReader
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import OverwrittenError, RingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsmq_nodes.dsmq.ring.record import RingRecord

_MOST_MESSAGE_BYTES: Final = MAX_BODY_BYTES - 64  # with an id and a gap it answers a `get`
_MOST_LEFT_BYTES: Final = MAX_BODY_BYTES // 4 * 3 - 4096  # in a frame bytes are base64
_SAVED_SHARE: Final = 4  # a quarter of the store's budget is saved when a ring goes
_NOT_TAKEN: Final = "the topic's shared memory is held by a process that does not go on"


class SharedExchange(Exchange):
    """An exchange with topics in shared memory."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.make_ring: Callable[[int], SharedLog] | None = None  # set by the broker
        self.on_reader: Callable[[], None] = lambda: (
            None
        )  # likewise; called when a peer begins to wait
        self.shared: dict[str, Topic] = {}
        self.maybe_unused: list[Topic] = []  # by a peer that may have been the last to share it

    def follow(self, topic: Topic, now: float) -> Replies:
        """Move a batch of messages from a shared topic's ring to its log."""
        replies: Replies = []
        if topic.ring is None:
            return replies
        log = topic.log
        at_once = topic.is_read_here or log.latched > 0
        try:
            records = topic.ring.read(looks_inside=at_once)
        except RingError as fault:
            return self._unshare(topic, str(fault))
        for record in records:
            if record.id != log.last_id + 1:
                replies += self._pass_over(topic, record.id)
            _count_for_sender(topic, record.sender)
            if record.loan is not None and not at_once and record.size_bytes < _MOST_LEFT_BYTES:
                self._keep_in_ring(topic, record, now)
            elif frame := _frame(topic, record):
                self.store.append(log, frame, now)
                # Only the time of this poll is known, not that of the write: it gives no latency.
                replies += self._fan_out(topic, record.id, frame, NOT_KNOWN)
        return replies

    def _pass_over(self, topic: Topic, message_id: int) -> Replies:
        """The broker was overtaken: the log and the readers at its end continue at an id."""
        replies = self.commit()  # acknowledgements of messages before the gap are among them
        end_id = topic.log.last_id
        missed = message_id - end_id - 1
        topic.missed += missed
        self.store.skip(topic.log, message_id)
        for cursor in topic.cursors:
            if cursor.seat is None and cursor.after == end_id:
                cursor.skip(message_id - 1)
        return replies

    def _keep_in_ring(self, topic: Topic, record: "RingRecord", now: float) -> None:
        """Count a message that stays in the ring."""
        topic.messages += 1
        # As a frame would be, where bytes are base64.
        topic.size_bytes += len(record.data) + (record.size_bytes - len(record.data)) * 4 // 3
        topic.last_placeholder_id = self.store.append(topic.log, None, now)

    def _fetch(self, topic: Topic, after: int, most: int = 1000) -> None:
        if after < topic.last_placeholder_id:
            self._take(topic, after, most, CATCH_UP_BYTES)

    def _take(self, topic: Topic, after: int, most: int, most_bytes: int) -> None:
        """Fill the blank rows of the log from the ring, from an id on."""
        for message_id in self._placeholders(topic, after)[:most]:
            record = topic.ring.find(message_id) if topic.ring is not None else None
            if record is None or not (frame := _frame(topic, record)):
                self.store.forget_before(topic.log, message_id + 1)
                continue
            self.store.fill(topic.log, message_id, frame)
            most_bytes -= len(frame)
            if most_bytes <= 0:
                break

    def _placeholders(self, topic: Topic, after: int) -> list[int]:
        """The ids of blank rows after `after`; rows whose messages are overwritten are dropped."""
        ring, log = topic.ring, topic.log
        blanks = self.store.blanks(log, after, topic.last_placeholder_id)
        gone = bisect_left(
            blanks, True, key=lambda each: ring is not None and bool(ring.find(each))
        )
        if gone:
            self.store.forget_before(log, blanks[gone - 1] + 1)
        return blanks[gone:]

    def forget_overwritten(self) -> None:
        """Move the beginning of each log to that of its ring."""
        for topic in self.shared.values():
            if topic.log.first_id <= topic.last_placeholder_id:
                self._placeholders(topic, topic.log.first_id - 1)

    def _save(self, topic: Topic) -> None:
        """The ring is about to be closed: fill the newest blank rows of the log from it."""
        log, blanks = topic.log, self._placeholders(topic, topic.log.first_id - 1)
        room = self.store.budget_bytes // _SAVED_SHARE
        for message_id in reversed(blanks):
            record = topic.ring.find(message_id) if topic.ring is not None else None
            room -= record.size_bytes if record is not None else room + 1
            if room < 0:
                self.store.forget_before(log, message_id + 1)
                break
        self._take(topic, log.first_id - 1, len(blanks), self.store.budget_bytes)
        topic.last_placeholder_id = 0

    def follow_to_the_end(self, topic: Topic, now: float) -> Replies:
        """Move all messages from a shared topic's ring to its log."""
        replies: Replies = []
        while topic.ring is not None and topic.ring.has_more():
            before = topic.log.last_id
            replies += self.follow(topic, now)
            if topic.log.last_id == before:
                break  # its writers are faster
        return replies

    def open_ring(self, topic: Topic) -> str:
        """Share a topic; returns the path of its ring, or an empty text."""
        if topic.ring is None and self.make_ring is not None and not self.store.durable:
            try:
                topic.ring = self.make_ring(topic.log.last_id)
            except RingError:
                return ""
            self.shared[topic.log.name] = topic
        return topic.ring.path if topic.ring is not None else ""

    def seat_readers(self, topic: Topic) -> Replies:
        """Seat the readers that subscribed a topic before it was shared."""
        return [reply for cursor in topic.cursors for reply in self._seat(cursor)]

    def catch_up(self, peer: ConnectedPeer, now: float) -> Replies:
        """The next batch for the peer's cursors; one that has caught up is seated."""
        replies = super().catch_up(peer, now)
        if self.shared and peer.number:
            for cursor in peer.cursors.values():
                replies += self._seat(cursor)
        return replies

    def _seat(self, cursor: TopicReader) -> Replies:
        topic, peer = cursor.topic, cursor.peer
        ring = topic.ring
        if ring is None or not peer.number or cursor.seat is not None or cursor.pattern:
            return []
        if cursor.after < topic.log.last_id or cursor.gap or not cursor.shares:
            return []
        try:
            cursor.seat = ring.seat(peer.number, after=cursor.after, depth=cursor.depth)
        except RingError:
            return []  # too many readers: this one is pushed to
        cursor.dropped_in_ring = 0
        fields = {
            "event": "ring",
            "topic": topic.log.name,
            "ring": ring.path,
            "seat": cursor.seat,
            "id": cursor.after,
        }
        return [(peer, wire.encode_object(fields))]

    def unseat(self, cursor: TopicReader) -> None:
        """The cursor's peer has stopped reading the ring."""
        self.mark_maybe_unused(cursor.topic)
        if cursor.seat is not None and cursor.topic.ring is not None:
            self.look_at_seat(cursor)
            cursor.topic.ring.unseat(cursor.seat)
            cursor.seat = None

    def look_at_seat(self, cursor: TopicReader) -> None:
        """Copy a seated reader's numbers from the ring to its cursor."""
        topic = cursor.topic
        if cursor.seat is None or topic.ring is None:
            return
        after, dropped = topic.ring.reader_state(cursor.seat)
        gone = dropped - cursor.dropped_in_ring
        delivered = cursor.advance(min(after, topic.log.last_id), gone)
        if delivered >= 0:  # else it is ahead of us, or another process has written there
            cursor.dropped_in_ring = dropped
            cursor.size_bytes += delivered * (topic.size_bytes // max(topic.messages, 1))

    def mark_maybe_unused(self, topic: Topic) -> None:
        """A peer has left a topic; it may have been the last to share it."""
        if topic.ring is not None and topic not in self.maybe_unused:
            self.maybe_unused.append(topic)

    def close_unused_rings(self, now: float) -> Replies:
        """Stop sharing topics that one peer has; wake other readers: a writer may have died."""
        maybe_unused, self.maybe_unused = self.maybe_unused, []
        return [reply for topic in maybe_unused for reply in self._close_if_unused(topic, now)]

    def stop_sharing(self) -> None:
        """The broker ends."""
        for topic in self.shared.values():
            if topic.ring is not None:
                topic.ring.close()
            topic.ring = None
        self.shared.clear()

    def _close_if_unused(self, topic: Topic, now: float) -> Replies:
        if topic.ring is None:
            return []
        if any(each.shares for each in topic.publications) or any(
            each.seat is not None for each in topic.cursors
        ):
            topic.ring.wake_all()
            return []
        replies = [*self.follow_to_the_end(topic, now), *self.commit()]
        self._close(topic)
        return replies

    def _close(self, topic: Topic, why: str = "") -> None:
        self._save(topic)
        if topic.ring is not None:
            topic.ring.close(why)
        topic.ring = None
        self.shared.pop(topic.log.name, None)

    def _unshare(self, topic: Topic, why: str) -> Replies:
        """Close a topic's ring and tell its peers: it goes through the broker from now on."""
        if topic.ring is None:
            return []
        topic.ring.shut()
        replies = self.commit()
        name, last_id = topic.log.name, topic.log.last_id
        told = wire.encode_object({"event": "unshared", "topic": name, "id": last_id})
        readers = [each.peer for each in topic.cursors if each.peer.unshares]  # some have left it
        replies += [(peer, told) for peer in dict.fromkeys(_sharers(topic) + readers)]
        for publication in topic.publications:
            publication.shares = False
        for cursor in topic.cursors:
            self.unseat(cursor)
        self._close(topic, f"{name}: {why}")
        return replies

    def _subscribe(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        cursor = peer.cursors.get(request.topic)
        if cursor is not None:
            self.unseat(cursor)
            cursor.shares = request.shm
        replies = super()._subscribe(peer, request, now)
        cursor = peer.cursors.get(request.topic)
        if cursor is not None and request.shm:
            cursor.shares = True
            replies += self._seat(cursor)
        if cursor is None or cursor.seat is None:
            self.on_reader()
        return replies

    def _unsubscribe(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if (cursor := peer.cursors.get(request.topic)) is not None:
            self.unseat(cursor)
        return super()._unsubscribe(peer, request, now)

    def _nothing_yet(
        self, peer: ConnectedPeer, topic: Topic, request: wire.Request, now: float
    ) -> Replies:
        if topic.ring is not None and request.wait > 0:
            self.on_reader()
        return super()._nothing_yet(peer, topic, request, now)

    def _append(
        self, peer: ConnectedPeer, topic: Topic, request: wire.Request, message: bytes, now: float
    ) -> Replies:
        if topic.ring is None:
            return super()._append(peer, topic, request, message, now)
        text = wire.decode_text(message).encode()
        message_id, fault = 0, _NOT_TAKEN
        try:
            message_id = topic.ring.append(peer.name, text, request.seq, request.stamp)
        except RingError as of_no_use:
            fault = str(of_no_use)
            if all(each.unshares for each in _sharers(topic)):
                topic.ring.shut()
                replies = [*self.follow_to_the_end(topic, now), *self._unshare(topic, fault)]
                return replies + super()._append(peer, topic, request, message, now)
        if not message_id:
            topic.refused += 1
            return [error(peer, request, fault)] if peer.greeted else []
        replies = self.follow_to_the_end(topic, now)
        if request.ack is not None:
            self._held.append(Put(peer, topic, request, message_id, b"", NOT_KNOWN))
        return replies


def _count_for_sender(topic: Topic, sender: str) -> None:
    for publication in topic.publications:
        if publication.peer.name == sender:
            publication.messages += 1


def _sharers(topic: Topic) -> list[ConnectedPeer]:
    """The peers that write or read a topic's ring."""
    writers = [each.peer for each in topic.publications if each.shares]
    readers = [each.peer for each in topic.cursors if each.seat is not None]
    return list(dict.fromkeys(writers + readers))


def _frame(topic: Topic, record: "RingRecord") -> bytes:
    """A record as a push; empty when it is overwritten, or too large for a frame."""
    sender = wire.encode_text(record.sender)
    try:
        message = wire.encode_text(record.text)
    except OverwrittenError:
        return b""
    if len(message) > _MOST_MESSAGE_BYTES:
        return b""
    return wire.encode_push(topic.name_json, record.id, sender, record, message, at_ns=record.at)
