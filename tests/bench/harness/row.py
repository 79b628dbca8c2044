"""The rows of the table, and the scale of their runs."""

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done; the target's own figures, or few of everything."""

    run_sec: float = 30.0
    flood: int = 1_000_000
    fan_out_sec: float = 15.0
    idle: int = 1000
    compared_sec: float = 15.0
    stopped_sec: float = 30.0
    kills: int = 20
    up_sec: float = 1.0
    down_sec: float = 1.0
    cut: int = 200
    gets: int = 500
    strangers: int = 200
    slow_sec: float = 4.0  # they are ended after some 2 s
    original_sec: float = 5.0
    original: bool = True


FULL: Final = Scale()
QUICK: Final = Scale(
    run_sec=0.5,
    flood=20_000,
    fan_out_sec=0.3,
    idle=30,
    compared_sec=0.4,
    stopped_sec=0.5,
    kills=1,
    up_sec=0.5,
    down_sec=0.2,
    cut=10,
    gets=20,
    strangers=25,
    slow_sec=0.4,
    original=False,
)


@dataclass(slots=True)
class Row:
    """One row of the table.

    Attributes:
        name: what was done.
        target: what it must reach.
        measured: what it reached.
        met: whether that is enough.
        original: the same work with dsmq 0.7.0, or with another peer.
        faults: messages lost, repeated or miscounted: never right, however slow the machine is.
    """

    name: str
    target: str
    measured: str = ""
    met: bool = True
    original: str = "-"
    faults: list[str] = field(default_factory=list)

    def expect(self, number: int, what: str) -> None:
        """Note a fault, unless the number is zero."""
        if number:
            self.faults.append(f"{number} {what}")
            self.met = False
