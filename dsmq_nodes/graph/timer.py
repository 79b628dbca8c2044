"""Timers: callbacks at a fixed rate, on absolute monotonic deadlines.

The n-th tick is due at start + n * period, whatever the ticks before it took: no drift. Ticks that
are already past when a callback returns are skipped and counted as overruns, never made up for in
a burst.
"""

import asyncio
from collections.abc import Awaitable, Callable

from dsmq_nodes.graph.histogram import Histogram

Callback = Callable[[], Awaitable[None] | None]


class Timer:
    """Calls a callback every `period_sec`; made by `Node.create_timer`.

    Attributes:
        ticks: how often the callback was called.
        overruns: how many ticks were skipped because the node was late.
        lateness: how long after its deadline each tick began.
    """

    def __init__(
        self, period_sec: float, callback: Callback, execute: Callable[[Callback], object]
    ) -> None:
        if not period_sec > 0:
            raise ValueError(f"a timer's period is more than 0 s, not {period_sec!r}")
        self.period_sec = period_sec
        self.callback = callback
        self.ticks = 0
        self.overruns = 0
        self.lateness = Histogram()
        self._execute = execute
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._running: object = None
        self._due_sec = 0.0
        self._first_sec = self._last_sec = 0.0
        self._canceled = False

    @property
    def name(self) -> str:
        """The callback's name."""
        return getattr(self.callback, "__name__", type(self.callback).__name__)

    @property
    def achieved_hz(self) -> float:
        """The rate over the whole run so far; 0 before the second tick."""
        span_sec = self._last_sec - self._first_sec
        return (self.ticks - 1) / span_sec if span_sec > 0 else 0.0

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start ticking in a loop; the first tick is one period from now."""
        self._loop = loop
        self.reset()

    def reset(self) -> None:
        """Start over: the next tick is one period from now."""
        self._stop()
        self._canceled = False
        if self._loop is not None:
            self._due_sec = self._loop.time() + self.period_sec
            self._handle = self._loop.call_at(self._due_sec, self._tick)

    def cancel(self) -> None:
        """Stop ticking; `reset` starts again."""
        self._stop()
        self._canceled = True

    def is_canceled(self) -> bool:
        """Whether `cancel` was called."""
        return self._canceled

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tick(self) -> None:
        loop = self._loop
        if loop is None:
            return
        now = loop.time()
        if isinstance(self._running, asyncio.Task) and not self._running.done():
            self.overruns += 1  # the coroutine of an earlier tick is still at it
        else:
            self.lateness.add(now - self._due_sec)
            self.ticks += 1
            self._last_sec = now
            self._first_sec = self._first_sec or now
            self._running = self._execute(self.callback)
        if self._canceled:
            return
        self._due_sec += self.period_sec
        missed = int((loop.time() - self._due_sec) / self.period_sec)
        if missed > 0:
            self.overruns += missed
            self._due_sec += missed * self.period_sec
        self._handle = loop.call_at(self._due_sec, self._tick)
