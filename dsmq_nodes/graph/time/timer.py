"""Timers: callbacks at a fixed rate, on absolute monotonic deadlines.

The n-th tick is due at start + n * period, however long earlier ticks took: no drift. Ticks that
are already past when a callback returns are skipped and counted as overruns, not made up for in a
burst.
"""

import asyncio
import math
from collections.abc import Callable

from dsmq_nodes.graph.callback import Callback, Result
from dsmq_nodes.graph.given import number
from dsmq_nodes.graph.time.histogram import Histogram
from dsmq_nodes.graph.time.timeline import Handle, Timeline


class Timer:
    """Calls a callback every `period_sec`; made by `Node.create_timer`.

    Attributes:
        ticks: how often the callback was called.
        overruns: how many ticks were skipped because the node was late.
        lateness: how long after its deadline each tick began.
    """

    def __init__(
        self,
        period_sec: float,
        callback: Callback,
        execute: Callable[[Callback], object],
        begin: Callable[["Timer"], object],
    ) -> None:
        """Make a timer; `execute` runs a function under the callback's name, for logs.

        `begin` attaches the timer again, in the thread of its loop, if there is one.
        """
        self.period_sec = number(period_sec, "a timer's period")
        self.callback = callback
        self.ticks = 0
        self.overruns = 0
        self.lateness = Histogram()
        self._execute, self._begin = execute, begin
        self._timeline: Timeline | None = None
        self._handle: Handle | None = None
        self._running: object = None
        self._due_sec: float | None = None
        self._began_sec = self._first_sec = self._last_sec = 0.0
        self._canceled = False

    @property
    def name(self) -> str:
        """The callback's name."""
        return getattr(self.callback, "__name__", type(self.callback).__name__)

    @property
    def achieved_hz(self) -> float:
        """The mean rate so far, in Hz; 0 before the second tick."""
        span_sec = self._last_sec - self._first_sec
        return (self.ticks - 1) / span_sec if span_sec > 0 else 0.0

    @property
    def timer_period_ns(self) -> int:
        """The period in nanoseconds; a new one counts from now: the next tick is one period away.

        Raises:
            ValueError: It is set to a period that is not more than 0.
        """
        return round(self.period_sec * 1e9)

    @timer_period_ns.setter
    def timer_period_ns(self, period_ns: int) -> None:
        self.period_sec = number(period_ns / 1e9, "a timer's period")
        if not self._canceled:
            self.reset()

    def time_since_last_call(self) -> int:
        """Return the nanoseconds since the last tick was due, or the start; 0 before spinning."""
        if self._due_sec is None or self._timeline is None:
            return 0
        last_due_sec = self._due_sec - self.period_sec
        return round((self._timeline.time() - last_due_sec) * 1e9)

    def time_until_next_call(self) -> int | None:
        """Return the nanoseconds until the next tick; None: it is cancelled, or not spun yet."""
        if self._canceled or self._due_sec is None or self._timeline is None:
            return None
        return round((self._due_sec - self._timeline.time()) * 1e9)

    def attach(self, timeline: Timeline) -> None:
        """Tick by this time; the first tick is one period from now, or when it was due before."""
        self._stop()
        self._timeline = timeline
        if not self._canceled:
            self._schedule(timeline)

    def detach(self) -> None:
        """Stop ticking until the next `attach`."""
        self._stop()
        self._timeline = None

    def reset(self) -> None:
        """Start over: the next tick is one period from now. May be called from any thread."""
        self._stop()
        self._canceled = False
        self._due_sec = None
        self._begin(self)

    def cancel(self) -> None:
        """Stop ticking; `reset` starts again. May be called from any thread."""
        self._canceled = True  # set first: a tick of this moment may schedule the next one
        self._stop()

    def is_canceled(self) -> bool:
        """Whether `cancel` was called."""
        return self._canceled

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self, timeline: Timeline) -> None:
        now_sec, due_sec = timeline.time(), self._due_sec
        if due_sec is None:
            due_sec = now_sec + self.period_sec
        elif now_sec >= due_sec + self.period_sec:
            missed = math.floor((now_sec - due_sec) / self.period_sec)
            self.overruns += missed
            due_sec += missed * self.period_sec
        self._due_sec = due_sec
        self._handle = timeline.call_at(due_sec, self._tick)

    def _tick(self) -> None:
        timeline, due_sec = self._timeline, self._due_sec
        if timeline is None or due_sec is None or self._canceled:
            return
        self._began_sec, handle = timeline.time(), self._handle
        if isinstance(self._running, asyncio.Task) and not self._running.done():
            self.overruns += 1  # the coroutine of an earlier tick still runs
        else:
            self._running = self._execute(self._call)
        if self._handle is handle:  # else it was cancelled, reset or detached meanwhile
            self._due_sec = due_sec + self.period_sec
            self._schedule(timeline)

    def _call(self) -> Result:
        # Counted here: at the node's end a tick may be due without being called.
        now_sec = self._began_sec
        if self._due_sec is not None:
            self.lateness.add(now_sec - self._due_sec)
        self.ticks += 1
        self._last_sec = now_sec
        if self.ticks == 1:
            self._first_sec = now_sec
        return self.callback()
