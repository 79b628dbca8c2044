"""The clocks of a node: wall time for stamps, monotonic time for intervals."""

import asyncio
import contextlib
import time
from typing import Final

from dsmq_nodes.graph.callback import Callback, check_takes
from dsmq_nodes.messages.base import Duration, Time

_RECHECK_SEC: Final = 1.0  # a wall clock may be set during a wait


class BaseClock:
    """This machine's clocks."""

    def now(self) -> Time:
        """Return the wall clock time since 1970-01-01 UTC, for stamps."""
        return Time.from_nanoseconds(self.now_ns())

    def now_ns(self) -> int:
        """Return the wall clock time in ns since 1970-01-01 UTC; 0 if the clock is before that."""
        return max(time.time_ns(), 0)

    def monotonic_sec(self) -> float:
        """Return the seconds of a clock that never steps, for intervals; its zero is arbitrary."""
        return time.monotonic()

    async def sleep_for(self, duration: Duration | float) -> None:
        """Sleep for a time, in seconds or as a Duration; the node's callbacks run meanwhile."""
        await asyncio.sleep(seconds(duration))

    async def sleep_until(self, until: Time) -> None:
        """Sleep until `now()` is `until`; return at once if that has passed."""
        until_ns = until.to_nanoseconds()
        while (left_ns := until_ns - self.now_ns()) > 0:
            await asyncio.sleep(min(left_ns * 1e-9, _RECHECK_SEC))

    def timeout(
        self, timeout_sec: float | None
    ) -> contextlib.AbstractAsyncContextManager[asyncio.Timeout]:
        """Return the same as `asyncio.timeout`, by this clock."""
        return asyncio.timeout(timeout_sec)

    def call_on_jump_back(self, callback: Callback) -> None:
        """Call `callback()` when time goes back: simulated time, or a clock that was set back."""
        check_takes(callback, "a callback of a jump back")


def seconds(duration: Duration | float) -> float:
    """Return a duration in seconds."""
    return duration.to_nanoseconds() * 1e-9 if isinstance(duration, Duration) else duration
