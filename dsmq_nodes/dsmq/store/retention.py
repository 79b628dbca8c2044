"""Decides which rows of a store are to be deleted: by age, and by size.

Rows are grouped into *slots* of consecutive ``seq``, by time and by size, at most some hundred. A
slot is deleted when all its rows are older than their time to live. When the store is over its
budget, the log with the most bytes gives its oldest ones, so that a camera does not push out what a
slow log has kept. Where no log is as large as a slot may be, the oldest slot is deleted.
"""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
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
    sizes: Counter[int] = field(default_factory=Counter)  # by the log's number


class Retention:
    """The slots of one store.

    Attributes:
        size_bytes: the size of all slots.
    """

    def __init__(self, ttl_sec: float, budget_bytes: int) -> None:
        self.size_bytes = 0
        self._sizes: Counter[int] = Counter()
        self._most_bytes = budget_bytes // _IN_BUDGET
        self._most_sec = ttl_sec / _IN_TTL
        self._slots: list[_Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    def open(self, seq: int, at_sec: float) -> None:
        """Begin a slot with the row `seq`, which will be added next."""
        self._slots.append(_Slot(seq, seq, at_sec, at_sec))

    def add(self, number: int, seq: int, size_bytes: int, at_sec: float) -> bool:
        """Add the newest row, of the log `number`; return whether it begins a slot."""
        newest = self._slots[-1] if self._slots else None
        begins = (
            newest is None
            or newest.size_bytes + size_bytes > self._most_bytes
            or at_sec - newest.opened_at_sec > self._most_sec
        )
        if begins:
            self.open(seq, at_sec)
        self.extend(number, seq, size_bytes)
        self._slots[-1].last_at_sec = at_sec
        return begins

    def extend(self, number: int, seq: int, size_bytes: int) -> None:
        """Add the newest row to the newest slot, whatever that slot's age."""
        newest = self._slots[-1]
        newest.last_seq = seq
        self._count(newest, number, size_bytes)

    def grow(self, number: int, seq: int, size_bytes: int) -> None:
        """Count more bytes of a row that was added before."""
        for slot in reversed(self._slots):
            if slot.first_seq <= seq:
                self._count(slot, number, size_bytes)
                break

    def _count(self, slot: _Slot, number: int, size_bytes: int) -> None:
        slot.sizes[number] += size_bytes
        slot.size_bytes += size_bytes
        self._sizes[number] += size_bytes
        self.size_bytes += size_bytes

    def past(self, before_sec: float, most_bytes: int) -> tuple[int, int | None] | None:
        """Return what is to be deleted next.

        Returns:
            The last `seq` of some of the oldest slots, and the number of the log whose rows in them
            are to be deleted; None for it: those of all logs. None: nothing is to be deleted.
        """
        if not self._slots:
            return None
        oldest = self._slots[0].last_seq, None
        if self._slots[0].last_at_sec < before_sec:
            return oldest
        if self.size_bytes <= most_bytes:
            return None
        number, size_bytes = max(self._sizes.items(), key=itemgetter(1))
        if size_bytes < max(most_bytes // _IN_BUDGET, 1):
            return oldest
        wanted_bytes = min(max(self._most_bytes, 1), size_bytes)
        freed_bytes = itertools.accumulate(slot.sizes[number] for slot in self._slots)
        at = next(at for at, freed in enumerate(freed_bytes) if freed >= wanted_bytes)
        return self._slots[at].last_seq, number

    def drop(self, upto_seq: int, number: int | None) -> None:
        """Drop what `past` has returned, since its rows are deleted."""
        slots, self._slots = self._slots, []
        for slot in slots:
            if slot.last_seq <= upto_seq:
                for each in [*slot.sizes] if number is None else [number]:
                    self._count(slot, each, -slot.sizes[each])
                    del slot.sizes[each]
            if slot.sizes and not (self._slots and self._merges(self._slots[-1], slot)):
                self._slots.append(slot)
        self._sizes = +self._sizes  # without those that have nothing left

    def _merges(self, slot: _Slot, newer: _Slot) -> bool:
        """Move the next slot's rows to a slot, if one may have them all."""
        size_bytes = slot.size_bytes + newer.size_bytes
        last_at_sec = max(slot.last_at_sec, newer.last_at_sec)
        if size_bytes > self._most_bytes or last_at_sec - slot.opened_at_sec > self._most_sec:
            return False
        slot.last_seq, slot.last_at_sec = newer.last_seq, last_at_sec
        slot.size_bytes = size_bytes
        slot.sizes += newer.sizes
        return True
