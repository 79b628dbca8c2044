"""The broker's brain: requests in, replies out. No I/O, no clock: `now` is an argument.

A topic is a log and a reader is a cursor in it. A put appends to the log and goes at once to
every cursor that stands at its end. A cursor that does not (its peer's socket is full) costs
nothing: `catch_up` reads on from the log when the peer can take more. There is no queue per
subscriber anywhere.

The shell around it (broker.py) calls, with one monotonic clock as `now`:

- `connect`, `disconnect`: a peer came, went;
- `handle`: a request came; the replies are for whoever is named in them;
- `commit`: the replies are on their way, write to the store (and take the acknowledgements);
- `pause`, `resume`, `catch_up`: a peer's socket is full, has room again;
- `tick`: a second has passed; `publish_graph`: soon after `graph_changed` is up.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import statistics, wire
from dsmq_nodes.dsmq.store import Log, Store
from dsmq_nodes.errors import StoreFullError, WireError

if TYPE_CHECKING:
    from collections.abc import Callable

GRAPH_TOPIC: Final = "/dsmq/graph"
STATISTICS_TOPIC: Final = "/dsmq/statistics"
_OWN_TOPICS: Final = frozenset({GRAPH_TOPIC, STATISTICS_TOPIC})
_OWN_TOPIC_FAULT: Final = "this topic is written by the broker itself"
_WITHOUT_TOPIC: Final = frozenset({"hello", "state"})
_CATCH_UP_BYTES: Final = 128 * 1024


@dataclass(eq=False, slots=True)
class Peer:
    """One connection, as the router sees it."""

    address: str
    local: bool = True
    connected_seq: int = 0
    connected_at_sec: float = 0.0
    greeted: bool = False
    blocked: bool = False
    closing: str = ""
    name: str = ""
    name_json: bytes = b'""'
    pid: int = 0
    host: str = ""
    state: str = "starting"
    gets: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, "Cursor"] = field(default_factory=dict)
    publications: dict[str, "Publication"] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class Topic:
    """A log, who writes it, who reads it, and what has gone through."""

    log: Log
    name_json: bytes
    cursors: list["Cursor"] = field(default_factory=list)
    publications: list["Publication"] = field(default_factory=list)
    messages: int = 0
    size_bytes: int = 0
    refused: int = 0
    rate: statistics.Rate = field(default_factory=statistics.Rate)


@dataclass(eq=False, slots=True)
class Cursor:
    """A reader's place in a topic: it has been sent, or has skipped, every id up to `after`."""

    peer: Peer
    topic: Topic
    after: int
    depth: int = 0
    type: str = ""
    gap: int = 0  # skipped since the last push, to be told with the next
    delivered: int = 0
    dropped: int = 0


@dataclass(eq=False, slots=True)
class Publication:
    """A peer's word that it publishes a topic."""

    peer: Peer
    topic: Topic
    type: str = ""
    latched: int = 0


@dataclass(slots=True)
class _Put:
    """A put that waits for the store: for its fan-out or its acknowledgement."""

    peer: Peer
    topic: Topic
    request: wire.Request
    message_id: int
    frame: bytes


Replies = list[tuple[Peer, bytes]]


class Router:
    """All topics and peers of one broker."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.topics: dict[str, Topic] = {}
        self.peers: dict[Peer, None] = {}  # a set that keeps its order
        self.graph_changed = True
        self._names: dict[str, Peer] = {}
        self._held: list[_Put] = []
        self._broker = Peer("broker", name="dsmq", name_json=b'"dsmq"', greeted=True)
        self._actions: dict[str, Callable[[Peer, wire.Request, float], Replies]] = {
            "put": self._put,
            "get": self._get,
            "hello": self._hello,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "advertise": self._advertise,
            "unadvertise": self._unadvertise,
            "state": self._state,
        }
        for name in (GRAPH_TOPIC, STATISTICS_TOPIC):
            self.store.set_latched(self._topic(name).log, 1)

    def connect(self, peer: Peer, now: float) -> None:
        """A connection was accepted: what is put from here on is for its eyes."""
        peer.connected_seq = self.store.last_seq
        peer.connected_at_sec = now
        self.peers[peer] = None

    def disconnect(self, peer: Peer) -> None:
        """A connection has ended; everything it held is let go."""
        self.peers.pop(peer, None)
        for cursor in peer.cursors.values():
            cursor.topic.cursors.remove(cursor)
        for publication in peer.publications.values():
            publication.topic.publications.remove(publication)
        peer.cursors.clear()
        peer.publications.clear()
        if self._names.get(peer.name) is peer:
            del self._names[peer.name]
        self.graph_changed = self.graph_changed or peer.greeted

    def handle(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        """Carry out one request.

        Raises:
            WireError: when what was asked ends this connection.
        """
        action = self._actions.get(request.action)
        if action is None or not (peer.greeted or request.action in {"put", "get", "hello"}):
            if not peer.greeted:
                return []  # 0.7.0 prints a line and answers nothing
            return [_error(peer, request, f"there is no action {request.action[:40]!r}")]
        if request.topic not in self.topics and request.action not in _WITHOUT_TOPIC:
            fault = wire.topic_fault(request.topic)
            if fault and not peer.greeted:
                raise WireError(fault)
            if fault:
                return [_error(peer, request, fault)]
        if request.action == "put" or not self.store.uncommitted:
            return action(peer, request, now)
        return [*self.commit(), *action(peer, request, now)]  # what was put can be read now

    def commit(self) -> Replies:
        """Write what was put to the store.

        With a store in memory the messages are on their way already, and this gives the
        acknowledgements. With a durable one nothing has left yet: a subscriber never sees what a
        crash could take back, nor what a full disk refuses.
        """
        held, self._held = self._held, []
        replies: Replies = []
        try:
            self.store.commit()
        except StoreFullError as error:
            for put in held:
                put.topic.refused += 1
                if put.peer.greeted:
                    replies.append(_error(put.peer, put.request, str(error)))
            return replies
        for put in held:
            if self.store.durable:
                replies += self._fan_out(put.topic, put.message_id, put.frame)
            if put.request.ack is not None:
                ack = {"event": "ack", "ack": put.request.ack, "id": put.message_id}
                replies.append((put.peer, wire.encode_object(ack)))
        return replies

    def pause(self, peer: Peer) -> None:
        """The peer's socket is full: nothing more is pushed to it until `resume`."""
        peer.blocked = True

    def resume(self, peer: Peer) -> None:
        """The peer's socket has room again; call `catch_up` until it gives nothing."""
        peer.blocked = False

    def catch_up(self, peer: Peer) -> Replies:
        """A batch of what the peer's cursors lag behind; empty when they are at the end."""
        replies = self.commit() if self.store.uncommitted else []
        if not peer.blocked:
            for cursor in peer.cursors.values():
                if cursor.after < cursor.topic.log.last_id:
                    replies += self._read_on(cursor)
        return replies

    def tick(self, now: float) -> Replies:
        """Once a second: expire messages, publish statistics if anybody listens."""
        replies = self.commit()
        self.store.expire(now)
        for topic in self.topics.values():
            topic.rate.update(topic.messages, topic.size_bytes, now)
        if self.topics[STATISTICS_TOPIC].cursors:
            replies += self._publish(STATISTICS_TOPIC, statistics.statistics(self, now), now)
        return replies

    def publish_graph(self, now: float) -> Replies:
        """Put the graph as it is now on its topic."""
        self.graph_changed = False
        return self._publish(GRAPH_TOPIC, statistics.graph(self), now)

    def _publish(self, name: str, text: bytes, now: float) -> Replies:
        message = wire.encode_text(text.decode())
        request = wire.Request("put", name)
        return self._append(self._broker, self.topics[name], request, message, now)

    def _topic(self, name: str) -> Topic:
        topic = self.topics.get(name)
        if topic is None:
            topic = Topic(self.store.log(name), wire.encode_text(name))
            self.topics[name] = topic
        return topic

    def _put(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        message = bytes(request.message)
        if not message.startswith(b'"'):
            if peer.greeted:
                return [_error(peer, request, "a message must be text")]
            message = wire.as_original_text(message)
        topic = self.topics.get(request.topic) or self._topic(request.topic)
        if topic.log.name in _OWN_TOPICS:
            return [_error(peer, request, _OWN_TOPIC_FAULT)] if peer.greeted else []
        return self._append(peer, topic, request, message, now)

    def _append(
        self, peer: Peer, topic: Topic, request: wire.Request, message: bytes, now: float
    ) -> Replies:
        log = topic.log
        frame = wire.encode_push(topic.name_json, log.last_id + 1, peer.name_json, request, message)
        message_id = self.store.append(log, frame, now)
        durable = self.store.durable
        if durable or request.ack is not None:
            self._held.append(_Put(peer, topic, request, message_id, frame))
        return [] if durable else self._fan_out(topic, message_id, frame)

    def _fan_out(self, topic: Topic, message_id: int, frame: bytes) -> Replies:
        topic.messages += 1
        topic.size_bytes += len(frame)
        replies: Replies = []
        for cursor in topic.cursors:
            if cursor.after == message_id - 1 and not cursor.peer.blocked:
                self._push(cursor, message_id, frame, replies)
        return replies

    def _push(self, cursor: Cursor, message_id: int, frame: bytes, replies: Replies) -> None:
        cursor.after = message_id
        if not wire.fits(frame):
            cursor.gap += 1
            cursor.dropped += 1
            return
        cursor.delivered += 1
        if cursor.gap:
            frame = wire.with_gap(frame, cursor.gap)
            cursor.gap = 0
        replies.append((cursor.peer, frame))

    def _read_on(self, cursor: Cursor) -> Replies:
        log = cursor.topic.log
        start = max(cursor.after, log.first_id - 1)
        if cursor.depth:
            start = max(start, log.last_id - cursor.depth)
        cursor.gap += start - cursor.after
        cursor.dropped += start - cursor.after
        cursor.after = start
        replies: Replies = []
        for message_id, frame in self.store.read(log, start, limit_bytes=_CATCH_UP_BYTES):
            self._push(cursor, message_id, frame, replies)
        return replies

    def _get(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        topic = self.topics.get(request.topic)
        if topic is None:
            return [(peer, _nothing(peer))]
        log = topic.log
        after = peer.gets.get(request.topic)
        if after is None:
            after = self.store.last_id_at(log, peer.connected_seq)
        start = max(after, log.first_id - 1)
        if request.latest:
            start = max(start, log.last_id - 1)
        rows = self.store.read(log, start, limit=1)
        if not rows:
            peer.gets[request.topic] = start
            return [(peer, _nothing(peer))]
        message_id, frame = rows[0]
        peer.gets[request.topic] = message_id
        message = wire.carried_message(frame)
        if not peer.greeted:
            return [(peer, wire.encode_frame(b'{"message": %b}' % message))]
        skipped = 0 if request.latest else start - after
        body = b'{"message":%b,"id":%d,"gap":%d}' % (message, message_id, skipped)
        return [(peer, wire.encode_frame(body))]

    def _hello(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        holder = self._names.get(request.node)
        if holder is not None and holder is not peer:
            peer.closing = (
                f"node name {request.node!r} is taken by pid {holder.pid} on {holder.host}: "
                "stop that node or give this one another name"
            )
            return [_error(peer, request, peer.closing)]
        peer.greeted = True
        peer.name, peer.pid, peer.host = request.node, request.pid, request.host
        peer.name_json = wire.encode_text(peer.name)
        if peer.name:
            self._names[peer.name] = peer
        self.graph_changed = True
        answer = {"event": "hello", "version": wire.VERSION, "epoch": self.store.epoch}
        return [(peer, wire.encode_object(answer))]

    def _subscribe(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        topic = self._topic(request.topic)
        log = topic.log
        published: Replies = []
        if log.name == GRAPH_TOPIC and self.graph_changed:
            published = self.publish_graph(now)
        cursor = peer.cursors.get(request.topic)
        if cursor is None:
            cursor = Cursor(peer, topic, max(log.first_id - 1, log.last_id - log.latched))
            peer.cursors[request.topic] = cursor
            topic.cursors.append(cursor)
            self.graph_changed = True
        cursor.depth, cursor.type = max(request.depth, 0), request.type
        if request.after is not None:
            # Of another epoch this reader has seen nothing: all there is is new to it.
            same = request.epoch == self.store.epoch
            cursor.after = min(max(request.after, 0), log.last_id) if same else 0
        published += self.commit()
        answer = {"event": "subscribed", "topic": log.name, "id": log.last_id}
        return [*published, (peer, wire.encode_object(answer)), *self.catch_up(peer)]

    def _unsubscribe(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        cursor = peer.cursors.pop(request.topic, None)
        if cursor is not None:
            cursor.topic.cursors.remove(cursor)
            self.graph_changed = True
        return []

    def _advertise(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        if request.topic in _OWN_TOPICS:
            return [_error(peer, request, _OWN_TOPIC_FAULT)]
        topic = self._topic(request.topic)
        publication = peer.publications.get(request.topic)
        if publication is None:
            publication = Publication(peer, topic)
            peer.publications[request.topic] = publication
            topic.publications.append(publication)
        publication.type, publication.latched = request.type, max(request.latched, 0)
        self.store.set_latched(topic.log, publication.latched)
        self.graph_changed = True
        return [(peer, wire.encode_object({"event": "advertised", "topic": topic.log.name}))]

    def _unadvertise(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        publication = peer.publications.pop(request.topic, None)
        if publication is not None:
            publication.topic.publications.remove(publication)
            self.graph_changed = True
        return []

    def _state(self, peer: Peer, request: wire.Request, now: float) -> Replies:
        peer.state = request.state[:40]
        self.graph_changed = True
        return []


def _nothing(peer: Peer) -> bytes:
    return wire.encode_frame(b'{"message":"","empty":true}' if peer.greeted else b'{"message": ""}')


def _error(peer: Peer, request: wire.Request, text: str) -> tuple[Peer, bytes]:
    fields: dict[str, object] = {
        "event": "error",
        "error": text,
        "action": request.action,
        "topic": request.topic,
    }
    return peer, wire.encode_object(fields)
