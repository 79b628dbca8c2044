"""Matches the outputs of a rerun with the recorded ones.

Outputs are compared one by one in order, beginning with the first recorded output. A node that was
not ready at first has not answered the first inputs, and a recording ends before the last answers:
outputs of a rerun before the first recorded one and after the last one are no differences. The
first output to compare is the one with the same header stamp as the first recorded output, if that
stamp was copied from an input. Otherwise it is an output with an earlier time than the recorded
one, since an answer takes no time in a rerun: the one from which the two agree for longest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from dsmq_nodes.bag.rerunning.comparing import Tolerance, differences

_ROUNDING_NS: Final = 1000
_MOST_TRIED: Final = 200
SETTLE_NS: Final = 100_000_000  # outputs come within this time of their input


@dataclass(frozen=True, slots=True)
class RerunOutput:
    """A published message: its time, and its values as in JSON."""

    at_ns: int
    message: Any

    @property
    def stamp(self) -> tuple[int, int] | None:
        """The stamp in the message's header; None when it has none, or the stamp is not set."""
        header = self.message.get("header") if isinstance(self.message, dict) else None
        stamp = header.get("stamp") if isinstance(header, dict) else None
        if not isinstance(stamp, dict):
            return None
        found = stamp.get("sec", 0), stamp.get("nanosec", 0)
        return found if any(found) else None


@dataclass(frozen=True, slots=True)
class Uncompared:
    """The messages of a topic that were not compared.

    Attributes:
        before: the number of rerun messages before the first recorded one.
        after: the number of rerun messages after the last recorded one.
        earlier: the number of recorded messages that answer inputs from before the bag.
    """

    before: int = 0
    after: int = 0
    earlier: int = 0

    def __str__(self) -> str:
        counts = {
            "before the first that was recorded": self.before,
            "after the last that was recorded": self.after,
            "recorded that answer what came before the bag": self.earlier,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


class Pairing(NamedTuple):
    """The pairs to compare, and how many outputs are not compared."""

    recorded: list[RerunOutput]
    found: list[RerunOutput]
    uncompared: Uncompared


def paired(
    recorded: list[RerunOutput], found: list[RerunOutput], first_ns: int, tolerance: Tolerance
) -> Pairing:
    """Pair outputs of a topic; the first input came at `first_ns`."""
    if not recorded or not found:
        return Pairing(recorded, found, Uncompared())
    earlier, begins = _by_stamp(recorded, found, first_ns)
    if not begins:
        at_ns = recorded[0].at_ns + _ROUNDING_NS
        begins = [index for index, each in enumerate(found) if each.at_ns <= at_ns] or [0]
    recorded = recorded[earlier:]
    before = _longest(recorded, found, begins, tolerance)
    after = max(0, len(found) - before - len(recorded))
    end = len(found) - after
    return Pairing(recorded, found[before:end], Uncompared(before, after, earlier))


def _by_stamp(
    recorded: list[RerunOutput], found: list[RerunOutput], first_ns: int
) -> tuple[int, list[int]]:
    """Return how many recorded outputs to skip, and the rerun's with the next one's stamp."""
    for index, each in enumerate(recorded):
        if index and (recorded[index - 1].at_ns > first_ns + SETTLE_NS or each.stamp is None):
            break
        same = [i for i, other in enumerate(found) if each.stamp and other.stamp == each.stamp]
        if same and (index == 0 or same[0] == 0):
            return index, same
    return 0, []


def _longest(
    recorded: list[RerunOutput], found: list[RerunOutput], begins: list[int], tolerance: Tolerance
) -> int:
    """Return the start from which both agree for longest; of several the nearest in time."""
    best, longest = begins[-1], -1
    for begin in reversed(begins[-_MOST_TRIED:]):
        length = _agreeing(zip(recorded, found[begin:], strict=False), tolerance)
        if length > longest:
            best, longest = begin, length
        if length == len(recorded):
            break
    return best


def _agreeing(pairs: Iterator[tuple[RerunOutput, RerunOutput]], tolerance: Tolerance) -> int:
    count = 0
    for before, now in pairs:
        if next(differences(before.message, now.message, tolerance), None) is not None:
            break
        count += 1
    return count
