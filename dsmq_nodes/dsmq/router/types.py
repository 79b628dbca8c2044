"""The broker's record of types: schemas as texts, and the ends of a topic that differ.

The broker reads no schema. It publishes each new one once on `/dsmq/types`. When the schemas (or
the types' names) of two ends of a topic are not equal as text, it sends each end those of the
other, and keeps their answer: the fault that the graph shows, until either end goes.
"""

import hashlib
import weakref
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

import msgspec

from dsmq_nodes.dsmq import limits, wire
from dsmq_nodes.dsmq.router.topics import (
    Advertisement,
    ConnectedEnd,
    ConnectedPeer,
    Replies,
    Reply,
    Schema,
    Topic,
    TopicReader,
    TypePair,
    event,
)

_NONE: Final = Schema("", b"")


class Schemas:
    """The schemas of one broker."""

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[str, Schema] = weakref.WeakValueDictionary()
        self._newest: dict[str, Schema] = {}  # kept for a while after their ends have gone
        self._size_bytes = 0  # of all known schemas
        self._has_made_room = False  # since the last `tick`
        self._numbers = count(1)
        self._pairs: weakref.WeakSet[TypePair] = weakref.WeakSet()

    def tick(self) -> None:
        """Allow `_make_room` again; called once a second."""
        self._has_made_room = False

    def of(
        self, request: wire.Request, peer: ConnectedPeer, peers: Iterable[ConnectedPeer]
    ) -> tuple[Schema, bytes]:
        """Return the schema of an end of `peer`, and the text for `/dsmq/types` if it is new."""
        if not (text := _schema_text(request)):
            return _NONE, b""
        key = _key(text)
        schema = self._known.get(key)
        if schema is None:
            if not self._has_room(len(text)) and not self._make_room(len(text), peer, peers):
                return _NONE, b""
            schema = self._known[key] = Schema(key, text)
            self._size_bytes += len(text)
            weakref.finalize(schema, self._forget, len(text)).atexit = False
        elif key in self._newest:
            return schema, b""
        if len(self._newest) >= limits.TYPES_KEPT:
            del self._newest[next(iter(self._newest))]
        self._newest[key] = schema
        known = {"schema_id": key, "type": request.type, "json_schema": text.decode()}
        return schema, msgspec.json.encode(known)

    def _forget(self, size_bytes: int) -> None:
        self._size_bytes -= size_bytes

    def _has_room(self, size_bytes: int) -> bool:
        return self._size_bytes + size_bytes <= limits.MOST_SCHEMAS_BYTES

    def _make_room(
        self, size_bytes: int, newcomer: ConnectedPeer, peers: Iterable[ConnectedPeer]
    ) -> bool:
        """Drop half the schemas of the peer that has most, if it has more than `newcomer`.

        The ends of these then count as ends without a schema.
        """
        self._newest.clear()
        if self._has_room(size_bytes):
            return True
        if self._has_made_room:  # examining all ends takes a while
            return False
        self._has_made_room = True
        greediest = max(peers, key=_schema_bytes)
        half = _schema_bytes(greediest) // 2
        if half <= _schema_bytes(newcomer) + size_bytes:
            return False
        for end in reversed(_ends(greediest)):
            if half > 0 and end.schema.key:
                half -= len(end.schema.text)
                forget_pairs(end)
                end.schema = _NONE
        return self._has_room(size_bytes)

    def fault(self, request: wire.Request) -> str:
        """Return why the schema in a request cannot be used; empty: it can."""
        if not (text := _schema_text(request)) or _key(text) in self._known:
            return ""
        try:
            levels = _levels(msgspec.json.decode(text))
        except (ValueError, RecursionError) as error:
            return f"the schema cannot be used: {error}"
        if levels > limits.MOST_SCHEMA_LEVELS:
            return f"the schema cannot be used: it has more than {limits.MOST_SCHEMA_LEVELS} levels"
        return ""

    def meet(self, end: ConnectedEnd) -> Replies:
        """Compare an end that is new or has a new type with the others; report differences."""
        replies: Replies = []
        forget_pairs(end)
        for publication, cursor in _edges(end):
            if (
                _is_alike(publication, cursor)
                or max(len(publication.pairs), len(cursor.pairs)) >= limits.MOST_PAIRS
                or len(self._pairs) >= limits.MOST_PAIRS_OF_ALL
            ):
                continue
            pair = TypePair(next(self._numbers), publication, cursor)
            self._pairs.add(pair)
            for pairs in (end.topic.pairs, publication.pairs, cursor.pairs):
                pairs[pair.number] = pair
            for peer in {cursor.peer: None, publication.peer: None}:
                if peer.blocked:
                    peer.unreported[pair] = None
                else:
                    replies += _reports(pair, peer)
        return replies


def _schema_bytes(peer: ConnectedPeer) -> int:
    """Return the size of the schemas of a peer's ends, in bytes."""
    return sum(map(len, {end.schema.text for end in _ends(peer)}))


def _ends(peer: ConnectedPeer) -> list[ConnectedEnd]:
    return [*peer.publications.values(), *peer.cursors.values()]


def _schema_text(request: wire.Request) -> bytes:
    """Return the schema in a request; empty if there is none, or it is too large to be kept."""
    text = bytes(request.schema)
    return text if text.startswith(b"{") and len(text) <= limits.MOST_SCHEMA_BYTES else b""


def _key(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _levels(value: object) -> int:
    """Return how deeply lists and objects are nested."""
    levels, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        levels += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return levels


def report_unreported(peer: ConnectedPeer) -> Replies:
    """Report to a peer that reads again the differences from the time when it did not."""
    unreported, peer.unreported = peer.unreported, {}
    return [reply for pair in unreported for reply in _reports(pair, peer)]


def forget_pairs(end: ConnectedEnd) -> None:
    """Forget the differences between an end that has gone and others."""
    for number, pair in list(end.pairs.items()):
        for each in pair.ends:
            each.peer.unreported.pop(pair, None)
        for pairs in (end.topic.pairs, pair.publication.pairs, pair.cursor.pairs):
            del pairs[number]


def set_fault(topic: Topic | None, peer: ConnectedPeer, request: wire.Request) -> bool:
    """Store a fault between two ends, reported by one of them; return whether it is new."""
    pair = topic.pairs.get(request.pair) if topic is not None else None
    if pair is None or peer not in (pair.publication.peer, pair.cursor.peer):
        return False
    fault = request.error[: limits.MOST_FAULT_CHARACTERS]
    changed = pair.fault != fault
    pair.fault = fault
    return changed


def _edges(end: ConnectedEnd) -> Iterator[tuple[Advertisement, TopicReader]]:
    if isinstance(end, Advertisement):
        return ((end, cursor) for cursor in end.topic.cursors)
    return ((publication, end) for publication in end.topic.publications)


def _is_alike(publication: Advertisement, cursor: TopicReader) -> bool:
    one, other = publication.schema, cursor.schema
    if not one.key or not other.key:
        return True  # they cannot be compared
    return one.key == other.key and publication.type == cursor.type


def _reports(pair: TypePair, peer: ConnectedPeer) -> Iterator[Reply]:
    """Yield the reports of a difference for a peer that is one of its ends, or both."""
    publication, cursor = pair.ends
    if cursor.peer is peer:
        yield _differs(peer, pair, publication, "publisher")
    if publication.peer is peer:
        yield _differs(peer, pair, cursor, "subscriber")


def _differs(peer: ConnectedPeer, pair: TypePair, end: ConnectedEnd, what: str) -> Reply:
    fields = {"topic": end.topic.log.name, "pair": pair.number, "end": what, "from": end.peer.name}
    fields |= {"pid": end.peer.pid, "type": end.type, "schema": msgspec.Raw(end.schema.text)}
    return event(peer, "differs", **fields)
