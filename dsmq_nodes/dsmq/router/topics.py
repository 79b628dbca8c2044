"""The state of the router: peers, topics, and the advertisements and cursors that join them."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.log import Cursor
from dsmq_nodes.dsmq.router.meters import Latency, RateMeter
from dsmq_nodes.dsmq.router.shared_log import SharedLog
from dsmq_nodes.topic_names import BROKERS_TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dsmq_nodes.errors import RequestError


_MOST_ECHOED: Final = 4000  # characters of a refused name, enough to recognise it


@dataclass(eq=False, repr=False, slots=True)  # it leads to all others
class ConnectedPeer:
    """One connection, as far as the router knows it."""

    address: str
    local: bool = True  # on this machine
    trusted: bool = True  # needs no token
    is_neighbour: bool = False  # uses the Unix socket, so it is this user's, on this machine
    connected_seq: int = 0
    greeted: bool = False
    patient: bool = False  # pushes to it may wait a little, until there are more
    blocked: bool = False  # its socket is full
    lags: bool = False  # later puts wait in the logs until it has caught up
    closing: str = ""
    is_to_repeat: bool = False  # its put was not carried out, and is to be tried again
    name: str = ""
    name_json: bytes = b'""'
    client: str = ""  # the signature of its calls of services
    pid: int = 0
    host: str = ""
    state: str = "starting"
    number: int = 0  # of a process that shares memory with us; 0: it does not
    unshares: bool = False  # continues over its socket when a ring is closed
    gets: dict[str, int] = field(default_factory=dict)
    cursors: dict[str, "TopicReader"] = field(default_factory=dict)
    publications: dict[str, "Advertisement"] = field(default_factory=dict)
    patterns: dict[str, "Pattern"] = field(default_factory=dict)
    waits: dict["Wait", None] = field(default_factory=dict)
    # differences to report: it was blocked before
    unreported: dict["TypePair", None] = field(default_factory=dict)
    has_unanswered_gets: bool = False  # `get`s to answer: it was blocked as a message came
    made: int = 0  # how many of the existing topics it has made


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Schema:
    """A type's JSON Schema as it was received, and a hash of it; both empty: none came."""

    key: str
    text: bytes


@dataclass(eq=False, repr=False, slots=True)  # it leads to all others
class Topic:
    """A log, its publishers and readers, and its counters."""

    log: SharedLog
    begins_after: int = 0  # the newest id of an earlier topic of this name
    cursors: list["TopicReader"] = field(default_factory=list)
    publications: list["Advertisement"] = field(default_factory=list)
    messages: int = 0
    size_bytes: int = 0
    refused: int = 0
    held_at_id: int = -1  # the ring's newest id when a put last found it held by a process
    held_since_sec: float = 0.0  # and when it first was with that id
    rate: RateMeter = field(default_factory=RateMeter)
    waits: dict["Wait", None] = field(default_factory=dict)
    maker: "ConnectedPeer | None" = None  # the peer whose account it is in
    pairs: dict[int, "TypePair"] = field(default_factory=dict)  # ends that differ
    dropped: int = 0  # in the ring, by the broker itself, when it was overtaken

    @property
    def is_abandoned(self) -> bool:
        """Whether the topic has no ends; it may have messages."""
        return self.is_at_most_of(None)

    def is_at_most_of(self, peer: "ConnectedPeer | None") -> bool:
        """Whether no other peer uses it; a passive reader counts only until it has caught up."""
        if self.log.ring is not None or self.log.name in BROKERS_TOPICS:
            return False
        return all(each is peer for each in self.holders())

    def holders(self) -> "Iterator[ConnectedPeer]":
        """Yield the peers that publish the topic, read it, or wait for it."""
        end_id = self.log.last_id
        yield from (each.peer for each in self.publications)
        yield from (each.peer for each in self.cursors if not each.passive or each.after < end_id)
        yield from (each.peer for each in self.waits)

    @property
    def is_awaited(self) -> bool:
        """Whether a peer has to receive the topic's messages from the broker at once."""
        unseated = (each.peer for each in self.cursors if each.seat is None)
        return bool(self.waits) or not all(peer.patient for peer in unseated)

    @property
    def is_read_here(self) -> bool:
        """Whether a peer receives the topic's messages from the broker, at once or later."""
        return bool(self.waits) or any(each.seat is None for each in self.cursors)


@dataclass(eq=False, slots=True, kw_only=True)
class TopicReader(Cursor):
    """A peer's cursor in a topic."""

    peer: ConnectedPeer
    topic: Topic
    type: str = ""
    schema: Schema = Schema("", b"")
    pairs: dict[int, "TypePair"] = field(default_factory=dict)
    pattern: str = ""  # the pattern of its subscription; empty: it names this topic
    passive: bool = False  # keeps its topic only until it has caught up; so does a pattern's
    shares: bool = False  # its peer can read the topic's ring
    seat: int | None = None  # in the ring's reader table; None: reads through the broker
    dropped_in_ring: int = 0  # the reader's own count when its seat was last sampled
    size_bytes: int = 0
    latency: Latency = field(default_factory=Latency)
    rate: RateMeter = field(default_factory=RateMeter)


@dataclass(eq=False, slots=True)
class Advertisement:
    """A peer's declaration that it publishes a topic."""

    peer: ConnectedPeer
    topic: Topic
    type: str = ""
    schema: Schema = Schema("", b"")
    pairs: dict[int, "TypePair"] = field(default_factory=dict)
    latched: int = 0
    shares: bool = False  # its peer writes the topic's ring
    messages: int = 0
    latency: Latency = field(default_factory=Latency)
    rate: RateMeter = field(default_factory=RateMeter)


ConnectedEnd = Advertisement | TopicReader


@dataclass(eq=False, slots=True, weakref_slot=True)
class TypePair:
    """Two ends of a topic that differ in their schemas or in the names of their types.

    `fault` is the difference that they report; empty before that, or when they fit.
    """

    number: int
    publication: Advertisement
    cursor: TopicReader
    fault: str = ""

    @property
    def ends(self) -> tuple[Advertisement, TopicReader]:
        """The two ends."""
        return self.publication, self.cursor


class Put(msgspec.Struct, gc=False):  # made for each message of a durable store: cheaply
    """A put that waits for the store's commit: for its fan-out or its acknowledgement."""

    peer: ConnectedPeer
    topic: Topic
    request: wire.Request
    message_id: int
    frame: bytes
    latency_sec: float


@dataclass(eq=False, slots=True)
class Pattern:
    """A peer's subscription to every topic whose name matches."""

    expression: re.Pattern[str]
    request: wire.Request


@dataclass(eq=False, slots=True)
class Wait:
    """A `get` that is answered by the next message, or without one at `until_sec`."""

    peer: ConnectedPeer
    topic: Topic
    request: wire.Request
    until_sec: float


def topics_to_remove(topics: "Iterable[Topic]", newcomer: ConnectedPeer, most: int) -> list[Topic]:
    """Return topics to remove for a peer that has fewer: the newest of the peer that has most.

    Topics that other peers also use stay.
    """
    by_maker: dict[ConnectedPeer, list[Topic]] = {}
    for topic in topics:
        if topic.maker is not None and topic.is_at_most_of(topic.maker):
            by_maker.setdefault(topic.maker, []).append(topic)
    if not by_maker:
        return []
    greediest = max(by_maker, key=lambda peer: peer.made)
    count = min(most, (greediest.made - newcomer.made) // 2)
    return by_maker[greediest][-count:] if count > 0 else []


Reply = tuple[ConnectedPeer, bytes]
Replies = list[Reply]


def event(peer: ConnectedPeer, name: str, **fields: object) -> Reply:
    """Return an event for a peer; `wire.encode_push` makes those that carry messages."""
    return peer, wire.encode_object({"event": name, **fields})


def error(peer: ConnectedPeer, request: "wire.Request | RequestError", text: str) -> Reply:
    """Return the error event that refuses a request."""
    ack = {} if request.ack is None else {"ack": request.ack}
    action, topic = request.action[:_MOST_ECHOED], request.topic[:_MOST_ECHOED]
    return event(peer, "error", error=text, action=action, topic=topic, **ack)
