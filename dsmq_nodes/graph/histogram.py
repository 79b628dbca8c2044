"""A histogram of durations in constant memory: percentiles of a whole run, within 5 percent."""

import math
from collections import Counter
from typing import Final

_STEPS_PER_OCTAVE: Final = 8  # neighbouring buckets are a factor 2**(1/8) = 1.09 apart


class Histogram:
    """Counts durations in buckets of equal ratio; `longest_sec` is exact."""

    def __init__(self) -> None:
        self.count = 0
        self.longest_sec = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, duration_sec: float) -> None:
        """Count one duration; what is negative (a clock was stepped) counts as 1 ns."""
        self.count += 1
        self.longest_sec = max(self.longest_sec, duration_sec)
        self._buckets[round(math.log2(max(duration_sec, 1e-9)) * _STEPS_PER_OCTAVE)] += 1

    def percentile_sec(self, percent: float) -> float:
        """The duration that `percent` of all do not exceed, in seconds; 0 when there are none."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= wanted:
                return float(2.0 ** (bucket / _STEPS_PER_OCTAVE))
        return 0.0
