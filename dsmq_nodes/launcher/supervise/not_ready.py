"""Reports processes that take long to become ready: a warning while running, a fault at the end.

A launch that ends before that reports processes that are not ready yet, but not as a fault: a
healthy node may take some seconds to start.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final

from dsmq_nodes.launcher.supervise.crowd import is_busy
from dsmq_nodes.launcher.supervise.member import TURN, Member, MemberState

_CHECKS: Final = 10  # checks within the patience
BUSY_TIMES: Final = 6
"""How many times longer the patience is while a process is busy starting, as on a slow machine."""


class Patience:
    """Watches for processes that do not become ready."""

    def __init__(
        self, members: Collection[Member], report: Callable[[str], None], patience_sec: float
    ) -> None:
        """Watch `members`, which may grow; `report` each that takes longer than `patience_sec`."""
        self._members = members
        self._report = report
        self._patience_sec = patience_sec

    @property
    def limit_sec(self) -> float:
        """How long a process may take now to become ready."""
        starting = [each.pid for each in self._members if each.state == MemberState.STARTING]
        return self._patience_sec * (BUSY_TIMES if any(map(is_busy, starting)) else 1)

    async def watch(self) -> None:
        """Watch until cancelled; one warning for each start or wait of a process."""
        reported: set[tuple[str, float]] = set()
        while True:
            await asyncio.sleep(self._patience_sec / _CHECKS)
            for member in self._late():
                if (member.name, member.since_sec) not in reported:
                    reported.add((member.name, member.since_sec))
                    self._report(f"{member.name}: {self._why(member)}")

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield the processes that are late to become ready, with the text for the end."""
        for member in self._late():
            if member.state == MemberState.WAITING:
                yield member.name, f"was never started, it waited for {member.waits_for}"
            elif member.was_ready.is_set():
                yield member.name, "did not become ready again"
            else:
                yield member.name, "never became ready"

    def not_yet(self) -> Iterator[str]:
        """Yield the processes that are not ready yet, but are not late."""
        late = self._late()
        for member in self._members:
            if member in late or member.is_for_later:
                continue
            if member.state == MemberState.WAITING:
                yield f"{member.name}: was not started yet, it waits for {member.waits_for}"
            elif member.state == MemberState.STARTING:
                yield f"{member.name}: was not ready yet"

    def _late(self) -> list[Member]:
        before_sec = time.monotonic() - self.limit_sec
        return [
            member
            for member in self._members
            if member.state in {MemberState.WAITING, MemberState.STARTING}
            and not member.is_for_later
            and member.since_sec <= before_sec
            and not self._waits_for_a_turn(member)
        ]

    def _waits_for_a_turn(self, member: Member) -> bool:
        """Whether others are being started, which excuses a member and those that wait for it."""
        if member.state != MemberState.WAITING:
            return False
        return any(
            other.state == MemberState.WAITING and other.waits_for == TURN
            for other in self._members
        )

    def _why(self, member: Member) -> str:
        after = f"after {self.limit_sec:g} s"
        if member.state == MemberState.WAITING:
            return f"not started {after}: it waits for {member.waits_for}"
        it = "is it" if len(member.plan.nodes) == 1 else "is a node of it"
        return f"not ready {after}: {it} still in its constructor?"
