"""Rates from the broker's counters: `topic hz | bw | delay` without a subscription of their own.

The broker counts every message anyway, so looking costs the publisher nothing. What only a reader
of each message sees (the shortest and the longest gap) is measured with `--sample`: see measure.py.
"""

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from dsmq_nodes.tools import lookup
from dsmq_nodes.tools.graph_model import TopicCounters
from dsmq_nodes.topic_names import NODES_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.tools.session import Session


class Count(NamedTuple):
    """What had gone through a topic at a time of the broker's clock."""

    at_sec: float
    messages: int
    size_bytes: float
    dropped: int

    @classmethod
    def of(cls, at_sec: float, topic: TopicCounters) -> "Count":
        """The counters of a topic; of a shared one what the broker missed counts too."""
        total = topic.messages + topic.missed
        mean_bytes = topic.size_bytes / topic.messages if topic.messages else 0.0
        dropped = sum(edge.dropped for edge in topic.edges)
        return cls(at_sec, total, mean_bytes * total, dropped)


class Window:
    """The counters of a topic over its last messages, at most so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: deque[Count] = deque()

    def add(self, count: Count) -> None:
        """The counters as they are now; a broker that was started anew begins at nothing."""
        if self._counts and count.messages < self._counts[-1].messages:
            self._counts.clear()
        self._counts.append(count)
        while len(self._counts) > 2 and count.messages - self._counts[1].messages >= self._most:
            self._counts.popleft()

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come since the last look."""
        if len(self._counts) < 2:
            return False
        return self._counts[-1].messages == self._counts[-2].messages

    @property
    def change(self) -> Count | None:
        """What has gone through in the window; None: it is too early to say."""
        if len(self._counts) < 2:
            return None
        first, last = self._counts[0], self._counts[-1]
        return Count(
            last.at_sec - first.at_sec,
            last.messages - first.messages,
            last.size_bytes - first.size_bytes,
            last.dropped - first.dropped,
        )


def rate_shown(change: Count) -> str:
    """A rate as ros2 begins to show it; what is not counted is left out."""
    return (
        f"average rate: {change.messages / change.at_sec:.3f}\n"
        f"\tdropped: {change.dropped} window: {change.messages}"
    )


def bandwidth_shown(change: Count) -> str:
    """Bytes as ros2 begins to show them."""
    if not change.messages:
        return ""
    return (
        f"{size(change.size_bytes / change.at_sec)}/s from {change.messages} messages\n"
        f"\tMessage size mean: {size(change.size_bytes / change.messages)}"
    )


def size(size_bytes: float) -> str:
    """A number of bytes as ros2 writes it."""
    for unit, factor in (("MB", 1e6), ("KB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes:.0f} B"


def delay_shown(topic: TopicCounters, felt: dict[str, float]) -> str:
    """How old messages are where they arrive, by the broker's clock or the subscriber's own word.

    Args:
        topic: the broker's counters.
        felt: for subscribers, the median from `publish()` to their callback, in seconds.
    """
    delays = [
        (edge.subscriber or "(client)", edge.latency_sec or felt.get(edge.subscriber, 0.0))
        for edge in topic.edges
    ]
    delays = [each for each in delays if each[1]]
    if not delays:  # nobody hears it: as old as they are at the broker
        at_broker = [each.latency_sec for each in topic.publishers if each.latency_sec]
        delays = [("(broker)", delay_sec) for delay_sec in at_broker]
    if not delays:
        return ""
    average = sum(delay_sec for _, delay_sec in delays) / len(delays)
    lines = [f"\t{name}: {delay_sec:.6f}s" for name, delay_sec in delays]
    return "\n".join([f"average delay: {average:.6f}", *lines])


def table_shown(rows: Sequence[tuple[str, ...]]) -> str:
    """Several topics as ros2 shows them; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "=" * max(map(len, lines)), *lines[1:]]) + "\n"


def follow(
    session: "Session", names: Sequence[str], most: int
) -> Iterator[dict[str, tuple[Window, TopicCounters]]]:
    """The counters of topics, once a second, for ever.

    Raises:
        CommandError: there is no such topic.
    """
    topics = [lookup.find_published(session, name).name for name in names]
    windows = {topic: Window(most) for topic in topics}
    with contextlib.closing(session.statistics()) as told:
        for statistics in told:
            found = {}
            by_name = {each.name: each for each in statistics.topics}
            for topic, window in windows.items():
                counters = by_name.get(topic, TopicCounters(name=topic))
                window.add(Count.of(statistics.at_sec, counters))
                found[topic] = window, counters
            yield found


def show_rates(session: "Session", names: Sequence[str], most: int) -> None:
    """Print the rates of topics once a second, for ever."""
    for found in follow(session, names, most):
        if len(found) == 1:
            _show_one(next(iter(found.values()))[0], rate_shown)
            continue
        rows = [("topic", "rate", "dropped", "window")]
        for topic, (window, _) in found.items():
            change = window.change
            if change is not None and change.messages:
                rate = f"{change.messages / change.at_sec:.3f}"
                rows.append((topic, rate, str(change.dropped), str(change.messages)))
        if len(rows) > 1:
            print(table_shown(rows), flush=True)


def show_bandwidth(session: "Session", name: str, most: int) -> None:
    """Print the bytes of a topic once a second, for ever."""
    began = False
    for found in follow(session, [name], most):
        (window, topic), *_ = found.values()
        if not began:
            print(f"Subscribed to [{topic.name}]", flush=True)
            began = True
        _show_one(window, bandwidth_shown)


def _show_one(window: Window, shown: Callable[[Count], str]) -> None:
    change = window.change
    if window.is_silent:
        print("no new messages", file=sys.stderr)
    elif change is not None and (text := shown(change)):
        print(text, flush=True)


def show_delay(session: "Session", name: str) -> None:
    """Print how old a topic's messages are once a second, for ever."""
    felt: dict[str, float] = {}
    with session.another() as nodes:
        nodes.subscribe(NODES_TOPIC, depth=1000)
        for found in follow(session, [name], 1):
            (_, topic), *_ = found.values()
            # Of a shared topic the broker sees no times: its readers do.
            while topic.shared and (reply := nodes.next_message([NODES_TOPIC], 0.0)) is not None:
                told = nodes.understood(reply, _read_node)
                for each in told.subscriptions if told is not None else ():
                    if each.topic == topic.name and told is not None:
                        felt[told.name] = each.latency_p50_sec
            text = delay_shown(topic, felt)
            if text:
                print(text, flush=True)
            else:
                print(f"no delay is known: {_why_no_delay(topic)}", file=sys.stderr)


def _why_no_delay(topic: TopicCounters) -> str:
    if not topic.messages + topic.missed:
        return f"no message has come on {topic.name} yet"
    if not topic.edges:
        where = "and a delay is counted where messages arrive"
        return f"nobody subscribes {topic.name}, {where}; --sample subscribes"
    return "no message has a stamp; try --sample"


class _Subscription(msgspec.Struct):
    topic: str
    latency_p50_sec: float = 0.0


class _Node(msgspec.Struct):
    name: str
    subscriptions: list[_Subscription] = []


_read_node: Final = msgspec.json.Decoder(_Node).decode
