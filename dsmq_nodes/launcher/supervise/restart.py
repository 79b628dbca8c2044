"""Decides when a process that has ended is started again, and when no longer. Pure.

The delay before a restart doubles each time, up to a limit, and varies by chance, so that nodes
that failed together do not restart together. A process that was ready for some seconds has
recovered: its count begins at zero again. With more restarts in the window than allowed, a process
has failed for good.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from dsmq_nodes.launcher.supervise.plan import RestartPlan

HEALTHY_SEC: Final = 10.0
"""A process that was ready for this long has recovered."""
_MOST_DOUBLED: Final = 32  # times: 2.0**1024 overflows


class Restarts:
    """Counts the restarts of one process."""

    def __init__(self, plan: RestartPlan, chance: Callable[[], float] = random.random) -> None:
        """Follow `plan`; `chance` returns numbers from 0 to 1."""
        self._plan = plan
        self._chance = chance
        self._at_sec: deque[float] = deque(maxlen=plan.max_restarts or _MOST_DOUBLED)

    def wanted(self, status: int) -> bool:
        """Whether a process with this exit status is restarted at all."""
        policy = self._plan.policy
        return policy == "always" or (policy == "on-failure" and status != 0)

    def delay_sec(self, healthy_sec: float, now_sec: float) -> float | None:
        """Return the delay before the next restart; None if the process has failed.

        Args:
            healthy_sec: how long it was ready before it ended.
            now_sec: the monotonic clock.
        """
        if healthy_sec >= HEALTHY_SEC:
            self._at_sec.clear()
        while self._at_sec and now_sec - self._at_sec[0] > self._plan.window_sec:
            self._at_sec.popleft()
        most = self._plan.max_restarts
        if most is not None and len(self._at_sec) >= most:
            return None
        doubled = self._plan.delay_sec * 2.0 ** min(len(self._at_sec), _MOST_DOUBLED)
        around = 1.0 + self._plan.jitter * (2.0 * self._chance() - 1.0)
        delay_sec = min(doubled, self._plan.max_delay_sec) * around
        self._at_sec.append(now_sec + delay_sec)
        return delay_sec

    def forget(self) -> None:
        """Count from zero again, since a user has started it."""
        self._at_sec.clear()
