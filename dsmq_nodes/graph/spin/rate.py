"""A rate: sleeps until the next of equally spaced moments."""

import math

from dsmq_nodes.graph.given import number
from dsmq_nodes.graph.spin.spinner import Spinner
from dsmq_nodes.graph.time.clock import BaseClock


class Rate:
    """Keeps a loop at a rate; made by `Node.create_rate`.

    Moments are absolute on the node's monotonic clock: the duration of the loop's body causes no
    drift. Moments that have passed already are skipped and counted.

    Attributes:
        overruns: how many moments were skipped.
    """

    def __init__(self, frequency_hz: float, spinner: Spinner, clock: BaseClock) -> None:
        self.period_sec = 1.0 / number(frequency_hz, "a rate", "Hz")
        self.overruns = 0
        self._spinner = spinner
        self._clock = clock
        self._due_sec = clock.monotonic_sec()

    def sleep(self) -> None:
        """Wait for the next moment; the node's callbacks run meanwhile, in this thread.

        Raises:
            SpinError: called from a callback: `await rate.sleep_async()` there.
        """
        self._spinner.block_on(self.sleep_async(), "await rate.sleep_async()")

    async def sleep_async(self) -> None:
        """Do the same as `sleep`, in a coroutine."""
        now_sec = self._clock.monotonic_sec()
        self._due_sec += self.period_sec
        missed = math.ceil((now_sec - self._due_sec) / self.period_sec)
        if missed > 0:
            self.overruns += missed
            self._due_sec += missed * self.period_sec
        await self._clock.sleep_for(self._due_sec - now_sec)
