"""Virtual time: it does not pass, it is set forward to what is due next."""

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
    """Starts at 0 s on the monotonic side and, if not told otherwise, 2020-01-01 on the wall's."""

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
        """Set the wall clock forward, or back, as whoever sets the date does."""
        self._start_ns += round(step_sec * 1e9)

    def set_forward(self, to_sec: float) -> None:
        """Let time pass."""
        self._sec = max(self._sec, to_sec)


class NodesVirtualClock(NodeClock, VirtualClock):
    """The virtual clock as one node has it: that of the graph, which tells it of being set."""

    _machine: VirtualClock

    @override
    def set_wall_clock(self, step_sec: float) -> None:
        self._machine.set_wall_clock(step_sec)

    @override
    def set_forward(self, to_sec: float) -> None:
        self._machine.set_forward(to_sec)


@dataclass
class _Limit:
    """How far the clock may go, whether it is enough already, and whom to call then."""

    sec: float
    is_enough: Callable[[], object]
    on_limit: Callable[[], None]


class _Selector(selectors.DefaultSelector):
    """Where a loop would wait, sets the clock forward instead, though not beyond a limit."""

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
            return super().select(None)  # nothing is due, ever: only another thread can go on
        due_sec = math.inf if timeout is None else self._clock.monotonic_sec() + timeout
        # Nothing more happens at this moment: time may pass, or it is enough.
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
        """Let so much time pass, with all that is due in it; less when it is enough.

        Returns early too when one of the others is done.
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
