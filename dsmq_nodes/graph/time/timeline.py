"""Where what is due at some time gets its time from: an event loop, or a simulation's clock."""

from collections.abc import Callable
from typing import Protocol


class Handle(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Do not make it."""


class Timeline(Protocol):
    """Time that never goes back, in seconds; asyncio's event loops are such."""

    def time(self) -> float:
        """Now; the zero means nothing."""

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        """Call back at a time, soon if it has passed already."""
