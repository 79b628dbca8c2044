"""Rates from the broker's counters, without a subscription of the topics.

The broker counts every message anyway, so reading the counters costs the publisher nothing.
"""

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsmq_nodes.tools.graph_model import TopicCounters

if TYPE_CHECKING:
    from dsmq_nodes.tools.session import Session


class Count(NamedTuple):
    """The counters of a topic at a time of the broker's clock."""

    at_sec: float
    messages: int
    size_bytes: float
    dropped: int

    @classmethod
    def of(cls, at_sec: float, topic: TopicCounters) -> "Count":
        """Return a topic's counters; bytes of messages that the broker missed are estimated."""
        mean_bytes = topic.size_bytes / topic.messages if topic.messages else 0.0
        dropped = sum(edge.dropped for edge in topic.edges)
        return cls(at_sec, topic.total, mean_bytes * topic.total, dropped)


class Window:
    """The counters of a topic over its last messages, up to a limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: deque[Count] = deque()

    def add(self, count: Count) -> None:
        """Add the current counters; those of a restarted broker begin at zero."""
        if self._counts and count.messages < self._counts[-1].messages:
            self._counts.clear()
        self._counts.append(count)
        while len(self._counts) > 2 and count.messages - self._counts[1].messages >= self._most:
            self._counts.popleft()

    @property
    def is_silent(self) -> bool:
        """Whether there were no messages between the last two readings."""
        if len(self._counts) < 2:
            return False
        return self._counts[-1].messages == self._counts[-2].messages

    @property
    def change(self) -> Count | None:
        """The changes in the window; None while it has fewer than two readings."""
        if len(self._counts) < 2:
            return None
        first, last = self._counts[0], self._counts[-1]
        return Count(
            last.at_sec - first.at_sec,
            last.messages - first.messages,
            last.size_bytes - first.size_bytes,
            last.dropped - first.dropped,
        )


def follow(
    session: "Session", topics: Sequence[str], most: int
) -> Iterator[dict[str, tuple[Window, TopicCounters]]]:
    """Yield the counters of topics, by their full names, once a second, forever."""
    windows = {topic: Window(most) for topic in topics}
    with contextlib.closing(session.statistics()) as reports:
        for statistics in reports:
            found = {}
            by_name = {each.name: each for each in statistics.topics}
            for topic, window in windows.items():
                counters = by_name.get(topic, TopicCounters(name=topic))
                window.add(Count.of(statistics.at_sec, counters))
                found[topic] = window, counters
            yield found
