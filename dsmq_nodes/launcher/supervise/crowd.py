"""How crowded the CPUs are: of many processes at once each has a share of the time.

Patience with a process that starts or ends is patience with it, not with the others: two hundred
nodes that end on two cores have the time of one that ends alone, each. Imports little: the guard
needs it.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Final

import psutil

TICK_SEC: Final = 0.25
_LEAST_SHARE: Final = 1 / 30  # nobody is waited for without end
_BUSY: Final = frozenset({psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP})


def cores() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def is_busy(pid: int) -> bool:
    """Whether a process runs, or would: it wants a CPU, or its program from the disk."""
    try:
        return psutil.Process(pid).status() in _BUSY
    except psutil.Error:
        return False


class Ending:
    """How processes that end get on: each has a share of a CPU, looked at now and then.

    Attributes:
        ended: how many have ended.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        """Look at those processes that `pids` returns."""
        self._pids = pids
        self._at_sec = 0.0
        self._share = 1.0
        self.ended = 0

    def share(self) -> float:
        """Return the share: 1.0 where each has a CPU for itself."""
        if time.monotonic() - self._at_sec >= TICK_SEC:
            busy = sum(map(is_busy, self._pids()))
            self._share = min(1.0, max(_LEAST_SHARE, cores() / max(1, busy)))
            self._at_sec = time.monotonic()
        return self._share
