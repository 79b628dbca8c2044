"""Figures of nodes and topics as rows of tables: for a launch that runs, and for `top`.

When there are more nodes than lines, those that need attention come first.
"""

import contextlib
import functools
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil
from rich.table import Table
from rich.text import Text

from dsmq_nodes.launcher.supervise.member import MemberState
from dsmq_nodes.launcher.watch.rates import TOLERANCE, rated_timer
from dsmq_nodes.launcher.watch.summary import dropped_by
from dsmq_nodes.suggest import ends_of
from dsmq_nodes.topic_names import is_hidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dsmq_nodes.messages.dsmq_msgs import (
        NodeStatistics,
        SubscriptionStatistics,
        TopicStatistics,
    )

STATE_STYLES: Final = {
    MemberState.READY: "green",
    MemberState.FINISHED: "dim",
    MemberState.STOPPED: "dim",
    MemberState.FAILED: "bold red",
    MemberState.HANGS: "bold red",
}
# The columns, each with a number: a narrow terminal drops the highest first, 0 never.
_NODE_COLUMNS: Final = {
    "node": 0,
    "state": 0,
    "pid": 5,
    "restarts": 2,
    "cpu": 3,
    "memory": 6,
    "rate": 0,
    "latency p99": 4,
    "dropped": 1,
}
_TOPIC_COLUMNS: Final = {
    "topic": 0,
    "ends": 3,
    "rate": 0,
    "data": 4,
    "latency": 2,
    "dropped": 1,
}
# The order of urgency.
_URGENCY: Final = (
    MemberState.FAILED,
    MemberState.HANGS,
    MemberState.RESTARTING,
    MemberState.WAITING,
    MemberState.STARTING,
    MemberState.STOPPING,
)
_MOST_PROCESSES: Final = 1000  # a process that is restarted has another pid each time
_MISSED: Final = "red"  # a rate that is too low
_FEWEST_TOPIC_LINES: Final = 4
_GAP: Final = 2
_MIB: Final = 1 << 20

Row = tuple[str | Text, ...]


def tables(
    rows: "Sequence[Row]",
    topics: "Sequence[TopicStatistics]",
    nodes: "Iterable[NodeStatistics]",
    columns: int,
    most_lines: int,
) -> "Iterator[Table]":
    """Yield tables of nodes and topics, in at most `most_lines`; the others are counted."""
    subscriptions = [each for node in nodes for each in node.subscriptions]
    topic_rows = [_topic_row(topic, subscriptions) for topic in topics if _is_of_interest(topic)]
    for_nodes = min(len(rows), max(1, most_lines - 1 - (_FEWEST_TOPIC_LINES if topic_rows else 0)))
    rows = rows if len(rows) <= for_nodes else _most_urgent_first(rows)
    yield _table(_NODE_COLUMNS, rows, columns, for_nodes)
    for_topics = min(len(topic_rows), most_lines - 1 - for_nodes - 2)
    if for_topics > 0:
        yield _table(_TOPIC_COLUMNS, topic_rows, columns, for_topics, title=" ")


class Figures:
    """Computes figures between two calls, for example a second apart."""

    def __init__(self) -> None:
        self._process = functools.lru_cache(_MOST_PROCESSES)(psutil.Process)
        self._last: dict[str, _Last] = {}

    def used(self, pid: int) -> tuple[str, str]:
        """Return the CPU use of a local process since the last call, and its memory."""
        with contextlib.suppress(psutil.Error, OSError, ValueError, OverflowError):  # any number
            if not pid:
                return "-", "-"
            process = self._process(pid)
            return f"{process.cpu_percent():.0f} %", f"{process.memory_info().rss / _MIB:.0f} MiB"
        return "-", "-"

    def node(self, node: "NodeStatistics") -> Row:
        """Return a node's rate, latency and losses."""
        latencies_sec = [
            each.latency_p99_sec for each in node.subscriptions if each.latency_p99_sec
        ]
        lost = dropped_by(node)
        return (
            self._rate(node),
            f"{max(latencies_sec) * 1e3:.1f} ms" if latencies_sec else "-",
            Text(str(lost), "yellow" if lost else ""),
        )

    def _rate(self, node: "NodeStatistics") -> str | Text:
        timer = rated_timer(node)
        if timer is None:
            return "-"
        now_sec = node.stamp.sec + node.stamp.nanosec * 1e-9
        last = self._last.get(node.name)
        if last is None or last.pid != node.pid or now_sec < last.at_sec:
            last = self._last[node.name] = _Last(node.pid, now_sec, timer.ticks, None)
        elif now_sec > last.at_sec:
            ticks, span_sec = timer.ticks - last.ticks, now_sec - last.at_sec
            # One tick more or less depends on where the second begins.
            low = ticks + 1 < span_sec * node.rate_hz * (1.0 - TOLERANCE)
            rate = Text(f"{ticks / span_sec:.1f} / {node.rate_hz:g} Hz", _MISSED if low else "")
            last = self._last[node.name] = _Last(node.pid, now_sec, timer.ticks, rate)
        return last.rate or f"- / {node.rate_hz:g} Hz"


class _Last(NamedTuple):
    """A node's statistics when they were last shown."""

    pid: int
    at_sec: float
    ticks: int
    rate: Text | None


def _most_urgent_first(rows: "Sequence[Row]") -> list[Row]:
    """Return the rows sorted by urgency; indented rows of a process stay with it."""
    together: list[list[Row]] = []
    for row in rows:
        if together and str(row[0]).startswith(" "):
            together[-1].append(row)
        else:
            together.append([row])
    return [row for each in sorted(together, key=_urgency) for row in each]


def _urgency(rows: "Sequence[Row]") -> int:
    state = str(rows[0][1])
    if state in _URGENCY:
        return _URGENCY.index(MemberState(state))
    cells = [cell for row in rows for cell in row if isinstance(cell, Text)]
    slow = any(str(cell.style) == _MISSED for cell in cells)
    return len(_URGENCY) + (not slow)


def _is_of_interest(topic: "TopicStatistics") -> bool:
    """Whether a topic is a user's: not the kit's own, nor a hidden one of a service."""
    return not is_hidden(topic.name) and bool(topic.messages or topic.edges)


def _topic_row(topic: "TopicStatistics", subscriptions: "Sequence[SubscriptionStatistics]") -> Row:
    """Return a topic's rate, bytes, latency and drops."""
    latencies = [edge.latency_sec for edge in topic.edges]
    if topic.shared:  # only its readers know its latency
        latencies += [each.latency_p50_sec for each in subscriptions if each.topic == topic.name]
    latencies = [each for each in latencies if each]
    dropped = sum(edge.dropped for edge in topic.edges)
    # A single message, as of a latched topic, has no rate; nor has a topic that nobody publishes.
    has_rate = bool(topic.rate_hz) or (topic.messages > 1 and bool(topic.publishers))
    return (
        topic.name,
        f"{len(topic.publishers)} > {len(topic.edges)}",
        f"{topic.rate_hz:.1f} Hz" if has_rate else "-",
        f"{topic.bytes_per_sec / 1e3:.1f} kB/s" if has_rate else "-",
        f"{max(latencies) * 1e3:.1f} ms" if latencies else "-",
        Text(str(dropped), "yellow" if dropped else ""),
    )


def _table(
    head: dict[str, int], rows: "Sequence[Row]", columns: int, most: int, title: str | None = None
) -> Table:
    """Return a table of at most `columns` characters and `most` rows."""
    shown = rows if len(rows) <= most else rows[: most - 1]
    if len(shown) < len(rows):
        shown = [*shown, (Text(f"... {len(rows) - len(shown)} more", "dim"), *[""] * len(head))]
    widths = _widths(head, shown)
    # A long name is shortened in favour of the figures, but not below a third of the line.
    most = max(columns // 3, columns - sum(widths[1:]))
    shown = [(_cut(row[0], most), *row[1:]) for row in shown]
    widths = _widths(head, shown)
    kept = set(range(len(head)))
    for column, (_, need) in sorted(enumerate(head.items()), key=lambda each: -each[1][1]):
        if need and sum(widths[each] for each in kept) - _GAP > columns:
            kept.discard(column)
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    made.title = title
    for column, name in enumerate(head):
        if column in kept:
            left = name in {"node", "topic", "state"}
            made.add_column(name, justify="left" if left else "right", no_wrap=True)
    for row in shown:
        made.add_row(*(row[column] for column in sorted(kept)))
    return made


def _widths(head: dict[str, int], rows: "Sequence[Row]") -> list[int]:
    lines = [tuple(head), *rows]
    return [max(len(line[column]) for line in lines) + _GAP for column in range(len(head))]


def _cut(name: str | Text, most: int) -> str | Text:
    return ends_of(name, most) if isinstance(name, str) else name
