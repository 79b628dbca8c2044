"""The broker's decisions: requests in, replies out. No I/O, no clock: `now` is an argument.

The router is composed of four parts, and its table of actions shows where each request goes:
`TopicTable` (topics and their ends), `Exchange` (how messages move), `Sharing` (topics in shared
memory) and `Schemas` (types). report.py writes what the broker publishes about itself.

The broker (broker/loop.py) calls, with one monotonic clock as `now`:

- `connect`, `disconnect`: a peer has connected, or its connection has ended;
- `handle`: a request has come; each reply names the peer it goes to;
- `commit`: the replies are sent; write to the store, and take the acknowledgements;
- `pause`, `resume`, `catch_up`: a peer's socket is full, or has room again; `catch_up` also at
  intervals for a peer that is `patient`;
- `tick`: once a second; `publish_graph`: soon after `graph_changed` was set;
- `answer_waits`: at `exchange.waits.next_sec`, when a waiting `get` times out.
"""

import hmac
from typing import TYPE_CHECKING, Final

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.original import as_original_text
from dsmq_nodes.dsmq.router import report
from dsmq_nodes.dsmq.router.exchange import Exchange
from dsmq_nodes.dsmq.router.sharing import Sharing
from dsmq_nodes.dsmq.router.topic_table import ENDS_FAULT, TopicTable
from dsmq_nodes.dsmq.router.topics import ConnectedEnd, ConnectedPeer, Replies, error, event
from dsmq_nodes.dsmq.router.types import Schemas, set_fault
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.errors import RequestError, RingError, WireError
from dsmq_nodes.topic_names import BROKERS_TOPICS, GRAPH_TOPIC, STATISTICS_TOPIC, TYPES_TOPIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from dsmq_nodes.dsmq.ring.directory import SharedMemory

_OWN_TOPIC_FAULT: Final = "this topic is written by the broker itself"
_TOKEN_FAULT: Final = "this broker wants a token: the first request has to be a hello"
_OTHER_USER_FAULT: Final = "another user of this machine needs a token: set DSMQ_TOKEN for all"
_WITHOUT_TOPIC: Final = frozenset({"hello", "state", "shutdown", "unsubscribe"})
_BEFORE_HELLO: Final = frozenset({"put", "get", "hello"})
_SHORTEST_SPAN_SEC: Final = 0.5  # of a rate
_KEPT: Final = {GRAPH_TOPIC: 1, STATISTICS_TOPIC: 1, TYPES_TOPIC: limits.TYPES_KEPT}


class Router:
    """All topics and peers of one broker."""

    def __init__(self, store: Store, token: str = "", memory: "SharedMemory | None" = None) -> None:
        """Route through a store.

        Args:
            store: keeps the logs.
            token: the token that untrusted peers have to send; empty: none.
            memory: makes rings for peers that can share memory; None, as for a store in a file:
                the broker carries everything.
        """
        self.store = store
        self.table = table = TopicTable(store)
        self.exchange = exchange = Exchange(store, table)
        self.sharing = Sharing(exchange, memory)
        self.topics, self.peers = table.topics, table.peers
        self.commit = exchange.commit
        self.answer_waits = exchange.answer_waits
        self.pause, self.resume = exchange.pause, exchange.resume
        self.shutdown_asked = ""
        self._token = token
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
            table.topic(name)
        self._schemas = Schemas()
        for name, kept in _KEPT.items():
            store.set_latched(table.topic(name).log.stored, kept)
        exchange.listeners = self.topics[STATISTICS_TOPIC].cursors
        self._statistics_at_sec = self._began_sec = 0.0

    def connect(self, peer: ConnectedPeer, now: float) -> None:
        """Add a peer whose connection was accepted; it may `get` every put from now on."""
        self._began_sec = self._began_sec or now
        peer.connected_seq = self.store.last_seq
        self.peers[peer] = None

    def disconnect(self, peer: ConnectedPeer) -> None:
        """Remove a peer whose connection has ended, and release everything it held."""
        for cursor in peer.cursors.values():
            self.sharing.unseat(cursor)
        for publication in peer.publications.values():
            self.sharing.mark_maybe_unused(publication.topic)
        for wait in list(peer.waits):
            self.exchange.waits.forget(wait)
        self.table.disconnect(peer)
        if self._names.get(peer.name) is peer:
            del self._names[peer.name]
        self.table.graph_changed = self.table.graph_changed or peer.greeted

    def catch_up(self, peer: ConnectedPeer, now: float) -> Replies:
        """Return the next batch for a peer's cursors; a cursor that has caught up is seated."""
        replies = self.exchange.catch_up(peer, now)
        if self.sharing.topics and peer.number:
            replies += self.sharing.seat_all(peer.cursors.values())
        return replies

    def handle(
        self, peer: ConnectedPeer, request: wire.Request | RequestError, now: float
    ) -> Replies:
        """Carry out one request, or answer one that could not be decoded.

        Raises:
            WireError: the request ends this connection.
        """
        if isinstance(request, RequestError):
            return self._refuse(peer, request)
        if request.action == "put" and peer.greeted and request.topic in self.topics:
            return self._put(peer, request, now)  # the usual put, which nothing can refuse
        return self._handle(peer, request, now)

    def _handle(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        name = request.action
        if not peer.trusted and name != "hello":
            peer.closing = _TOKEN_FAULT if self._token else _OTHER_USER_FAULT
            return [error(peer, request, peer.closing)]
        if not peer.greeted and name not in _BEFORE_HELLO:
            return []  # 0.7.0 prints a line and does not answer
        if not peer.greeted and name != "hello":  # 0.7.0 ignores all other keys
            request = wire.Request(name, request.topic, request.message)
        replies: Replies = []
        if self.table.needs_room(peer, request):
            replies += [*self.commit(), *self.table.make_room(peer, self.exchange.waits.forget)]
        if fault := self._refusal(peer, request):
            return [*replies, error(peer, request, fault)]
        if name != "put":  # the answer may depend on earlier puts
            replies += self.sharing.follow_for(request, now)
            replies += self.commit()
        return [*replies, *self._actions[name](peer, request, now)]

    def _refusal(self, peer: ConnectedPeer, request: wire.Request) -> str:
        if request.action not in self._actions:
            return f"there is no action {request.action[:40]!r}"
        if request.schema and (fault := self._schemas.fault(request)):
            return fault
        if self.table.has_no_end_for(peer, request):
            return ENDS_FAULT % (request.topic[: limits.MAX_TOPIC_BYTES],)
        if request.topic in self.topics or request.action in _WITHOUT_TOPIC:
            return ""
        fault = self.table.fault(peer, request)
        if fault and not peer.greeted:
            raise WireError(fault)
        return fault

    def _refuse(self, peer: ConnectedPeer, fault: RequestError) -> Replies:
        if fault.action == "hello":
            peer.closing = str(fault)
        elif not peer.greeted:
            raise fault
        return [error(peer, fault, str(fault))]

    def tick(self, now: float) -> Replies:
        """Expire messages, and publish statistics if they have a subscriber; once a second."""
        self._began_sec = self._began_sec or now
        replies = [*self.commit(), *self.sharing.close_unused_rings(now)]
        replies += self.table.report_unmatched()
        self.table.count_ends()
        self._schemas.tick()
        self.sharing.forget_overwritten()
        self.exchange.waits.forget_deadlines()
        self.store.expire(now)
        replies += self.table.forget_unused(self.exchange.waits.forget)
        if self.exchange.listeners and now - self._statistics_at_sec > _SHORTEST_SPAN_SEC:
            replies += self._publish_statistics(now)
        return replies

    def _publish_statistics(self, now: float) -> Replies:
        """Publish the counters, with the rates since the last call."""
        self._statistics_at_sec = now
        report.update_rates(self.topics.values(), self.sharing.copy_reader_state, now)
        text = report.statistics(self.topics.values(), self.store, now)
        return self._publish(STATISTICS_TOPIC, text, now)

    def publish_graph(self, now: float) -> Replies:
        """Publish the graph as it is now."""
        self.table.graph_changed = False
        text = report.graph(self.peers, self.topics.values(), self.store.epoch)
        return self._publish(GRAPH_TOPIC, text, now)

    def _publish(self, name: str, text: bytes, now: float) -> Replies:
        message = wire.encode_text(text.decode())
        request = wire.Request("put", name)
        return self.exchange.append(self._broker, self.topics[name], request, message, now)

    def _put(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        message: bytes | memoryview = memoryview(request.message)
        if message[:1] != b'"':
            if peer.greeted:
                return [error(peer, request, "a message must be text")]
            message = as_original_text(bytes(message))
        topic = self.topics.get(request.topic) or self.table.topic(request.topic, peer)
        if topic.log.name in BROKERS_TOPICS:
            return [error(peer, request, _OWN_TOPIC_FAULT)] if peer.greeted else []
        try:
            replies = self.exchange.append(peer, topic, request, message, now)
        except RingError as fault:
            closed = self.sharing.stop_sharing(topic, str(fault), now)
            if closed is None:
                return self.exchange.refuse(peer, topic, request, str(fault))
            return closed + self.exchange.append(peer, topic, request, message, now)
        if topic.log.ring is not None:
            replies += self.sharing.follow_to_the_end(topic, now)
        return replies

    def _get(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        replies = self.exchange.get(peer, request, now)
        topic = self.sharing.topics.get(request.topic)
        if topic is not None and topic.waits:
            self.sharing.note_reader()
        return replies

    def _hello(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if fault := self._token_fault(peer, request) or self._hello_fault(peer, request):
            peer.closing = fault
            return [error(peer, request, fault)]
        peer.greeted = peer.trusted = True
        peer.patient = peer.patient or request.patient
        if request.since is not None:  # it reconnects, and reports what it has received
            same = request.epoch == self.store.epoch
            peer.connected_seq = min(request.since, self.store.last_seq) if same else 0
        self._take_name(peer, request)
        shared = self.sharing.welcome(peer) if request.shm else {}
        peer.unshares = request.shm and request.unshares
        place = {"epoch": self.store.epoch, "seq": peer.connected_seq}
        times = {"at": int(now * 1e9), "age": now - self._began_sec}
        return [event(peer, "hello", version=wire.VERSION, **place, **times, **shared)]

    def _hello_fault(self, peer: ConnectedPeer, request: wire.Request) -> str:
        if request.version != wire.VERSION:
            return f"this broker speaks version {wire.VERSION}, not {request.version}"
        if request.node and (fault := wire.topic_fault(request.node, "node")):
            return fault
        holder = self._names.get(request.node, peer)
        if holder is peer:
            return ""
        if holder.pid and (holder.pid, holder.host) == (request.pid, request.host):
            who, end = "this process", "call destroy_node() of"
        else:
            who, end = f"pid {holder.pid} on {holder.host}", "stop"
        return (
            f"node name {request.node!r} is taken by {who}: {end} that node or give this one "
            "another name"
        )

    def _take_name(self, peer: ConnectedPeer, request: wire.Request) -> None:
        if self._names.get(peer.name) is peer:
            del self._names[peer.name]
        peer.name, peer.pid, peer.host = request.node, request.pid, request.host
        peer.name_json = wire.encode_text(peer.name)
        peer.client = request.client
        if peer.name:
            self._names[peer.name] = peer
        self.table.graph_changed = True

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
        publication = self.table.advertise(peer, request)
        topic = publication.topic
        replies, ring = self._typed(publication, request, now), {}
        if request.shm and peer.number and (path := self.sharing.open(topic)):
            publication.shares = True
            ring = {"ring": path}
            replies += self.sharing.seat_all(topic.cursors)
        return [event(peer, "advertised", topic=topic.log.name, **ring), *replies]

    def _typed(self, end: ConnectedEnd, request: wire.Request, now: float) -> Replies:
        """Take the type of a publisher or reader of a topic, and compare it with others."""
        schema, news = self._schemas.of(request, end.peer, self.peers)
        self.table.graph_changed = True
        end.type = request.type
        changed, end.schema = end.schema is not schema, schema
        replies = self._publish(TYPES_TOPIC, news, now) if news else []
        return [*replies, *self._schemas.meet(end)] if changed else replies

    def _unadvertise(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        publication = peer.publications.get(request.topic)
        if publication is not None:
            self.table.unadvertise(publication)
            self.sharing.mark_maybe_unused(publication.topic)
        return []

    def _state(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        peer.state = request.state
        self.table.graph_changed = True
        return []

    def _fault(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if set_fault(self.topics.get(request.topic), peer, request):
            self.table.graph_changed = True
        return []

    def _subscribe(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        replies: Replies = []  # the latched statistics may be old: they had no subscriber
        if request.topic == GRAPH_TOPIC and self.table.graph_changed:
            replies = [*self.publish_graph(now), *self.commit()]
        if request.topic == STATISTICS_TOPIC and not self.exchange.listeners:
            replies = [*self._publish_statistics(now), *self.commit()]
        self.sharing.subscribing(peer, request)
        replies += self.table.subscribe(peer, request)
        cursor = peer.cursors.get(request.topic)
        if peer.lags or cursor is None or cursor.after < cursor.topic.log.last_id:
            replies += self.catch_up(peer, now)  # it looks at all cursors of the peer
        replies += self.sharing.subscribed(peer, request)
        if cursor is not None and not request.pattern:
            replies += self._typed(cursor, request, now)
        return replies

    def _unsubscribe(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if (cursor := peer.cursors.get(request.topic)) is not None:
            self.sharing.unseat(cursor)
        self.table.unsubscribe(peer, request)
        return []

    def _shutdown(self, peer: ConnectedPeer, request: wire.Request, now: float) -> Replies:
        if not peer.local and not self._token:
            return [error(peer, request, "a broker is shut down from its own machine")]
        self.shutdown_asked = peer.name or peer.address
        return []
