"""The table of topics: their readers and publishers, bounded in number.

Topics, ends of topics and patterns are made and removed here. There are `MOST_TOPICS` topics and
`MOST_ENDS` ends at most; beyond that each peer has its share.
"""

import fnmatch
import heapq
import re
from collections.abc import Callable, Mapping
from typing import Final

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.router.shared_log import SharedLog
from dsmq_nodes.dsmq.router.topics import (
    Advertisement,
    ConnectedPeer,
    Pattern,
    Replies,
    Topic,
    TopicReader,
    Wait,
    error,
    event,
    topics_to_remove,
)
from dsmq_nodes.dsmq.router.types import forget_pairs
from dsmq_nodes.dsmq.store.sqlite import Store
from dsmq_nodes.topic_names import BROKERS_TOPICS, is_kits_own

_MAKING: Final = frozenset({"put", "subscribe", "advertise"})
_PLACES_AT_ONCE: Final = 100
_PLACES_TAKEN_AT_ONCE: Final = 10  # from one peer
_NOBODY: Final = limits.MOST_TOPICS + 1

ENDS_FAULT: Final = (
    f"there are {limits.MOST_ENDS} readers and publishers, "
    "and this peer has its share: %r is one too many"
)


class TopicTable:
    """The topics and peers of one broker."""

    def __init__(self, store: Store) -> None:
        self.topics: dict[str, Topic] = {}
        self.peers: dict[ConnectedPeer, None] = {}  # a set that keeps its order
        self.graph_changed = True
        self._store = store
        self._patterns: dict[ConnectedPeer, None] = {}  # peers that subscribe patterns
        self._ends = 0  # cursors and advertisements, counted at intervals
        # peers whose pattern misses topics: an error is due
        self._unmatched: dict[ConnectedPeer, str] = {}
        self._full_for = _NOBODY  # peers that have made as many topics cannot displace others

    def topic(self, name: str, maker: ConnectedPeer | None = None) -> Topic:
        """Return a topic; if it does not exist, it is made for `maker`."""
        topic = self.topics.get(name)
        if topic is None:
            log = SharedLog(self._store, name)
            topic = Topic(log, log.first_id - 1, maker=maker)
            self.topics[name] = topic
            self.graph_changed = True
            if maker is not None:
                maker.made += 1
            for peer in self._patterns:
                self._match(peer, topic, peer.patterns)
        return topic

    def advertise(self, peer: ConnectedPeer, request: wire.Request) -> Advertisement:
        """Add a peer's publisher of a topic, or change an existing one."""
        topic = self.topic(request.topic, peer)
        publication = peer.publications.get(request.topic)
        if publication is None:
            publication = Advertisement(peer, topic)
            peer.publications[request.topic] = publication
            topic.publications.append(publication)
            self._ends += 1
        publication.latched = min(request.latched, limits.MOST_LATCHED)
        self._store.set_latched(topic.log.stored, publication.latched)
        self._note_owner(topic)
        return publication

    def unadvertise(self, publication: Advertisement) -> None:
        """Remove a publisher."""
        topic = publication.topic
        del publication.peer.publications[topic.log.name]
        topic.publications.remove(publication)
        forget_pairs(publication)
        self._note_owner(topic)
        self._full_for = _NOBODY
        self.graph_changed = True

    def _note_owner(self, topic: Topic) -> None:
        """Store which peer publishes the latched messages."""
        owners = (each.peer for each in topic.publications if each.latched)
        topic.log.stored.owner = next(owners, None)

    def subscribe(self, peer: ConnectedPeer, request: wire.Request) -> Replies:
        """Add a peer's reader of a topic, or move an existing one; `catch_up` starts to push."""
        if request.pattern:
            return self._subscribe_pattern(peer, request)
        topic = self.topic(request.topic, peer)
        cursor = peer.cursors.get(request.topic) or self._add_cursor(peer, topic)
        cursor.depth, cursor.pattern, cursor.passive = request.depth, "", request.passive
        if request.after is not None:
            cursor.after = resumed_after(request, topic, self._store.epoch)
            if request.passive and not request.after:
                cursor.after = topic.begins_after
        if request.latched:
            cursor.after = min(cursor.after, _before_latched(topic.log))
        return [event(peer, "subscribed", topic=topic.log.name, id=topic.log.last_id)]

    def _add_cursor(self, peer: ConnectedPeer, topic: Topic) -> TopicReader:
        """Give a peer a cursor at the end of a topic, before its latched messages."""
        log = topic.log
        cursor = TopicReader(_before_latched(log), peer=peer, topic=topic)
        peer.cursors[log.name] = cursor
        topic.cursors.append(cursor)
        self._ends += 1
        self.graph_changed = True
        return cursor

    def _subscribe_pattern(self, peer: ConnectedPeer, request: wire.Request) -> Replies:
        if len(peer.patterns) >= limits.MOST_PATTERNS and request.topic not in peer.patterns:
            return [error(peer, request, f"a peer has {limits.MOST_PATTERNS} patterns at most")]
        pattern = Pattern(re.compile(fnmatch.translate(request.topic)), request)
        peer.patterns[request.topic] = pattern
        self._patterns[peer] = None
        # these have been compared with the peer's other patterns
        for topic in self.topics.values():
            self._match(peer, topic, {request.topic: pattern})
        return [event(peer, "subscribed", topic=request.topic), *self.report_unmatched()]

    def _match(self, peer: ConnectedPeer, topic: Topic, patterns: Mapping[str, Pattern]) -> None:
        """Give a peer its cursor in a topic, if one of its `patterns` matches the topic."""
        topic_name = topic.log.name
        for name, pattern in patterns.items():
            own = topic_name in BROKERS_TOPICS and not is_kits_own(name)
            if own or topic_name in peer.cursors or not pattern.expression.match(topic_name):
                continue
            if self.has_its_share(peer):
                self._unmatched[peer] = name
                return
            cursor = self._add_cursor(peer, topic)
            cursor.depth, cursor.pattern, cursor.passive = pattern.request.depth, name, True

    def unsubscribe(self, peer: ConnectedPeer, request: wire.Request) -> None:
        """Remove a peer's reader of a topic, or those of a pattern."""
        cursor = peer.cursors.get(request.topic)
        cursors = [cursor] if cursor is not None else []
        if peer.patterns.pop(request.topic, None):
            cursors += [each for each in peer.cursors.values() if each.pattern == request.topic]
            if not peer.patterns:
                self._patterns.pop(peer, None)
        for cursor in dict.fromkeys(cursors):
            del peer.cursors[cursor.topic.log.name]
            cursor.topic.cursors.remove(cursor)
            forget_pairs(cursor)
            self.graph_changed = True

    def disconnect(self, peer: ConnectedPeer) -> None:
        """Remove a peer with all its ends."""
        self.peers.pop(peer, None)
        self._unmatched.pop(peer, None)
        self._patterns.pop(peer, None)
        for cursor in peer.cursors.values():
            cursor.topic.cursors.remove(cursor)
            forget_pairs(cursor)
        for publication in list(peer.publications.values()):
            self.unadvertise(publication)
        self._full_for = _NOBODY
        peer.cursors.clear()
        self._reassign_topics(peer)

    def report_unmatched(self) -> Replies:
        """Return errors for peers that did not get every topic that their pattern matches."""
        unmatched, self._unmatched = self._unmatched, {}
        return [
            error(peer, wire.Request("subscribe", name), ENDS_FAULT % (name,))
            for peer, name in unmatched.items()
        ]

    def has_its_share(self, peer: ConnectedPeer) -> bool:
        """Whether a peer is refused another end: there are too many, and it has its share."""
        if self._ends < limits.MOST_ENDS:
            return False
        share = limits.MOST_ENDS // max(len(self.peers), 1)
        return len(peer.cursors) + len(peer.publications) >= share

    def count_ends(self) -> None:
        """Count cursors and publications again; between two counts none is subtracted."""
        self._ends = sum(len(peer.cursors) + len(peer.publications) for peer in self.peers)

    def fault(self, peer: ConnectedPeer, request: wire.Request) -> str:
        """Return why a peer is refused the topic of a request; empty: it is not refused."""
        fault = wire.topic_fault(request.topic)
        if fault or not self.makes_topic(request):
            return fault
        if len(self.topics) >= limits.MOST_TOPICS:
            return (
                f"there are {limits.MOST_TOPICS} topics already: {request.topic!r} is one too many"
            )
        return ""

    def has_no_end_for(self, peer: ConnectedPeer, request: wire.Request) -> bool:
        """Whether a request needs another reader or publisher, which its peer may not have."""
        if not self.has_its_share(peer):
            return False
        if request.action == "subscribe":
            return request.topic not in peer.cursors
        return request.action == "advertise" and request.topic not in peer.publications

    def makes_topic(self, request: wire.Request) -> bool:
        """Whether this request would make a new topic."""
        if request.topic in self.topics or request.pattern:
            return False
        return request.action in _MAKING or (request.action == "get" and request.wait > 0)

    def needs_room(self, peer: ConnectedPeer, request: wire.Request) -> bool:
        """Whether a request makes a topic too many, and `make_room` may find a place for it."""
        is_full = len(self.topics) >= limits.MOST_TOPICS
        return is_full and peer.made < self._full_for and self.makes_topic(request)

    def make_room(self, newcomer: ConnectedPeer, forget: Callable[[Wait], None]) -> Replies:
        """Free the places of unused topics, those with the oldest messages first.

        If all are in use, the peer that has most loses some to a peer that has fewer. `forget`
        removes a wait for a removed topic.
        """
        abandoned = [topic for topic in self.topics.values() if topic.is_abandoned]
        removed = heapq.nsmallest(
            _PLACES_AT_ONCE, abandoned, key=lambda each: each.log.stored.last_seq
        )
        removed = removed or topics_to_remove(self.topics.values(), newcomer, _PLACES_TAKEN_AT_ONCE)
        if not removed:
            self._full_for = newcomer.made  # until a place is freed
        return self._remove(removed, forget)

    def forget_unused(self, forget: Callable[[Wait], None]) -> Replies:
        """Free the places of topics without ends and without messages."""
        self._full_for = _NOBODY
        unused = [
            topic
            for topic in self.topics.values()
            if topic.log.first_id > topic.log.last_id and topic.is_abandoned
        ]
        return self._remove(unused, forget)

    def _remove(self, topics: list[Topic], forget: Callable[[Wait], None]) -> Replies:
        replies = [reply for topic in topics for reply in _remove_topic(topic, forget)]
        if topics:
            self._store.forget([topic.log.stored for topic in topics])
            self.graph_changed = True
        for topic in topics:
            del self.topics[topic.log.name]
            if topic.maker is not None:
                topic.maker.made -= 1
        return replies

    def _reassign_topics(self, peer: ConnectedPeer) -> None:
        """Assign the topics of a peer that has gone to peers that still use them."""
        for topic in self.topics.values() if peer.made else ():
            if topic.maker is peer and (heir := next(topic.holders(), None)) is not None:
                topic.maker = heir
                heir.made += 1
                peer.made -= 1


def _remove_topic(topic: Topic, forget: Callable[[Wait], None]) -> Replies:
    """Remove a topic; return errors for the peers that used it, and events for passive readers."""
    name = topic.log.name
    fault = (
        f"there are {limits.MOST_TOPICS} topics, of which this peer has most: {name!r} had to go"
    )
    requests = {peer: wire.Request("advertise", name) for peer in topic.holders()}
    for wait in list(topic.waits):
        forget(wait)
    for publication in topic.publications:
        forget_pairs(publication)
        del publication.peer.publications[name]
    for cursor in topic.cursors:
        forget_pairs(cursor)
        del cursor.peer.cursors[name]
    removed = [each.peer for each in topic.cursors if each.passive and not each.pattern]
    errors = [error(peer, request, fault) for peer, request in requests.items()]
    return [*errors, *(event(peer, "removed", topic=name) for peer in removed)]


def _before_latched(log: SharedLog) -> int:
    """Return the id after which a new reader begins."""
    return max(log.first_id - 1, log.last_id - log.stored.latched)


def resumed_after(request: wire.Request, topic: Topic, epoch: str) -> int:
    """Return the id after which a reader resumes."""
    if request.epoch != epoch:
        return 0  # it has received nothing of this log
    return min(request.after or 0, topic.log.last_id)
