"""How crowded the CPUs are: of many processes at once each has a share of the time.

Patience with a process that starts or ends is patience with it, not with the others: two hundred
nodes that end on two cores have the time of one that ends alone, each.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from dsmq_nodes.launcher.member import Member

TICK_SEC: Final = 0.25
_LEAST_SHARE: Final = 1 / 30  # nobody is waited for without end
_LONGEST_START_SEC: Final = 10.0
_SAMPLE_SEC: Final = 0.02
_SAMPLES_OF_NODE: Final = 5
_SAMPLES_OF_PROGRAM: Final = 2
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


class Share:
    """The share of a CPU that each of some processes gets at present, looked at now and then."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        """Look at those processes that `pids` returns."""
        self._pids = pids
        self._at_sec = 0.0
        self._share = 1.0

    def now(self) -> float:
        """Return it: 1.0 where each has a CPU for itself."""
        if time.monotonic() - self._at_sec >= TICK_SEC:
            busy = sum(map(is_busy, self._pids()))
            self._share = min(1.0, max(_LEAST_SHARE, cores() / max(1, busy)))
            self._at_sec = time.monotonic()
        return self._share


class StartTurns:
    """Starts about as many processes at once as there are CPUs.

    Otherwise all of a large launch start at once, and none gets on: the broker neither.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(cores())
        self._running: set[asyncio.Task[None]] = set()

    async def mine(self) -> None:
        """Wait for a turn; `started` gives it back."""
        await self._free.acquire()

    def not_started(self) -> None:
        """Give a turn back that nothing was made of."""
        self._free.release()

    def started(self, member: "Member") -> None:
        """Give the turn back when a process that has just been started is through with it."""
        through = asyncio.create_task(self._through(member, member.pid))
        self._running.add(through)
        through.add_done_callback(self._running.discard)

    async def _through(self, member: "Member", pid: int) -> None:
        """Wait until it is ready, has ended, or waits for something other than a CPU."""
        idle, until_sec = 0, time.monotonic() + _LONGEST_START_SEC
        enough = _SAMPLES_OF_NODE if member.plan.nodes else _SAMPLES_OF_PROGRAM
        try:
            while idle < enough and time.monotonic() < until_sec:
                if member.pid != pid or (member.plan.nodes and member.is_ready):
                    return
                await member.changed_within(_SAMPLE_SEC)
                idle = 0 if is_busy(pid) else idle + 1
        finally:
            self._free.release()
