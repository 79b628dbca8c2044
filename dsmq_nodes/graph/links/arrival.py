"""The message that a link delivers."""

from typing import Protocol


class Arrival(Protocol):
    """A message that has come, over a socket (`wire.Reply`) or by memory (`RingRecord`)."""

    id: int
    seq: int
    stamp: int
    at: int
    sender: str
    gap: int

    @property
    def text(self) -> str | None:
        """The message as JSON; None when there is none."""
