"""Decides which rows of a store are to be deleted, by age and by size: oldest first.

Rows are grouped into *slots* of consecutive ``seq``, by time and by size, at most some hundred. A
slot is deleted when all its rows are older than their time to live, or the store is over its
budget.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

_IN_BUDGET: Final = 64
_IN_TTL: Final = 60


@dataclass(slots=True)
class _Slot:
    first_seq: int
    last_seq: int
    opened_at_sec: float
    last_at_sec: float
    size_bytes: int = 0


class Retention:
    """The slots of one store.

    Attributes:
        size_bytes: the size of all slots.
    """

    def __init__(self, ttl_sec: float, budget_bytes: int) -> None:
        self.size_bytes = 0
        self._most_bytes = budget_bytes // _IN_BUDGET
        self._most_sec = ttl_sec / _IN_TTL
        self._slots: deque[_Slot] = deque()

    def __len__(self) -> int:
        return len(self._slots)

    def open(self, seq: int, at_sec: float) -> None:
        """Begin a slot with the row `seq`, which will be added next."""
        self._slots.append(_Slot(seq, seq, at_sec, at_sec))

    def add(self, seq: int, size_bytes: int, at_sec: float) -> bool:
        """Add the newest row; return whether it begins a slot."""
        newest = self._slots[-1] if self._slots else None
        begins = (
            newest is None
            or newest.size_bytes + size_bytes > self._most_bytes
            or at_sec - newest.opened_at_sec > self._most_sec
        )
        if begins:
            self.open(seq, at_sec)
        self.extend(seq, size_bytes)
        self._slots[-1].last_at_sec = at_sec
        return begins

    def extend(self, seq: int, size_bytes: int) -> None:
        """Add the newest row to the newest slot, whatever that slot's age."""
        newest = self._slots[-1]
        newest.last_seq = seq
        newest.size_bytes += size_bytes
        self.size_bytes += size_bytes

    def grow(self, seq: int, size_bytes: int) -> None:
        """Count more bytes of a row that was added before."""
        for slot in reversed(self._slots):
            if slot.first_seq <= seq:
                slot.size_bytes += size_bytes
                self.size_bytes += size_bytes
                break

    def past(self, before_sec: float, most_bytes: int) -> int:
        """Return the last `seq` of the oldest slot if that is to be deleted; else 0."""
        slot = self._slots[0] if self._slots else None
        if slot is None or (slot.last_at_sec >= before_sec and self.size_bytes <= most_bytes):
            return 0
        return slot.last_seq

    def drop(self, upto_seq: int) -> None:
        """Drop the slots whose rows are deleted."""
        while self._slots and self._slots[0].last_seq <= upto_seq:
            self.size_bytes -= self._slots.popleft().size_bytes
