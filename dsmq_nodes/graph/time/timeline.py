"""The time by which scheduled calls are due: an event loop's, or that of a simulation."""

from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancel the call."""


class Timeline(Protocol):
    """Time that never goes back, in seconds; asyncio's event loops implement it."""

    def time(self) -> float:
        """Return the current time; its zero is arbitrary."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        """Call back at a time; soon, if that time has passed already."""
