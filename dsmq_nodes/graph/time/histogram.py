"""A histogram of durations in constant memory: percentiles of a whole run, within 4 percent."""

from collections import defaultdict
from math import frexp
from typing import Final

_STEPS: Final = 16  # equal buckets in an octave
_MOST_NEW: Final = 256


class Histogram:
    """Counts durations in buckets; `longest_sec` is exact.

    Durations are put into their buckets when a figure is requested, or many have come: a node that
    has just woken finds no bucket in the processor's caches, so that each one put there by itself
    costs 5 % of a timer's tick.
    """

    __slots__ = ("_buckets", "_count", "_longest_sec", "_new")

    def __init__(self) -> None:
        self._new: list[float] = []
        self._count = 0
        self._longest_sec = 0.0
        self._buckets: defaultdict[int, int] = defaultdict(int)

    def add(self, duration_sec: float) -> None:
        """Count one duration; a negative one (a clock was stepped) counts as 1 ns."""
        self._new.append(duration_sec)
        if len(self._new) >= _MOST_NEW:
            self._count_new()

    def _count_new(self) -> None:
        new, self._new = self._new, []
        for duration_sec in new:
            # The duration is mantissa * 2**exponent, the mantissa 0.5 to 1: half the time of log2.
            mantissa, exponent = frexp(max(duration_sec, 1e-9))
            self._buckets[exponent * _STEPS + int(mantissa * 2 * _STEPS)] += 1
        self._count += len(new)
        self._longest_sec = max(self._longest_sec, 0.0, *new)

    @property
    def count(self) -> int:
        """The number of durations."""
        return self._count + len(self._new)

    @property
    def longest_sec(self) -> float:
        """The longest duration; 0 without any."""
        return max(self._longest_sec, 0.0, *self._new)

    @property
    def buckets(self) -> dict[int, int]:
        """The number of durations in each bucket; the compiled part counts there directly."""
        if self._new:
            self._count_new()
        return self._buckets

    def percentile_sec(self, percent: float) -> float:
        """Return the duration in seconds that `percent` of all do not exceed; 0 without any."""
        wanted = self.count * percent / 100
        seen = 0
        buckets = self.buckets
        for bucket in sorted(buckets):
            seen += buckets[bucket]
            if seen >= wanted:
                exponent, step = divmod(bucket - _STEPS, _STEPS)
                return float((_STEPS + step + 0.5) / (2 * _STEPS) * 2.0**exponent)
        return 0.0
