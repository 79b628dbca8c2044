"""What the broker tells of itself: the graph and the statistics, as JSON texts.

The types that read them are in dsmq_nodes/messages/dsmq_msgs.py; the queue knows no types.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.router.router import Router
    from dsmq_nodes.dsmq.router.topics import Cursor, Publication

NOT_KNOWN: Final = -1.0

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Rate:
    """Messages and bytes a second, between the last two updates."""

    hz: float = 0.0
    bytes_per_sec: float = 0.0
    _messages: int = 0
    _size_bytes: int = 0
    _at_sec: float = 0.0

    def update(self, messages: int, size_bytes: int, now: float) -> None:
        """Take the counters as they are at `now`; the first time there is no rate yet."""
        elapsed = now - self._at_sec
        if self._at_sec and elapsed > 0:
            self.hz = (messages - self._messages) / elapsed
            self.bytes_per_sec = (size_bytes - self._size_bytes) / elapsed
        self._messages, self._size_bytes, self._at_sec = messages, size_bytes, now


@dataclass(slots=True)
class Latency:
    """Time since `publish()`, by the publishers' stamps: a mean that forgets slowly."""

    mean_sec: float = 0.0

    def add(self, latency_sec: float) -> None:
        """Take one message's, unless it is NOT_KNOWN; 1/16 of its difference counts."""
        if latency_sec >= 0:
            self.mean_sec += (latency_sec - self.mean_sec) / 16 if self.mean_sec else latency_sec


def graph(router: "Router") -> bytes:
    """Who is connected and who publishes and subscribes what."""
    peers = [
        {
            "name": p.name,
            "pid": p.pid,
            "host": p.host,
            "address": p.address,
            "state": p.state,
            "client": p.client,
        }
        for p in router.peers
        if p.greeted
    ]
    topics = []
    for topic in router.topics.values():
        types = [p.type for p in topic.publications] + [c.type for c in topic.cursors]
        topics.append(
            {
                "name": topic.log.name,
                "type": next(filter(None, types), ""),
                "latched": topic.log.latched > 0,
                "latched_depth": topic.log.latched,
                "publishers": [_end(publication) for publication in topic.publications],
                "subscribers": [_end(cursor) for cursor in topic.cursors],
                "faults": list(dict.fromkeys(p.fault for p in topic.pairs.values() if p.fault)),
            }
        )
    return _encode({"epoch": router.store.epoch, "peers": peers, "topics": topics})


def update_rates(router: "Router", now: float) -> None:
    """Have every rate be that since the last update."""
    for topic in router.topics.values():
        topic.rate.update(topic.messages, topic.size_bytes, now)
        for cursor in topic.cursors:
            router.look_at_seat(cursor)
            cursor.rate.update(cursor.delivered, cursor.size_bytes, now)
        for publication in topic.publications:
            publication.rate.update(publication.messages, 0, now)


def statistics(router: "Router", now: float) -> bytes:
    """What has gone through each topic and over each edge."""
    topics = [
        {
            "name": topic.log.name,
            "messages": topic.messages,
            "size_bytes": topic.size_bytes,
            "rate_hz": topic.rate.hz,
            "bytes_per_sec": topic.rate.bytes_per_sec,
            "kept": topic.log.last_id - topic.log.first_id + 1,
            "refused": topic.refused,
            "missed": topic.missed,
            "shared": topic.ring is not None,
            "publishers": [
                {
                    "node": publication.peer.name,
                    "pid": publication.peer.pid,
                    "messages": publication.messages,
                    "rate_hz": publication.rate.hz,
                    "latency_sec": publication.latency.mean_sec,
                }
                for publication in topic.publications
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
                for cursor in topic.cursors
            ],
        }
        for topic in router.topics.values()
    ]
    store = router.store
    return _encode(
        {
            "at_sec": now,
            "stored_bytes": store.stored_bytes,
            "budget_bytes": store.budget_bytes,
            "ttl_sec": store.ttl_sec,
            "topics": topics,
        }
    )


def _end(end: "Publication | Cursor") -> dict[str, object]:
    return {
        "node": end.peer.name,
        "pid": end.peer.pid,
        "type": end.type,
        "schema_id": end.schema.key,
    }
