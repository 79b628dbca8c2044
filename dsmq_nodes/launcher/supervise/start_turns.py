"""Limits how many processes of a launch start at once."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from dsmq_nodes.launcher.supervise.crowd import cores, is_busy

if TYPE_CHECKING:
    from dsmq_nodes.launcher.supervise.member import Member

_LONGEST_SEC: Final = 10.0
_SAMPLE_SEC: Final = 0.02
_SAMPLES_OF_NODE: Final = 5
_SAMPLES_OF_PROGRAM: Final = 2


class StartTurns:
    """Starts about as many processes at once as there are CPUs.

    If a large launch started all at once, none would make progress, not even the broker.

    Attributes:
        free: the turns that are left; `started` gives one back.
    """

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(cores() + 1)  # one of them waits for the disk
        self._running: set[asyncio.Task[None]] = set()

    def started(self, member: "Member") -> None:
        """Give the turn back when a process that was just started no longer needs it."""
        through = asyncio.create_task(self._through(member, member.pid))
        self._running.add(through)
        through.add_done_callback(self._running.discard)

    async def _through(self, member: "Member", pid: int) -> None:
        """Wait until it is ready, has ended, or waits for something other than a CPU."""
        idle, until_sec = 0, time.monotonic() + _LONGEST_SEC
        enough = _SAMPLES_OF_NODE if member.plan.nodes else _SAMPLES_OF_PROGRAM
        try:
            while idle < enough and time.monotonic() < until_sec:
                if member.pid != pid or (member.plan.nodes and member.is_ready):
                    return
                await member.changed_within(_SAMPLE_SEC)
                idle = 0 if is_busy(pid) else idle + 1
        finally:
            self.free.release()
