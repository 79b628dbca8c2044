"""What a launch is doing, as tables: its nodes, and its topics."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import psutil
from rich.table import Table
from rich.text import Text

from dsmq_nodes.launcher.member import Member, State
from dsmq_nodes.launcher.rates import TOLERANCE, rated_timer

if TYPE_CHECKING:
    from dsmq_nodes.launcher.observer import GraphObserver
    from dsmq_nodes.launcher.supervisor import Supervisor
    from dsmq_nodes.messages.dsmq_msgs import NodeStatistics, TopicStatistics

_STYLES: Final = {
    State.READY: "green",
    State.FINISHED: "dim",
    State.STOPPED: "dim",
    State.FAILED: "bold red",
}
# The columns, and how soon a narrow terminal goes without: highest first, 0 never.
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
_FEWEST_TOPIC_LINES: Final = 4
_GAP: Final = 2
_MIB: Final = 1 << 20

_Row = tuple[str | Text, ...]


class Status:
    """Makes the tables, once a second."""

    def __init__(self, supervisor: "Supervisor", observer: "GraphObserver") -> None:
        self._supervisor = supervisor
        self._observer = observer
        self._processes: dict[int, psutil.Process] = {}
        self._last: dict[str, _Last] = {}

    def tables(self, columns: int, most_lines: int) -> Iterator[Table]:
        """The tables; what goes beyond so many lines is left out and counted."""
        members = [*self._supervisor.members.values(), self._supervisor.broker]
        rows = [row for member in members for row in self._rows(member)]
        topics = self._observer.broker_statistics.topics
        told = [_topic_row(topic) for topic in topics if _is_of_interest(topic)]
        for_nodes = min(len(rows), max(1, most_lines - 1 - (_FEWEST_TOPIC_LINES if told else 0)))
        yield _table(_NODE_COLUMNS, rows, columns, for_nodes)
        for_topics = min(len(told), most_lines - 1 - for_nodes - 2)
        if for_topics > 0:
            yield _table(_TOPIC_COLUMNS, told, columns, for_topics, title=" ")

    def _rows(self, member: Member) -> Iterator[_Row]:
        cpu, memory = self._used(member.pid)
        restarts = max(0, member.starts - 1)
        process = (
            Text(member.state, _STYLES.get(member.state, "yellow")),
            str(member.pid or "-"),
            Text(str(restarts), "yellow" if restarts else ""),
            cpu,
            memory,
        )
        found = [self._observer.statistics.get(node.name) for node in member.plan.nodes]
        # What a process that is gone has told last is no news.
        nodes = [node for node in found if node is not None and node.pid == member.pid]
        if len(member.plan.nodes) == 1 and nodes:
            yield (member.name, *process, *self._node(nodes[0]))
            return
        yield (member.name, *process, "-", "-", "-")
        for node in nodes if len(member.plan.nodes) > 1 else []:
            yield (f"  {node.name}", "", "", "", "", "", *self._node(node))

    def _used(self, pid: int) -> tuple[str, str]:
        with contextlib.suppress(psutil.Error):
            if not pid:
                return "-", "-"
            if pid not in self._processes:
                self._processes[pid] = psutil.Process(pid)
            process = self._processes[pid]
            return f"{process.cpu_percent():.0f} %", f"{process.memory_info().rss / _MIB:.0f} MiB"
        return "-", "-"

    def _node(self, node: "NodeStatistics") -> _Row:
        heard = [each.latency_p99_sec for each in node.subscriptions if each.latency_p99_sec]
        dropped = sum(each.dropped for each in node.publishers) + sum(
            each.dropped + each.invalid for each in node.subscriptions
        )
        return (
            self._rate(node),
            f"{max(heard) * 1e3:.1f} ms" if heard else "-",
            Text(str(dropped), "yellow" if dropped else ""),
        )

    def _rate(self, node: "NodeStatistics") -> str | Text:
        timer = rated_timer(node)
        if timer is None:
            return "-"
        now_sec = node.stamp.sec + node.stamp.nanosec * 1e-9
        last = self._last.get(node.name)
        if last is None or last.pid != node.pid:
            last = self._last[node.name] = _Last(node.pid, now_sec, timer.ticks, None)
        elif now_sec > last.at_sec:
            ticks, span_sec = timer.ticks - last.ticks, now_sec - last.at_sec
            # One tick more or less is where the second happens to begin.
            low = ticks + 1 < span_sec * node.rate_hz * (1.0 - TOLERANCE)
            rate = Text(f"{ticks / span_sec:.1f} / {node.rate_hz:g} Hz", "red" if low else "")
            last = self._last[node.name] = _Last(node.pid, now_sec, timer.ticks, rate)
        return last.rate or f"- / {node.rate_hz:g} Hz"


class _Last(NamedTuple):
    """A node's statistics when they were last shown."""

    pid: int
    at_sec: float
    ticks: int
    rate: Text | None


def _is_of_interest(topic: "TopicStatistics") -> bool:
    """Not the kit's own, nor the hidden ones below `/_` that services are made of."""
    own = topic.name.startswith("/dsmq/") or "/_" in topic.name
    return not own and bool(topic.messages or topic.edges)


def _topic_row(topic: "TopicStatistics") -> _Row:
    latencies = [edge.latency_sec for edge in topic.edges if edge.latency_sec]
    dropped = sum(edge.dropped for edge in topic.edges)
    return (
        topic.name,
        f"{len(topic.publishers)} > {len(topic.edges)}",
        f"{topic.rate_hz:.1f} Hz",
        f"{topic.bytes_per_sec / 1e3:.1f} kB/s",
        f"{max(latencies) * 1e3:.1f} ms" if latencies else "-",
        Text(str(dropped), "yellow" if dropped else ""),
    )


def _table(
    head: dict[str, int], rows: list[_Row], columns: int, most: int, title: str | None = None
) -> Table:
    """A table of so many columns of text and rows at most."""
    shown = rows if len(rows) <= most else rows[: most - 1]
    if len(shown) < len(rows):
        shown = [*shown, (Text(f"... {len(rows) - len(shown)} more", "dim"), *[""] * len(head))]
    lines = [tuple(head), *shown]
    widths = [max(len(line[column]) for line in lines) + _GAP for column in range(len(head))]
    kept = set(range(len(head)))
    for column, (_, need) in sorted(enumerate(head.items()), key=lambda each: -each[1][1]):
        if need and sum(widths[each] for each in kept) - _GAP > columns:
            kept.discard(column)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    table.title = title
    for column, name in enumerate(head):
        if column in kept:
            left = name in {"node", "topic", "state"}
            table.add_column(name, justify="left" if left else "right", no_wrap=True)
    for row in shown:
        table.add_row(*(row[column] for column in sorted(kept)))
    return table
