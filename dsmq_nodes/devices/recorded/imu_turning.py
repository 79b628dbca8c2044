"""Whether a recorded gyroscope is in deg/s: gravity turns in the body as fast as the body turns.

What the accelerometer measures at rest is gravity. The gyroscope says where gravity is a second
later; one of its two units is right about it. This needs samples in which the body turns, or a
gyroscope at rest whose bias is not removed, and tells nothing about the others. A multicopter
measures its thrust, which turns with it: a second in which nothing turns counts only if the
gyroscope was steady as well.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

from dsmq_nodes.devices.recorded.imu_columns import GRAVITY
from dsmq_nodes.devices.recorded.imu_table import Row

_Direction = tuple[float, float, float]

_STRETCH_NS: Final = 10**9
_LONGEST_GAP_NS: Final = 10**8
_LENGTHS: Final = (0.95 * GRAVITY, 1.05 * GRAVITY)
_DIFFERENT: Final = 0.3  # rad between what the two units say, else a stretch tells nothing
_TURNED: Final = 0.1  # rad; what turns less stands still
_STEADY: Final = 0.5  # of the rate at the begin
_LEAST_STRETCHES: Final = 3
_TIMES_BETTER: Final = 4.0
_DEGREE: Final = math.pi / 180


class _Stretch:
    """A second of samples: where gravity is at its end by either unit."""

    def __init__(self, sample: Row, up: _Direction) -> None:
        self.begin_ns = sample.time_ns or 0
        self._first, self._up = sample.gyr, up
        self._in_rad = self._in_deg = up
        self._is_steady = True

    def add(self, sample: Row, duration: float) -> None:
        """Turn by the next sample."""
        self._in_rad = _turned(self._in_rad, sample, duration)
        self._in_deg = _turned(self._in_deg, sample, duration * _DEGREE)
        gyr, first = sample.gyr, self._first
        change = math.hypot(gyr.x - first.x, gyr.y - first.y, gyr.z - first.z)
        if change > _STEADY * math.hypot(first.x, first.y, first.z):
            self._is_steady = False

    def errors(self, end: _Direction) -> tuple[float, float] | None:
        """Return how wrong rad/s and deg/s are (rad); None where that tells nothing."""
        if _angle(self._in_rad, self._in_deg) < _DIFFERENT:
            return None
        if not self._is_steady and _angle(self._up, self._in_deg) < _TURNED:
            return None
        return _angle(self._in_rad, end), _angle(self._in_deg, end)


def is_in_degrees(samples: Sequence[Row]) -> bool:
    """Whether deg/s explains how the acceleration turns, and rad/s, as it was read, does not."""
    found = list(_errors(samples))
    if len(found) < _LEAST_STRETCHES:
        return False
    in_rad, in_deg = (statistics.median(each) for each in zip(*found, strict=True))
    return bool(in_rad > max(_DIFFERENT, _TIMES_BETTER * in_deg))


def _errors(samples: Sequence[Row]) -> Iterator[tuple[float, float]]:
    stretch: _Stretch | None = None
    before_ns = 0
    for each in samples:
        if each.time_ns is None:
            return
        gap_ns, before_ns = each.time_ns - before_ns, each.time_ns
        up = _gravity(each)
        if stretch is not None and 0 < gap_ns <= _LONGEST_GAP_NS:
            stretch.add(each, gap_ns * 1e-9)
            if each.time_ns - stretch.begin_ns < _STRETCH_NS:
                continue
            if up is not None and (errors := stretch.errors(up)) is not None:
                yield errors
        stretch = None if up is None else _Stretch(each, up)


def _gravity(sample: Row) -> _Direction | None:
    acc = sample.acc
    length = math.hypot(acc.x, acc.y, acc.z)
    if not _LENGTHS[0] < length < _LENGTHS[1]:
        return None
    return acc.x / length, acc.y / length, acc.z / length


def _turned(up: _Direction, sample: Row, duration: float) -> _Direction:
    """Return where a fixed direction is in a body that has turned as the gyroscope says."""
    gyr = sample.gyr
    rate = math.hypot(gyr.x, gyr.y, gyr.z)
    if not rate:
        return up
    x, y, z = gyr.x / rate, gyr.y / rate, gyr.z / rate
    cos, sin = math.cos(rate * duration), math.sin(rate * duration)
    along = (x * up[0] + y * up[1] + z * up[2]) * (1 - cos)
    return (
        up[0] * cos - (y * up[2] - z * up[1]) * sin + x * along,
        up[1] * cos - (z * up[0] - x * up[2]) * sin + y * along,
        up[2] * cos - (x * up[1] - y * up[0]) * sin + z * along,
    )


def _angle(one: _Direction, other: _Direction) -> float:
    cosine = sum(a * b for a, b in zip(one, other, strict=True))
    return math.acos(max(-1.0, min(1.0, cosine)))
