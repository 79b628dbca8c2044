"""The broker's reports: the graph and the statistics, as JSON texts.

The types that read them are in dsmq_nodes/messages/dsmq_msgs.py; the queue has no types.

A report always fits into a frame: items that do not fit are left out and counted.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Final

import msgspec

from dsmq_nodes.dsmq.limits import MOST_PUSH_BYTES
from dsmq_nodes.dsmq.router.topics import ConnectedEnd, ConnectedPeer, Topic, TopicReader
from dsmq_nodes.dsmq.store.sqlite import Store

_MOST_BYTES: Final = MOST_PUSH_BYTES - 4096  # of a report inside a push; the rest is the frame's
_PEERS_SHARE: Final = 4  # peers get a quarter of the graph's room
_MOST_ENDS: Final = 2000  # of a topic, publishers and subscribers each
_MOST_FAULTS: Final = 20  # of a topic
_FULL_BYTES: Final = 1000  # with less room than this, no more items are tried

_encode = msgspec.json.Encoder().encode


def _size(text: bytes) -> int:
    """Return the size of a text inside a JSON string, with escaped quotes and backslashes."""
    return len(text) + text.count(b'"') + text.count(b"\\")


class _CutReport:
    """The lists of a report, cut to the available room, and the count of omitted items."""

    def __init__(self) -> None:
        self._room = _MOST_BYTES
        self._left_out: list[str] = []

    def take(self, items: Iterable[object], kind: str, total: int, share: int = 1) -> bytes:
        """Return the items as a JSON list, as many as fit into `1 / share` of the room."""
        most = room = self._room // share
        taken: list[bytes] = []
        for item in items:
            if (size := _size(text := _encode(item)) + 1) <= room:
                room -= size
                taken.append(text)
            if room < _FULL_BYTES:
                break
        self._room -= most - room
        self.note(total - len(taken), f"of {total} {kind}")
        return b"[%b]" % b",".join(taken)

    def note(self, count: int, of_what: str) -> None:
        """Count items of a kind as left out."""
        if count > 0:
            self._left_out.append(f"{count} {of_what}")

    def note_ends(self, topics: Iterable[Topic]) -> None:
        """Count the ends that are left out of topics with too many."""
        lists = [each for topic in topics for each in (topic.publications, topic.cursors)]
        self.note(sum([len(each) - _MOST_ENDS for each in lists if len(each) > _MOST_ENDS]), "ends")

    @property
    def left_out(self) -> bytes:
        """The counts of the omitted items, as a JSON text."""
        return _encode(", ".join(self._left_out))


def graph(peers: Iterable[ConnectedPeer], topics: Collection[Topic], epoch: str) -> bytes:
    """Return the graph: all peers that have said hello, and the ends of each topic."""
    report = _CutReport()
    greeted = [peer for peer in peers if peer.greeted]
    listed = report.take(
        (
            {
                "name": p.name,
                "pid": p.pid,
                "host": p.host,
                "address": p.address,
                "state": p.state,
                "client": p.client,
            }
            for p in greeted
        ),
        *("peers", len(greeted), _PEERS_SHARE),
    )
    described = report.take(map(_topic, topics), "topics", len(topics))
    report.note_ends(topics)
    return b'{"epoch":%b,"peers":%b,"topics":%b,"left_out":%b}' % (
        *(_encode(epoch), listed, described, report.left_out),
    )


def _topic(topic: Topic) -> dict[str, object]:
    publications, cursors = topic.publications[:_MOST_ENDS], topic.cursors[:_MOST_ENDS]
    types = [p.type for p in publications] + [c.type for c in cursors]
    faults = dict.fromkeys([p.fault for p in topic.pairs.values() if p.fault])
    return {
        "name": topic.log.name,
        "type": next(filter(None, types), ""),
        "latched": topic.log.stored.latched > 0,
        "latched_depth": topic.log.stored.latched,
        "publishers": [_end(publication) for publication in publications],
        "subscribers": [_end(cursor) for cursor in cursors],
        "faults": list(faults)[:_MOST_FAULTS],
    }


def update_rates(
    topics: Iterable[Topic], refresh: Callable[[TopicReader], None], now: float
) -> None:
    """Update every rate to the mean since the last update.

    Args:
        topics: all topics.
        refresh: copies the counters of a cursor's reader from shared memory, if they are there.
        now: the time of this update.
    """
    for topic in topics:
        topic.rate.update(topic.messages, topic.size_bytes, now)
        for cursor in topic.cursors:
            refresh(cursor)
            cursor.rate.update(cursor.delivered, cursor.size_bytes, now)
        for publication in topic.publications:
            publication.rate.update(publication.messages, 0, now)


def statistics(topics: Collection[Topic], store: Store, now: float) -> bytes:
    """Return the counters of each topic and of each edge."""
    report = _CutReport()
    counted = report.take(map(_counters, topics), "topics", len(topics))
    report.note_ends(topics)
    about = {
        "at_sec": now,
        "stored_bytes": store.stored_bytes,
        "budget_bytes": store.budget_bytes,
        "ttl_sec": store.ttl_sec,
    }
    return b'%b,"topics":%b,"left_out":%b}' % (_encode(about)[:-1], counted, report.left_out)


def _counters(topic: Topic) -> dict[str, object]:
    return {
        "name": topic.log.name,
        "messages": topic.messages,
        "size_bytes": topic.size_bytes,
        "rate_hz": topic.rate.hz,
        "bytes_per_sec": topic.rate.bytes_per_sec,
        "kept": topic.log.last_id - topic.log.first_id + 1,
        "refused": topic.refused,
        "missed": topic.dropped,
        "shared": topic.log.ring is not None,
        "publishers": [
            {
                "node": publication.peer.name,
                "pid": publication.peer.pid,
                "messages": publication.messages,
                "rate_hz": publication.rate.hz,
                "latency_sec": publication.latency.mean_sec,
            }
            for publication in topic.publications[:_MOST_ENDS]
        ],
        "edges": [
            {
                "subscriber": cursor.peer.name,
                "pid": cursor.peer.pid,
                "depth": cursor.depth,
                "delivered": cursor.delivered,
                "dropped": cursor.dropped,
                "rate_hz": cursor.rate.hz,
                "bytes_per_sec": cursor.rate.bytes_per_sec,
                "latency_sec": cursor.latency.mean_sec,
                "lag": max(topic.log.last_id - cursor.after, 0),
            }
            for cursor in topic.cursors[:_MOST_ENDS]
        ],
    }


def _end(end: ConnectedEnd) -> dict[str, object]:
    return {
        "node": end.peer.name,
        "pid": end.peer.pid,
        "type": end.type,
        "schema_id": end.schema.key,
    }
