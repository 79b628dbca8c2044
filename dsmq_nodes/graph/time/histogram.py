"""A histogram of durations in constant memory: percentiles of a whole run, within 4 percent."""

from collections import defaultdict
from math import frexp
from typing import Final

_STEPS: Final = 16  # equal buckets in an octave


class Histogram:
    """Counts durations in buckets; `longest_sec` is exact."""

    __slots__ = ("buckets", "count", "longest_sec")

    def __init__(self) -> None:
        self.count = 0
        self.longest_sec = 0.0
        self.buckets: defaultdict[int, int] = defaultdict(int)

    def add(self, duration_sec: float) -> None:
        """Count one duration; a negative one (a clock was stepped) counts as 1 ns."""
        self.count += 1
        if duration_sec > self.longest_sec:  # noqa: PLR1730  max() takes three times as long
            self.longest_sec = duration_sec
        # The duration is mantissa * 2**exponent, the mantissa 0.5 to 1: half the time of log2.
        mantissa, exponent = frexp(duration_sec if duration_sec > 1e-9 else 1e-9)  # noqa: FURB136
        self.buckets[exponent * _STEPS + int(mantissa * 2 * _STEPS)] += 1

    def percentile_sec(self, percent: float) -> float:
        """The duration that `percent` of all do not exceed, in seconds; 0 when there are none."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                exponent, step = divmod(bucket - _STEPS, _STEPS)
                return float((_STEPS + step + 0.5) / (2 * _STEPS) * 2.0**exponent)
        return 0.0
