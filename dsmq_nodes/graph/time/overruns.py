"""Warns of timers that skip over 1 % of their ticks, once in 10 s for each.

The kit's own timers are left out, since a user cannot change them.

A launch file's `rate:` allows 5 % (launcher/watch/rates.py).
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from dsmq_nodes.graph.time.timer import Timer

_WINDOW_SEC: Final = 10.0
_TOLERATED: Final = 0.01  # of the ticks of a window
_KITS_OWN: Final = ("dsmq_nodes.diagnostics", "dsmq_nodes.graph", "dsmq_nodes.launcher")


class _Window(msgspec.Struct):
    since_sec: float
    overruns: int = 0  # the timer's counters when the window began
    ticks: int = 0
    busy_sec: float = 0.0  # of the node's callbacks, likewise
    is_warned: bool = False


class OverrunWatch:
    """Watches the timers of a node."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._windows: dict[Timer, _Window] = {}

    def check(self, timers: Iterable[Timer], now_sec: float, busy_sec: float) -> None:
        """Warn of timers that skip too many ticks; callbacks have taken `busy_sec` so far."""
        known, self._windows = self._windows, {}
        for timer in timers:
            if str(getattr(timer.callback, "__module__", "")).startswith(_KITS_OWN):
                continue
            window = known.get(timer) or _Window(now_sec)
            skipped, made = timer.overruns - window.overruns, timer.ticks - window.ticks
            allowed = _TOLERATED * max(skipped + made, _WINDOW_SEC / timer.period_sec)
            if not window.is_warned and skipped > allowed:
                window.is_warned = True
                missing_sec = (now_sec - window.since_sec) * skipped / (skipped + made)
                is_busy = busy_sec - window.busy_sec >= missing_sec / 2
                self._warn_of_skipped(timer, skipped, skipped + made, is_busy)
            if now_sec - window.since_sec >= _WINDOW_SEC:
                window = _Window(now_sec, timer.overruns, timer.ticks, busy_sec)
            self._windows[timer] = window

    def _warn_of_skipped(self, timer: Timer, skipped: int, due: int, is_busy: bool) -> None:
        self._warn(
            f"timer {timer.name} skipped {skipped} of its last {due} ticks at "
            f"{1 / timer.period_sec:g} Hz: {_advice(timer, is_busy)}, or give it a lower rate"
        )


def _advice(timer: Timer, is_busy: bool) -> str:
    if inspect.iscoroutinefunction(timer.callback):
        return "it ticks again when its coroutine is done: await less there (a task of its own may)"
    if not is_busy:
        return "callbacks took little of that time, the CPU was with others: run less beside it"
    return "shorten what callbacks of the node do"
