"""The clock of a simulation, or of a recording that is played: the time on `/clock`.

`now()` is the last time on `/clock`, and 0 before the first. Everything that is due at a time
(timers, rates, timeouts and deadlines of topics, sleeps, lookups of transforms) follows the time
that has passed since the first message. This time never goes back:

- Between two messages, time passes through every moment at which something is due, so a timer may
  be faster than `/clock`.
- A step of more than a second is a jump: it passes at once, and skipped ticks are counted.
- When time goes back (a bag that is played in a loop), no time passes: timers continue.
- Without messages no time passes.

Waiting for other processes (a service, a message, the broker) uses real time.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from typing import Final

from typing_extensions import override

from dsmq_nodes.dsmq.due_calls import DueCall, DueCalls
from dsmq_nodes.graph.callback import Callback
from dsmq_nodes.graph.time.clock import BaseClock, seconds
from dsmq_nodes.messages.base import Duration, Time

_LONGEST_STEP_NS: Final = 10**9


class SimClock(BaseClock):
    """A node's clock in simulated time; also the `Timeline` of its scheduled calls."""

    def __init__(self, execute: Callable[[Callback], object]) -> None:
        """Begin without time, until the first message; `execute` runs callbacks of a jump back."""
        self._execute = execute
        self._now_ns = 0
        self._passed_ns = 0
        self._has_begun = False
        self._calls = DueCalls()  # due by the time that has passed
        self._awaited = DueCalls()  # due by the time on `/clock`
        self._on_jump_back: list[Callback] = []

    @override
    def now_ns(self) -> int:
        return self._now_ns

    @override
    def monotonic_sec(self) -> float:
        return self._passed_ns * 1e-9

    time = monotonic_sec

    def call_at(self, when: float, callback: Callable[[], object]) -> DueCall:
        """Call back at a time; with the next message if that time has passed already."""
        return self._calls.add(round(when * 1e9), callback)

    @override
    async def sleep_for(self, duration: Duration | float) -> None:
        if seconds(duration) <= 0:
            await asyncio.sleep(0)  # no waiting, not even while `/clock` stands still
            return
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = self.call_at(self.time() + seconds(duration), functools.partial(_wake, over))
        try:
            await over
        finally:
            call.cancel()

    @override
    async def sleep_until(self, until: Time) -> None:
        until_ns = until.to_nanoseconds()
        if until_ns > self._now_ns:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            call = self._awaited.add(until_ns, functools.partial(_wake, reached))
            try:
                await reached
            finally:
                call.cancel()

    @override
    @contextlib.asynccontextmanager
    async def timeout(self, timeout_sec: float | None) -> AsyncIterator[asyncio.Timeout]:
        loop = asyncio.get_running_loop()
        if timeout_sec is None or timeout_sec <= 0:
            async with asyncio.timeout(timeout_sec) as limit:
                yield limit
            return
        async with asyncio.timeout(None) as limit:
            call = self.call_at(self.time() + timeout_sec, lambda: limit.reschedule(loop.time()))
            try:
                yield limit
            finally:
                call.cancel()

    @override
    def call_on_jump_back(self, callback: Callback) -> None:
        super().call_on_jump_back(callback)
        self._on_jump_back.append(callback)

    def set(self, now: Time) -> None:
        """Set the time, and run everything that has become due since the last message."""
        now_ns = now.to_nanoseconds()
        step_ns = now_ns - self._now_ns
        if not self._has_begun:
            self._has_begun = True
            self._now_ns, step_ns = now_ns, 0
        elif step_ns < 0:
            self._now_ns, step_ns = now_ns, 0
            for callback in self._on_jump_back:
                self._execute(callback)
        end_ns = self._passed_ns + step_ns
        if step_ns > _LONGEST_STEP_NS:
            self._advance(end_ns)
        while due := self._calls.pop(end_ns):
            self._advance(int(due[0]))
            due[1]()
        self._advance(end_ns)
        while due := self._awaited.pop(self._now_ns):
            due[1]()

    def _advance(self, to_ns: int) -> None:
        if to_ns > self._passed_ns:
            self._now_ns += to_ns - self._passed_ns
            self._passed_ns = to_ns


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
