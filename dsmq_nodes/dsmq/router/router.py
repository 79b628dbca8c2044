"""The broker's decisions: requests in, replies out. No I/O, no clock: `now` is an argument.

exchange.py moves messages; this file has the peers, what they may do, and the graph.

The broker (broker/loop.py) calls, with one monotonic clock as `now`:

- `connect`, `disconnect`: a peer has connected, or its connection has ended;
- `handle`: a request has come; each reply names the peer it goes to;
- `commit`: the replies are sent; write to the store, and take the acknowledgements;
- `pause`, `resume`, `catch_up`: a peer's socket is full, or has room again; `catch_up` also at
  intervals for a peer that is `patient`;
- `tick`: once a second; `publish_graph`: soon after `graph_changed` was set;
- `answer_waits`: at `next_wait_sec`, when a waiting `get` times out.
"""

import heapq
import hmac
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.limits import (
    MAX_TOPIC_BYTES,
    MOST_ENDS,
    MOST_LATCHED,
    MOST_TOPICS,
    MOST_TOPICS_OF_ONE,
    TYPES_KEPT,
)
from dsmq_nodes.dsmq.original import as_original_text
from dsmq_nodes.dsmq.router import report
from dsmq_nodes.dsmq.router.exchange import ENDS_FAULT, Replies, error
from dsmq_nodes.dsmq.router.sharing import SharedExchange
from dsmq_nodes.dsmq.router.topics import (
    Advertisement,
    ConnectedPeer,
    Topic,
    TopicReader,
    places_to_give,
)
from dsmq_nodes.dsmq.router.types import Schemas, forget_pairs, set_fault
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError, WireError
from dsmq_nodes.topic_names import BROKERS_TOPICS, GRAPH_TOPIC, STATISTICS_TOPIC, TYPES_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN_TOPIC_FAULT: Final = "this topic is written by the broker itself"
_TOKEN_FAULT: Final = "this broker wants a token: the first request has to be a hello"
_OTHER_USER_FAULT: Final = "another user of this machine needs a token: set DSMQ_TOKEN for all"
_WITHOUT_TOPIC: Final = frozenset({"hello", "state", "shutdown", "unsubscribe"})
_MAKING: Final = frozenset({"put", "subscribe", "advertise"})
_PLACES_AT_ONCE: Final = 100
_PLACES_TAKEN_AT_ONCE: Final = 10  # from one peer
_BEFORE_HELLO: Final = frozenset({"put", "get", "hello"})
_SHORTEST_SPAN_SEC: Final = 0.5  # of a rate
_NOBODY: Final = MOST_TOPICS + 1


class Router(SharedExchange):
    """All topics and peers of one broker."""

    def __init__(self, store: Store, token: str = "") -> None:
        """Route through a store; with a token, untrusted peers have to send it."""
        super().__init__(store)
        self.shutdown_asked = ""
        self._token = token
        self.memory_path = ""  # the directory in which rings are made
        self._last_number = 1  # our own number among the processes with a bell
        self._names: dict[str, ConnectedPeer] = {}
        self._broker = ConnectedPeer("broker", name="dsmq", name_json=b'"dsmq"', greeted=True)
        self._actions: dict[str, Callable[[ConnectedPeer, wire.Request, float], Replies]] = {
            "put": self._put,
            "get": self._get,
            "hello": self._hello,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "advertise": self._advertise,
            "unadvertise": self._unadvertise,
            "state": self._state,
            "fault": self._fault,
            "shutdown": self._shutdown,
        }
        for name in store.logs:
            self._topic(name)
        self._schemas = Schemas()
        for name, kept in ((GRAPH_TOPIC, 1), (STATISTICS_TOPIC, 1), (TYPES_TOPIC, TYPES_KEPT)):
            self.store.set_latched(self._topic(name).log, kept)
        self._listeners = self.topics[STATISTICS_TOPIC].cursors
        self._statistics_at_sec = 0.0
        self._began_sec: float | None = None
        self._full_for = _NOBODY  # peers that made as many topics cannot displace others

    def connect(self, peer: ConnectedPeer, now: float) -> None:
        """A connection was accepted: the peer sees every put from here on."""
        self._begin(now)
        peer.connected_seq = self.store.last_seq
        peer.connected_at_sec = now
        self.peers[peer] = None

    def _begin(self, now: float) -> float:
        """When the broker began: the first `now` it was given."""
        self._began_sec = now if self._began_sec is None else self._began_sec
        return self._began_sec

    def disconnect(self, peer: ConnectedPeer) -> None:
        """A connection has ended: release everything it held."""
        self.peers.pop(peer, None)
        self._unmatched.pop(peer, None)
        for cursor in peer.cursors.values():
            self.unseat(cursor)
            cursor.topic.cursors.remove(cursor)
            forget_pairs(cursor)
        for publication in peer.publications.values():
            publication.topic.publications.remove(publication)
            forget_pairs(publication)
            self.mark_maybe_unused(publication.topic)
            self._note_owner(publication.topic)
        for wait in list(peer.waits):
            self._forget(wait)
        self._full_for = _NOBODY
        peer.cursors.clear()
        peer.publications.clear()
        self._pass_on_topics(peer)
        self._patterns.pop(peer, None)
        if self._names.get(peer.name) is peer:
            del self._names[peer.name]
        self.graph_changed = self.graph_changed or peer.greeted

    def handle(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        """Carry out one request.

        Raises:
            WireError: the request ends this connection.
        """
        name = request.action
        if not peer.trusted and name != "hello":
            peer.closing = _TOKEN_FAULT if self._token else _OTHER_USER_FAULT
            return [error(peer, request, peer.closing)]
        if not peer.greeted and name not in _BEFORE_HELLO:
            return []  # 0.7.0 prints a line and does not answer
        replies: Replies = []
        if len(self.topics) >= MOST_TOPICS and self._makes_topic(request):
            replies += self._make_room(peer)
        if fault := self._refusal(peer, request):
            return [*replies, error(peer, request, fault)]
        if name != "put":  # the answer may depend on earlier puts
            if request.topic in self.shared:
                replies += self.follow_to_the_end(self.shared[request.topic], now)
            if self.store.uncommitted:
                replies += self.commit()
        return [*replies, *self._actions[name](peer, request, now)]

    def _refusal(self, peer: ConnectedPeer, request: wire.Request) -> str:
        if request.action not in self._actions:
            return f"there is no action {request.action[:40]!r}"
        if request.schema and (fault := self._schemas.fault(request)):
            return fault
        is_full = self._ends >= MOST_ENDS and self._has_its_share(peer)
        if is_full and self._is_another_end(peer, request):
            return ENDS_FAULT % (request.topic[:MAX_TOPIC_BYTES],)
        if request.topic in self.topics or request.action in _WITHOUT_TOPIC:
            return ""
        fault = self._topic_fault(peer, request)
        if fault and not peer.greeted:
            raise WireError(fault)
        return fault

    def _is_another_end(self, peer: ConnectedPeer, request: wire.Request) -> bool:
        """Whether this request gives a peer one more reader or publisher."""
        if request.action == "subscribe":
            return request.topic not in peer.cursors
        return request.action == "advertise" and request.topic not in peer.publications

    def _topic_fault(self, peer: ConnectedPeer, request: wire.Request) -> str:
        fault = wire.topic_fault(request.topic)
        if fault or not self._makes_topic(request):
            return fault
        if len(self.topics) >= MOST_TOPICS:
            return f"there are {MOST_TOPICS} topics already: {request.topic!r} is one too many"
        if peer.made >= MOST_TOPICS_OF_ONE:
            return f"a peer makes {MOST_TOPICS_OF_ONE} topics at most: {request.topic!r} is another"
        return ""

    def _makes_topic(self, request: wire.Request) -> bool:
        """Whether this request would make a new topic."""
        if request.topic in self.topics or request.pattern:
            return False
        return request.action in _MAKING or (request.action == "get" and request.wait > 0)

    def _make_room(self, newcomer: ConnectedPeer) -> Replies:
        """Free the places of unused topics, those with the oldest messages first.

        When all are in use, the peer that has most loses some to a peer that has fewer.
        """
        if newcomer.made >= self._full_for:
            return []
        replies = self.commit() if self.store.uncommitted else []
        abandoned = [topic for topic in self.topics.values() if topic.is_abandoned]
        given = heapq.nsmallest(_PLACES_AT_ONCE, abandoned, key=lambda topic: topic.log.last_seq)
        given = given or places_to_give(self.topics.values(), newcomer, _PLACES_TAKEN_AT_ONCE)
        if not given:
            self._full_for = newcomer.made  # until a place is freed
        for topic in given:
            replies += self._take_away(topic)
        self._forget_topics(given)
        return replies

    def _take_away(self, topic: Topic) -> Replies:
        """Remove a topic; the peers that had it get an error."""
        name = topic.log.name
        fault = f"there are {MOST_TOPICS} topics, of which this peer has most: {name!r} had to go"
        told = {peer: wire.Request("advertise", name) for peer in topic.holders()}
        for wait in list(topic.waits):
            self._forget(wait)
        for publication in topic.publications:
            forget_pairs(publication)
            del publication.peer.publications[name]
        for cursor in topic.cursors:
            forget_pairs(cursor)
            del cursor.peer.cursors[name]
        return [error(peer, request, fault) for peer, request in told.items()]

    def _pass_on_topics(self, peer: ConnectedPeer) -> None:
        """Charge the topics of a peer that has gone to the peers that still have them."""
        for topic in self.topics.values() if peer.made else ():
            if topic.maker is peer and (heir := next(topic.holders(), None)) is not None:
                topic.maker = heir
                heir.made += 1
                peer.made -= 1

    def refuse(self, peer: ConnectedPeer, fault: RequestError) -> Replies:
        """Answer a request that could not be decoded.

        Raises:
            WireError: the peer has not said hello: its connection is ended.
        """
        if fault.action == "hello":
            peer.closing = str(fault)
        elif not peer.greeted:
            raise fault
        return [error(peer, fault, str(fault))]

    def tick(self, now: float) -> Replies:
        """Once a second: expire messages, and publish statistics if they have a subscriber."""
        self._begin(now)
        replies = [*self.commit(), *self.close_unused_rings(now), *self._tell_unmatched()]
        self.count_ends()
        self.forget_overwritten()
        self.forget_deadlines()
        self.store.expire(now)
        self._forget_unused()
        if self._listeners and now - self._statistics_at_sec > _SHORTEST_SPAN_SEC:
            replies += self._publish_statistics(now)
        return replies

    def _forget_unused(self) -> None:
        """Free the places of topics without ends and without messages."""
        self._full_for = _NOBODY
        unused = [
            topic
            for topic in self.topics.values()
            if topic.log.first_id > topic.log.last_id and topic.is_abandoned
        ]
        for topic in unused:
            self._take_away(topic)
        self._forget_topics(unused)

    def _forget_topics(self, topics: list[Topic]) -> None:
        if not topics:
            return
        self.store.forget([topic.log for topic in topics])
        for topic in topics:
            del self.topics[topic.log.name]
            if topic.maker is not None:
                topic.maker.made -= 1
        self.graph_changed = True

    def _publish_statistics(self, now: float) -> Replies:
        """Publish the counters, with the rates since the last time."""
        self._statistics_at_sec = now
        report.update_rates(self.topics.values(), self.look_at_seat, now)
        text = report.statistics(self.topics.values(), self.store, now)
        return self._publish(STATISTICS_TOPIC, text, now)

    def publish_graph(self, now: float) -> Replies:
        """Publish the graph as it is now."""
        self.graph_changed = False
        text = report.graph(self.peers, self.topics.values(), self.store.epoch)
        return self._publish(GRAPH_TOPIC, text, now)

    def _publish(self, name: str, text: bytes, now: float) -> Replies:
        message = wire.encode_text(text.decode())
        request = wire.Request("put", name)
        return self._append(self._broker, self.topics[name], request, message, now)

    def _put(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        message = bytes(request.message)
        if not message.startswith(b'"'):
            if peer.greeted:
                return [error(peer, request, "a message must be text")]
            message = as_original_text(message)
        topic = self.topics.get(request.topic) or self._topic(request.topic, peer)
        if topic.log.name in BROKERS_TOPICS:
            return [error(peer, request, _OWN_TOPIC_FAULT)] if peer.greeted else []
        return self._append(peer, topic, request, message, now)

    def _hello(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        fault = self._token_fault(peer, request)
        if not fault and request.version != wire.VERSION:
            fault = f"this broker speaks version {wire.VERSION}, not {request.version}"
        if not fault and request.node:
            fault = wire.topic_fault(request.node, "node")
        if fault:
            peer.closing = fault
            return [error(peer, request, fault)]
        holder = self._names.get(request.node)
        if holder is not None and holder is not peer:
            peer.closing = (
                f"node name {request.node!r} is taken by pid {holder.pid} on {holder.host}: "
                "stop that node or give this one another name"
            )
            return [error(peer, request, peer.closing)]
        peer.greeted = peer.trusted = True
        peer.patient = peer.patient or request.patient
        if request.since is not None:  # it reconnects, and says what it has seen
            same = request.epoch == self.store.epoch
            peer.connected_seq = min(max(request.since, 0), self.store.last_seq) if same else 0
        self._take_name(peer, request)
        answer: dict[str, object] = {
            "event": "hello",
            "version": wire.VERSION,
            "epoch": self.store.epoch,
            "seq": peer.connected_seq,
            "at": int(now * 1e9),
            "age": now - self._begin(now),
        }
        if request.shm:
            answer |= self._welcome(peer)
            peer.unshares = request.unshares
        return [(peer, wire.encode_object(answer))]

    def _take_name(self, peer: ConnectedPeer, request: wire.Request) -> None:
        if self._names.get(peer.name) is peer:
            del self._names[peer.name]
        peer.name, peer.pid, peer.host = request.node, request.pid, request.host
        peer.name_json = wire.encode_text(peer.name)
        peer.client = request.client
        if peer.name:
            self._names[peer.name] = peer
        self.graph_changed = True

    def _welcome(self, peer: ConnectedPeer) -> dict[str, object]:
        """The path of the shared memory and the peer's number there, for a peer that can share."""
        if not (peer.is_neighbour and self.memory_path):
            return {}
        if not peer.number:
            self._last_number += 1
            peer.number = self._last_number
        return {"shm": self.memory_path, "number": peer.number}

    def _token_fault(self, peer: ConnectedPeer, request: wire.Request) -> str:
        if peer.trusted:
            return ""
        if not self._token:
            return _OTHER_USER_FAULT
        # Wrong tokens are not slowed down: that would delay right ones from the same address.
        if hmac.compare_digest(request.token.encode("utf-8", "replace"), self._token.encode()):
            return ""
        return "wrong token: set DSMQ_TOKEN to the broker's"

    def _advertise(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if request.topic in BROKERS_TOPICS:
            return [error(peer, request, _OWN_TOPIC_FAULT)]
        topic = self._topic(request.topic, peer)
        publication = peer.publications.get(request.topic)
        if publication is None:
            publication = Advertisement(peer, topic)
            peer.publications[request.topic] = publication
            topic.publications.append(publication)
            self._ends += 1
        publication.latched = min(request.latched, MOST_LATCHED)
        self.store.set_latched(topic.log, publication.latched)
        self._note_owner(topic)
        answer = {"event": "advertised", "topic": topic.log.name}
        replies = self._typed(publication, request, now)
        if request.shm and peer.number and (path := self.open_ring(topic)):
            publication.shares = True
            answer["ring"] = path
            replies += self.seat_readers(topic)
        return [(peer, wire.encode_object(answer)), *replies]

    def _typed(
        self, end: Advertisement | TopicReader, request: wire.Request, now: float
    ) -> Replies:
        """A publisher or reader of a topic has given its type."""
        schema, news = self._schemas.of(request)
        self.graph_changed = True
        end.type = request.type
        changed, end.schema = end.schema is not schema, schema
        replies = self._publish(TYPES_TOPIC, news, now) if news else []
        return [*replies, *self._schemas.meet(end)] if changed else replies

    def _unadvertise(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        publication = peer.publications.pop(request.topic, None)
        if publication is not None:
            publication.topic.publications.remove(publication)
            forget_pairs(publication)
            self.mark_maybe_unused(publication.topic)
            self._note_owner(publication.topic)
            self._full_for = _NOBODY
            self.graph_changed = True
        return []

    def _note_owner(self, topic: Topic) -> None:
        """Tell the store whose publishers the latched messages have."""
        topic.log.owner = next((each.peer for each in topic.publications if each.latched), None)

    def _state(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        peer.state = request.state
        self.graph_changed = True
        return []

    def _fault(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if set_fault(self.topics.get(request.topic), peer, request):
            self.graph_changed = True
        return []

    def _subscribe(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        replies: Replies = []  # the latched statistics may be old: they had no subscriber
        if request.topic == GRAPH_TOPIC and self.graph_changed:
            replies = [*self.publish_graph(now), *self.commit()]
        if request.topic == STATISTICS_TOPIC and not self._listeners:
            replies = [*self._publish_statistics(now), *self.commit()]
        replies += super()._subscribe(peer, request, now)
        cursor = peer.cursors.get(request.topic)
        if cursor is not None and not request.pattern:
            replies += self._typed(cursor, request, now)
        return replies

    def _shutdown(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if not peer.local and not self._token:
            return [error(peer, request, "a broker is shut down from its own machine")]
        self.shutdown_asked = peer.name or peer.address
        return []
