"""Judges nodes by their counters, sans-I/O.

It compares the last two reports of a node, about a second apart:

- ERROR: a callback raised; a timer at the node's declared rate made fewer than half of its ticks;
  a message came that is not of its topic's type.
- WARN: that timer made fewer than nine tenths of its ticks, or skipped one; a message was lost,
  because there was no broker or a callback was slower than its subscription's depth allows. Of
  `/clock` a node needs the newest message alone.
- STALE: the node has sent no report for some seconds. After a minute it is forgotten.
- OK: none of these.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from dsmq_nodes.messages.diagnostic import DiagnosticStatus, KeyValue
from dsmq_nodes.messages.dsmq_msgs import (
    NodeStatistics,
    PublisherStatistics,
    SubscriptionStatistics,
    TimerStatistics,
)
from dsmq_nodes.topic_names import CLOCK_TOPIC

STALE_SEC: Final = 3.5
_FORGET_SEC: Final = 60.0
_CLOCK_SET_SEC: Final = 0.9  # a node reports once a second, and reports arrive soon
_BAD_SHARE: Final = 0.5
_POOR_SHARE: Final = 0.9
_FEW_TICKS: Final = 1.5  # a window may have one tick more or less

Finding = tuple[int, str]
_CounterT = TypeVar("_CounterT", TimerStatistics, PublisherStatistics, SubscriptionStatistics)


@dataclass
class _Reports:
    now: NodeStatistics
    before: NodeStatistics | None
    received_sec: float
    received_before_sec: float

    @property
    def window_sec(self) -> float:
        """The time between two reports; by our clock if the node's stands still or was set."""
        if self.before is None:
            return 0.0
        received_sec = self.received_sec - self.received_before_sec
        reported_ns = self.now.stamp.to_nanoseconds() - self.before.stamp.to_nanoseconds()
        return (
            reported_ns * 1e-9
            if abs(reported_ns * 1e-9 - received_sec) < _CLOCK_SET_SEC
            else received_sec
        )


class Judge:
    """Keeps the last two reports of each node."""

    def __init__(self) -> None:
        self._reports: dict[str, _Reports] = {}  # those that were received last come last

    def heard(self, statistics: NodeStatistics, now_sec: float) -> None:
        """Add a report of a node."""
        last = self._reports.pop(statistics.name, None)
        before = last.now if last is not None and not _is_new(statistics, last.now) else None
        since_sec = last.received_sec if last is not None else now_sec
        self._reports[statistics.name] = _Reports(statistics, before, now_sec, since_sec)
        self._forget(now_sec)

    def statuses(self, now_sec: float) -> list[DiagnosticStatus]:
        """Return the state of every node, by name."""
        self._forget(now_sec)
        return [self._status(reports, now_sec) for _, reports in sorted(self._reports.items())]

    def _forget(self, now_sec: float) -> None:
        while (oldest := next(iter(self._reports), None)) is not None:
            if now_sec - self._reports[oldest].received_sec <= _FORGET_SEC:
                break
            del self._reports[oldest]

    def _status(self, reports: _Reports, now_sec: float) -> DiagnosticStatus:
        silent_sec = now_sec - reports.received_sec
        if silent_sec > STALE_SEC:
            findings = [(DiagnosticStatus.STALE, f"no statistics for {silent_sec:.0f} s")]
        else:
            findings = (
                list(_findings(reports.now, reports.before, reports.window_sec))
                if reports.before
                else []
            )
        level = max((level for level, _ in findings), default=DiagnosticStatus.OK)
        return DiagnosticStatus(
            level=level,
            name=reports.now.name,
            message="; ".join(text for _, text in findings) or "ok",
            values=[KeyValue(key=key, value=value) for key, value in _values(reports)],
        )


def _findings(now: NodeStatistics, before: NodeStatistics, window_sec: float) -> Iterator[Finding]:
    if raised := now.exceptions - before.exceptions:
        yield DiagnosticStatus.ERROR, f"{_count(raised, 'exception')}, last {now.last_exception}"
    for timer, earlier in _pairs(now.timers, before.timers):
        if _is_declared(timer, now) and window_sec > 0:
            yield from _of_rate(timer, timer.ticks - earlier.ticks, window_sec)
        if skipped := timer.overruns - earlier.overruns:
            yield DiagnosticStatus.WARN, f"timer {timer.name} skipped {_count(skipped, 'tick')}"
    yield from _of_topics(now, before)


def _of_topics(now: NodeStatistics, before: NodeStatistics) -> Iterator[Finding]:
    for publisher, sent in _pairs(now.publishers, before.publishers):
        if lost := publisher.dropped - sent.dropped:
            text = f"{_count(lost, 'message')} on {publisher.topic} could not be sent"
            yield DiagnosticStatus.WARN, text
    for subscription, got in _pairs(now.subscriptions, before.subscriptions):
        yield from _of_subscription(subscription, got)


def _of_subscription(
    now: SubscriptionStatistics, before: SubscriptionStatistics
) -> Iterator[Finding]:
    if wrong := now.invalid - before.invalid:
        text = f"{_count(wrong, 'message')} on {now.topic} not of type {now.type}"
        yield DiagnosticStatus.ERROR, text
    if (lost := now.dropped - before.dropped) and now.topic != CLOCK_TOPIC:
        text = f"too slow for {now.topic}: {_count(lost, 'message')} lost"
        yield DiagnosticStatus.WARN, text


def _of_rate(timer: TimerStatistics, ticks: int, window_sec: float) -> Iterator[Finding]:
    due = timer.rate_hz * window_sec
    missing = due - ticks
    if missing <= max(_FEW_TICKS, (1 - _POOR_SHARE) * due):
        return
    is_bad = missing > max(_FEW_TICKS, (1 - _BAD_SHARE) * due)
    level = DiagnosticStatus.ERROR if is_bad else DiagnosticStatus.WARN
    yield level, f"timer {timer.name} runs at {ticks / window_sec:.1f} Hz, not {timer.rate_hz:g} Hz"


def _values(reports: _Reports) -> Iterator[tuple[str, str]]:
    node = reports.now
    declared = [timer for timer in node.timers if _is_declared(timer, node)]
    if node.rate_hz:
        yield "rate_hz", f"{node.rate_hz:g}"
    for timer in declared[:1]:
        yield "achieved_hz", f"{timer.achieved_hz:.2f}"
    counters = {
        "overruns": sum(each.overruns for each in node.timers),
        "published": node.former_sent + sum(each.messages for each in node.publishers),
        "received": node.former_received + sum(each.messages for each in node.subscriptions),
        "dropped": node.former_dropped
        + sum(each.dropped for each in node.publishers)
        + sum(each.dropped for each in node.subscriptions),
        "exceptions": node.exceptions,
        "invalid": node.former_invalid + sum(each.invalid for each in node.subscriptions),
    }
    yield from ((name, str(count)) for name, count in counters.items())
    slowest_sec = max((each.latency_p99_sec for each in node.subscriptions), default=0.0)
    if slowest_sec:
        yield "latency_p99_ms", f"{slowest_sec * 1e3:.2f}"
    yield "pid", str(node.pid)


def _is_new(now: NodeStatistics, before: NodeStatistics) -> bool:
    """Whether a node was restarted, or made again in its process: its counters are lower."""
    timers = _pairs(now.timers, before.timers)
    is_lower = now.exceptions < before.exceptions or any(a.ticks < b.ticks for a, b in timers)
    return is_lower or now.pid != before.pid


def _is_declared(timer: TimerStatistics, node: NodeStatistics) -> bool:
    return math.isclose(timer.rate_hz, node.rate_hz, rel_tol=1e-6)


def _pairs(
    now: Sequence[_CounterT], before: Sequence[_CounterT]
) -> Iterator[tuple[_CounterT, _CounterT]]:
    """Yield counters with their earlier values, except those of new timers and topics."""
    earlier = dict(_keyed(before))
    for key, each in _keyed(now):
        if key in earlier:
            yield each, earlier[key]


def _keyed(counters: Sequence[_CounterT]) -> Iterator[tuple[tuple[str, int], _CounterT]]:
    """Yield each with its name and a number: a topic may be subscribed twice."""
    seen: Counter[str] = Counter()
    for each in counters:
        name = str(getattr(each, "name", "") or getattr(each, "topic", ""))
        yield (name, seen[name]), each
        seen[name] += 1


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
