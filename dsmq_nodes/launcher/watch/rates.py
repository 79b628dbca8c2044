"""Checks whether nodes keep their declared rates, and what delays those that do not. Pure.

A rate is a contract. It is measured at the timer that has this rate, over a window of some seconds,
so that a single late tick is not a breach. When a rate is missed, the warning names the callback
that has delayed the node longest in that window. If no callback has, the process did not get the
CPU.
"""

import math
from collections import deque
from itertools import pairwise
from typing import Final, NamedTuple

from dsmq_nodes.messages.dsmq_msgs import NodeStatistics, TimerStatistics

WINDOW_SEC: Final = 5.0
TOLERANCE: Final = 0.05
_FEWEST_TICKS: Final = 5
_TIMER_IS_MADE_SEC: Final = 2.0
_STILL_SEC: Final = 2.5  # statistics come each second, as do ticks


def rated_timer(node: NodeStatistics) -> TimerStatistics | None:
    """Return the timer that runs at the node's declared rate."""
    if not node.rate_hz:
        return None
    own = [each for each in node.timers if math.isclose(each.rate_hz, node.rate_hz, rel_tol=1e-6)]
    return max(own, key=lambda timer: timer.ticks, default=None)


class _TimedStatistics(NamedTuple):
    at_sec: float
    msg: NodeStatistics

    @property
    def ticks(self) -> int:
        timer = rated_timer(self.msg)
        return timer.ticks if timer is not None else 0

    def until(self, later: "_TimedStatistics") -> float:
        """Return the seconds between two, by the node's clock or by ours, whichever is less.

        The node's clock may be set, and ours may be late: so no node is accused wrongly.
        """
        begin, end = self.msg.stamp, later.msg.stamp
        by_stamps_sec = (end.sec - begin.sec) + (end.nanosec - begin.nanosec) * 1e-9
        return min(later.at_sec - self.at_sec, by_stamps_sec)


class RateWatch:
    """Watches the rates of all nodes."""

    def __init__(self, tolerance: float = TOLERANCE) -> None:
        """Watch over `WINDOW_SEC`, or more for a slow node; `tolerance` is a share of the rate."""
        self._tolerance = tolerance
        self._reports: dict[str, deque[_TimedStatistics]] = {}
        # of all nodes: pid, and when statistics last came
        self._last: dict[str, tuple[int, float]] = {}
        self._missing: set[str] = set()
        self._without_timer: dict[str, float] = {}  # by node, the time since when
        self._ticked_sec = math.inf

    def take(self, msg: NodeStatistics, now_sec: float) -> str | None:
        """Take a node's statistics; return the fault when its rate begins to be missed."""
        self._last[msg.name] = msg.pid, now_sec
        if rated_timer(msg) is None:
            return None
        window, latest = self._reports.setdefault(msg.name, deque()), _TimedStatistics(now_sec, msg)
        if window and (window[-1].msg.pid != msg.pid or window[-1].until(latest) < 0):
            window.clear()  # the node was restarted, or its clock was set back
        window.append(latest)
        needed_sec = max(WINDOW_SEC, _FEWEST_TICKS / msg.rate_hz)
        while len(window) > 2 and window[1].until(latest) >= needed_sec:
            window.popleft()
        span_sec = window[0].until(latest)
        if span_sec < needed_sec:
            return None
        ticks = latest.ticks - window[0].ticks
        # One tick more or less depends on where the window begins.
        if ticks + 1 >= span_sec * msg.rate_hz * (1.0 - self._tolerance):
            self._missing.discard(msg.name)
            return None
        if msg.name in self._missing:
            return None
        self._missing.add(msg.name)
        return f"{ticks / span_sec:.1f} Hz of {msg.rate_hz:g} Hz: {_why(list(window), span_sec)}"

    def not_measured(self, msg: NodeStatistics, now_sec: float) -> str | None:
        """Take a node's statistics; return a fault, once, if no timer has its declared rate."""
        if not msg.rate_hz or rated_timer(msg) is not None:
            self._without_timer.pop(msg.name, None)
            return None
        since_sec = self._without_timer.setdefault(msg.name, now_sec)
        if now_sec - since_sec < _TIMER_IS_MADE_SEC:
            return None
        self._without_timer[msg.name] = math.inf
        return f"it declares {msg.rate_hz:g} Hz, and has no timer of that rate: it is not measured"

    def tick(self, now_sec: float) -> None:
        """Note the time, once a second; after a longer pause this process, or all, stood still.

        Then all measurements are dropped; a node that stands still alone is detected later.
        """
        if now_sec - self._ticked_sec > _STILL_SEC:
            self._reports.clear()
            self._last = {name: (pid, now_sec) for name, (pid, _) in self._last.items()}
        self._ticked_sec = now_sec

    def begun(self, name: str, pid: int, now_sec: float) -> None:
        """Expect statistics of a node that is ready: it may hang before it publishes any."""
        if name not in self._last or self._last[name][0] != pid:
            self._last[name] = pid, now_sec

    def silent(self, now_sec: float) -> list[tuple[str, int, str]]:
        """Return name, pid and fault of nodes without statistics for two windows, once each."""
        patience_sec = 2.0 * WINDOW_SEC
        found = [
            (name, pid, f"no statistics for {patience_sec:g} s")
            for name, (pid, at_sec) in self._last.items()
            if now_sec - at_sec > patience_sec
        ]
        for name, _, _ in found:
            del self._last[name]
            self._reports.pop(name, None)
        return found


def _why(window: list[_TimedStatistics], span_sec: float) -> str:
    before = {each.name: each.busy_sec for each in window[0].msg.callbacks}
    after = window[-1].msg.callbacks
    busy_sec = {each.name: each.busy_sec - before.get(each.name, 0.0) for each in after}
    total_sec = sum(busy_sec.values())
    missing_sec = span_sec - (window[-1].ticks - window[0].ticks) / window[-1].msg.rate_hz
    if total_sec < missing_sec / 2:
        still_sec = max(one.until(two) for one, two in pairwise(window))
        if still_sec > _STILL_SEC:
            return f"it stood still for {still_sec:.1f} s: its process or the machine was stopped"
        return f"callbacks took {total_sec:.2f} s of {span_sec:.1f} s, the CPU was with others"
    name = max(busy_sec, key=lambda each: busy_sec[each])
    reports = [each for report in window[1:] for each in report.msg.callbacks if each.name == name]
    longest_sec = max((each.longest_sec for each in reports), default=0.0)
    return (
        f"{name} took {busy_sec[name]:.2f} s of {span_sec:.1f} s, "
        f"up to {longest_sec * 1e3:.0f} ms at once"
    )
