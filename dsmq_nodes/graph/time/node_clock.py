"""The clock of a node in real time: the machine's, watched for being set.

A wall clock is set by a person, by NTP at its first contact, or after a suspension. Intervals use
the monotonic clock and are not affected. Stamps are: after the clock was set back, the transforms
of the last seconds lie in the future.
"""

from collections.abc import Callable
from typing import Final

from typing_extensions import override

from dsmq_nodes.graph.callback import Callback
from dsmq_nodes.graph.time.clock import BaseClock

_STEP_SEC: Final = 0.1  # more than a clock is slewed between two checks
_READING_SEC: Final = 0.02  # clocks that are read further apart are not compared
_SET_BACK_KEPT_SEC: Final = 300.0


class NodeClock(BaseClock):
    """The machine's clock, as one node uses it."""

    def __init__(
        self, machine: BaseClock, execute: Callable[[Callback], object], warn: Callable[[str], None]
    ) -> None:
        """Read `machine`; `execute` runs callbacks of a jump back, `warn` logs that it was set."""
        self._machine = machine
        self._execute = execute
        self._warn = warn
        self._on_jump_back: list[Callback] = []
        self._ahead_ns: int | None = None  # the wall clock minus the monotonic one
        self._set_back_sec = 0.0
        self._set_back_at_sec = 0.0

    @override
    def now_ns(self) -> int:
        return self._machine.now_ns()

    @override
    def monotonic_sec(self) -> float:
        return self._machine.monotonic_sec()

    @override
    def call_on_jump_back(self, callback: Callback) -> None:
        super().call_on_jump_back(callback)
        self._on_jump_back.append(callback)

    @property
    def set_back_sec(self) -> float:
        """How far it was last set back, in seconds, if in the last 5 minutes; else 0."""
        since_sec = self.monotonic_sec() - self._set_back_at_sec
        return self._set_back_sec if since_sec < _SET_BACK_KEPT_SEC else 0.0

    def check(self) -> None:
        """Check whether the wall clock was set: warn, and call back if it was set back."""
        began_sec = self.monotonic_sec()
        now_ns = self.now_ns()
        if self.monotonic_sec() - began_sec > _READING_SEC or not now_ns:
            return  # the clock may be before 1970, where it stands still
        ahead_ns, before_ns = now_ns - round(began_sec * 1e9), self._ahead_ns
        self._ahead_ns = ahead_ns
        step_sec = 0.0 if before_ns is None else (ahead_ns - before_ns) * 1e-9
        if abs(step_sec) < _STEP_SEC:
            return
        self._warn(
            f"the clock of this machine was set {'forward' if step_sec > 0 else 'back'} by "
            f"{abs(step_sec):.1f} s: stamps from before are of another time"
        )
        if step_sec < 0:
            self._set_back_sec, self._set_back_at_sec = -step_sec, began_sec
            for callback in self._on_jump_back:
                self._execute(callback)
