"""How crowded the CPUs are: many processes at once each get a share of the time.

Limits for a process that starts or ends are extended by that share: two hundred nodes that end on
two cores each get as much CPU time as one that ends alone. Imports little: the guard needs it.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import psutil

_TICK_SEC: Final = 0.25
_LEAST_SHARE: Final = 1 / 30  # so that no wait is without an end
_BUSY: Final = frozenset({psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP})
_STOPPED: Final = frozenset({psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP})


def cores() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def is_busy(pid: int) -> bool:
    """Whether a process is running or runnable, or loads its program from the disk."""
    return _status(pid) in _BUSY


def is_stopped(pid: int) -> bool:
    """Whether a process stands still, as after Ctrl-Z or SIGSTOP."""
    return _status(pid) in _STOPPED


def _status(pid: int) -> str:
    """Return a process's status; empty if it has ended, or no descriptor is left to look with."""
    try:
        return psutil.Process(pid).status()
    except (psutil.Error, OSError):
        return ""


class Ending:
    """The share of a CPU that ending processes have, sampled at intervals.

    Attributes:
        ended: how many have ended.
    """

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        """Sample the processes that `pids` returns."""
        self._pids = pids
        self._at_sec = 0.0
        self._share = 1.0
        self.ended = 0

    def share(self) -> float:
        """Return the share: 1.0 if each process has a CPU for itself."""
        if time.monotonic() - self._at_sec >= _TICK_SEC:
            busy = sum(map(is_busy, self._pids()))
            self._share = min(1.0, max(_LEAST_SHARE, cores() / max(1, busy)))
            self._at_sec = time.monotonic()
        return self._share

    def waits(self, limit_sec: float) -> Iterator[float]:
        """Yield the longest next wait, repeatedly, until `limit_sec` of a whole CPU have passed.

        The time between two waits counts by the processes' share of the CPU, the lesser of before
        and after: at first the signal has not arrived, and none of them is busy. A caller that
        returns late had no CPU itself, and its delay does not count.
        """
        left_sec = limit_sec
        while left_sec > 0:
            began_sec, share = time.monotonic(), self.share()
            wait_sec = min(_TICK_SEC, left_sec / share)
            yield wait_sec
            waited_sec = min(wait_sec, time.monotonic() - began_sec)
            left_sec -= waited_sec * min(share, self.share())
