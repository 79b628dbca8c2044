"""Compares recorded messages with those of a rerun, field by field."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Differences that are tolerated.

    Attributes:
        number: for numbers, absolute and relative.
        stamp_sec: for fields named `stamp`: a node reads the clock shortly after its input.
    """

    number: float = 1e-9
    stamp_sec: float = 0.1


EXACT = Tolerance()


class FieldDifference(NamedTuple):
    """A field that differs."""

    field: str
    before: object
    now: object


def differences(
    before: object, now: object, tolerance: Tolerance, path: str = ""
) -> Iterator[FieldDifference]:
    """Yield the fields that differ between two messages, given as JSON values.

    A field that only one side has belongs to another version of the type, and is no difference.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        yield from _of_objects(before, now, tolerance, path)
    elif isinstance(before, list) and isinstance(now, list):
        if len(before) != len(now):
            yield FieldDifference(f"{path} (length)", len(before), len(now))
            return
        for index, (was, is_) in enumerate(zip(before, now, strict=True)):
            yield from differences(was, is_, tolerance, f"{path}[{index}]")
    elif not _alike(before, now, tolerance.number):
        yield FieldDifference(path, before, now)


def _of_objects(
    before: dict[str, Any], now: dict[str, Any], tolerance: Tolerance, path: str
) -> Iterator[FieldDifference]:
    if path.rpartition(".")[2] == "stamp" and {"sec", "nanosec"} <= before.keys() & now.keys():
        if abs(_seconds(before) - _seconds(now)) > tolerance.stamp_sec:
            yield FieldDifference(path, before, now)
        return
    for name, value in before.items():
        if name in now:
            inner = f"{path}.{name}" if path else name
            yield from differences(value, now[name], tolerance, inner)


def _alike(before: object, now: object, within: float) -> bool:
    numbers = (int, float)
    if isinstance(before, numbers) and isinstance(now, numbers):
        return math.isclose(before, now, rel_tol=within, abs_tol=within)
    return before == now


def _seconds(stamp: dict[str, Any]) -> float:
    return float(stamp["sec"]) + float(stamp["nanosec"]) * 1e-9
