"""Virtual time: it does not pass by itself, but is set forward to the next due moment."""

import asyncio
import math
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from dsmq_nodes.graph.time.clock import BaseClock
from dsmq_nodes.graph.time.node_clock import NodeClock

EPOCH_NS: Final = 1_577_836_800 * 1_000_000_000  # 2020-01-01 UTC: a test's first moment


class VirtualClock(BaseClock):
    """Starts at 0 s of monotonic time and, by default, at 2020-01-01 of the wall clock."""

    def __init__(self, start_ns: int = EPOCH_NS) -> None:
        self._start_ns = start_ns
        self._sec = 0.0

    @override
    def now_ns(self) -> int:
        return max(self._start_ns + round(self._sec * 1e9), 0)

    @override
    def monotonic_sec(self) -> float:
        return self._sec

    def set_wall_clock(self, step_sec: float) -> None:
        """Set the wall clock forward or back, as setting the date does."""
        self._start_ns += round(step_sec * 1e9)

    def set_forward(self, to_sec: float) -> None:
        """Set the time forward."""
        self._sec = max(self._sec, to_sec)


class NodesVirtualClock(NodeClock, VirtualClock):
    """One node's virtual clock: the graph's, which also notices that it was set."""

    _machine: VirtualClock

    @override
    def set_wall_clock(self, step_sec: float) -> None:
        self._machine.set_wall_clock(step_sec)

    @override
    def set_forward(self, to_sec: float) -> None:
        self._machine.set_forward(to_sec)


@dataclass
class _Limit:
    """How far the clock may go, when to stop earlier, and a function to call then."""

    sec: float
    is_enough: Callable[[], object]
    on_limit: Callable[[], None]


class _Selector(selectors.DefaultSelector):
    """Sets the clock forward instead of waiting, up to a limit."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.limit: _Limit | None = None
        self._clock = clock

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None and self.limit is None:
            # nothing will ever be due: only another thread can continue
            return super().select(None)
        due_sec = math.inf if timeout is None else self._clock.monotonic_sec() + timeout
        # Nothing more happens at this moment: let time pass, or stop.
        limit = self.limit
        if limit is not None and (limit.is_enough() or due_sec > limit.sec):
            if not limit.is_enough():
                self._clock.set_forward(limit.sec)
            limit.on_limit()
        else:
            self._clock.set_forward(due_sec)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time: `asyncio.sleep(3600)` takes microseconds."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = _Selector(clock)
        super().__init__(self._virtual)
        self._clock = clock

    @override
    def time(self) -> float:
        return self._clock.monotonic_sec()

    async def pass_time(
        self, seconds: float, is_enough: Callable[[], object], *others: asyncio.Future[None]
    ) -> None:
        """Let time pass, with everything that is due in it, or less if `is_enough` returns true.

        Also returns early when one of the other futures is done.
        """
        passed: asyncio.Future[None] = self.create_future()

        def on_limit() -> None:
            if not passed.done():
                passed.set_result(None)

        self._virtual.limit = _Limit(self.time() + seconds, is_enough, on_limit)
        try:
            await asyncio.wait({passed, *others}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._virtual.limit = None
