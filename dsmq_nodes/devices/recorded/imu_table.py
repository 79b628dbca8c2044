"""Reads recorded IMUs: .npz with arrays gyr, acc, mag, time, or text with a line of names.

A name has a quantity, an axis and a unit, in any common spelling: `gyr_x [deg/s]`, `acc_y (g)`,
`gz`, `AccZ`, `angular_velocity.x`, `mag_x_uT`, `timestamp_ms`, `time`. Lines about the recording
may be above the names, and the units in a line of their own below them. Without units the values
are in rad/s, m/s^2, uT and s, and values that cannot be in these are refused: those that no sensor
has, and a gravity of 1. `gFx` is a force in g. An axis may be a number, `gyro_rad[0]`, if there is
a unit. A magnetometer with an unknown unit is skipped. The separator is a comma, a semicolon, a
tab, a bar or a space. Cells may be in quotes. Numbers may have decimal commas, which need quotes if
the comma is the separator.
"""

import csv
import itertools
import math
import re
import statistics
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from dsmq_nodes import installing
from dsmq_nodes.devices.recorded.imu_columns import (
    GRAVITY,
    QUANTITIES,
    TIMES,
    UNITS,
    UNKNOWN_MAG,
    Named,
    named,
    unit_of,
    with_stamps,
)
from dsmq_nodes.devices.recorded.replayer import opened
from dsmq_nodes.messages.geometry import Vector3

try:
    import numpy as np
except ModuleNotFoundError:
    has_numpy = False
else:
    has_numpy = True

CHECKED = 1000  # samples, before a file is replayed
_MOST_ABOVE = 100  # lines above the samples
NEEDED = (
    "it has to begin with a line of names: of the gyroscope (gyr_x, gyr_y, gyr_z), of the "
    "accelerometer (acc_x, acc_y, acc_z), and if present of the magnetometer (mag_x, mag_y, "
    "mag_z) and the time, with units as gyr_x [deg/s] or time_ms"
)
ARRAYS = {kind: rf"(?:\w+_)?(?:{pattern})" for kind, pattern in QUANTITIES.items()}
ARRAYS["time"] = f"(?:{TIMES})s?"
SI = {"gyr": "rad/s", "acc": "m/s^2"}
EXAMPLES = {"gyr": "gyr_x [deg/s]", "acc": "acc_x [g]"}
# In SI units: 400 g, and more than any gyroscope on the market (20,000 deg/s).
LARGEST = {"gyr": 400.0, "acc": 400 * GRAVITY}
WORDS = re.compile(r"[^\s\[(<{]+(?:\s*[\[(<{][^\])>}]*[\])>}])?")  # with a unit after it
ZONE = re.compile(r" (?=[+-]\d\d)")  # the space before +0100
# 2025-10-9 8:18:9:94, with 94 ms, as WitMotion writes it
SHORT_TIME = re.compile(
    r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)[ T](\d\d?):(\d\d?):(\d\d?)(?::(\d{1,3}))?(?!\d)"
)
COMMENTS = ("#", "//")
DEVICE = re.compile(r"(device|sensor)[ _]?(name|id)|设备名称")
# An accelerometer at rest measures 1 in g, and 9.8 in m/s^2; of so many samples half are near it.
ABOUT_ONE, SPREAD, LEAST_SAMPLES = (0.8, 1.25), 0.3, 20
LONGEST_STEP_NS = 2 * 10**9
LARGE = ((10**17, "ns"), (10**14, "us"), (10**11, "ms"))  # units of large times, since 1970


class Row(NamedTuple):
    """A sample: gyr (rad/s), acc (m/s^2), mag (T); `time_ns` is None without a time."""

    time_ns: int | None
    gyr: Vector3
    acc: Vector3
    mag: Vector3 | None


def rows(path: str, counts: Counter[str]) -> Iterator[Row]:
    """Yield the samples of a file; lines that cannot be read are counted.

    Raises:
        ValueError: the file lacks a needed column; the text says which.
    """
    if path.endswith(".npz"):
        yield from _of_arrays(path, counts)
        return
    with opened(path) as lines:
        table, samples = _read_head(path, lines)
        if (UNKNOWN_MAG, "x") in table.columns:
            counts["magnetometer whose unit is not known"] += 1
        for text in samples:
            try:
                yield table.row(text)
            except (ValueError, IndexError, InvalidOperation, csv.Error):
                counts["lines that cannot be read"] += 1


def checked(path: str) -> str:
    """Return the path; raise ValueError if the file exists and cannot be replayed."""
    if not Path(path).is_file():
        return path
    unread = Counter[str]()
    first = list(itertools.islice(rows(path, unread), CHECKED))
    if not first:
        raise ValueError(
            f"{path} has no samples below its names: {dict(unread) or 'it ends there'}"
        )
    if path.endswith(".npz"):
        check_units(path, first, {"gyr", "acc"})
        return path
    with opened(path) as lines:
        table, samples = _read_head(path, lines)
        table.check_devices(path, itertools.islice(samples, CHECKED))
    check_units(path, first, table.without_units())
    table.check_times(path, first)
    return path


def check_units(path: str, first: list[Row], without: set[str]) -> None:
    """Check that samples can be in SI units.

    Args:
        path: the file, for the error.
        first: its first samples.
        without: the quantities whose unit is not named.

    Raises:
        ValueError: they are larger than any sensor's, as raw counts are, or gravity is 1.
    """
    for quantity in sorted(without):
        found = [getattr(each, quantity) for each in first]
        largest = max((max(map(abs, (each.x, each.y, each.z))) for each in found), default=0.0)
        if largest > LARGEST[quantity]:
            raise ValueError(
                f"{path}: {quantity} is up to {largest:g}, and without a unit in its name that is "
                f"{SI[quantity]}: are these a sensor's raw counts, or in another unit? Convert "
                f"them, and name the unit, as {EXAMPLES[quantity]}"
            )
    lengths = [math.hypot(each.acc.x, each.acc.y, each.acc.z) for each in first]
    if "acc" in without and _is_about_one(lengths):
        raise ValueError(
            f"{path}: acc has a length of about 1, and without a unit in its name that is m/s^2, "
            "in which gravity is 9.8: is it in g? Name the unit, as acc_x [g], and gyr_x [deg/s] "
            "if the gyroscope's is that"
        )


def without_unit(path: str) -> tuple[set[str], list[Row]]:
    """Return the quantities of a file whose unit is not named, and its first samples."""
    first = list(itertools.islice(rows(path, Counter()), CHECKED))
    if path.endswith(".npz"):
        return {"gyr", "acc"}, first
    with opened(path) as lines:
        table, _ = _read_head(path, lines)
    return table.without_units(), first


def _is_about_one(lengths: list[float]) -> bool:
    if len(lengths) < LEAST_SAMPLES:
        return False
    low, middle, high = statistics.quantiles(lengths, n=4)
    return ABOUT_ONE[0] < middle < ABOUT_ONE[1] and high - low < SPREAD


ImuFile = Annotated[str, AfterValidator(checked), Field(description="the recorded file")]


def _of_arrays(path: str, counts: Counter[str]) -> Iterator[Row]:
    arrays = _arrays(path)
    times = _times_ns(path, arrays.pop("time").ravel()) if "time" in arrays else None
    arrays = {name: array.astype(float) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim != 2 or array.shape[1] != 3 or len(array) != len(arrays["gyr"]):
            raise ValueError(f"{path}: {name} does not have three columns and as many rows as gyr")
    finite = np.isfinite(arrays["gyr"]).all(1) & np.isfinite(arrays["acc"]).all(1)
    if times is not None and len(times) != len(finite):
        raise ValueError(f"{path}: time does not have as many numbers as gyr has rows")
    if skipped := int((~finite).sum()):
        counts["rows that are no numbers"] += skipped
    for index in np.flatnonzero(finite):
        has_mag = "mag" in arrays and np.isfinite(arrays["mag"][index]).all()
        mag = _vector(arrays["mag"][index] * 1e-6) if has_mag else None
        time_ns = None if times is None else int(times[index])
        yield Row(time_ns, _vector(arrays["gyr"][index]), _vector(arrays["acc"][index]), mag)


def _arrays(path: str) -> dict[str, Any]:
    if not has_numpy:
        raise ValueError(f"{path} needs numpy: {installing.command('imu')}")
    try:
        with Path(path).open("rb") as stream, np.load(stream) as data:
            names = data.files
            found = {kind: [data[each] for each in _named_as(kind, names)] for kind in ARRAYS}
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} cannot be read as arrays: {error}") from None
    arrays = {  # there may be a bias besides the samples
        kind: next((each for each in some if each.ndim == 2), some[0])
        for kind, some in found.items()
        if some
    }
    missing = {"gyr", "acc"} - arrays.keys()
    if missing:
        raise ValueError(
            f"{path} has no {' and no '.join(sorted(missing))}: it has "
            f"{', '.join(names) or 'nothing'}; gyr (rad/s), acc (m/s^2) and, if there is one, mag "
            "(uT) are to be arrays of three columns, time (s) one of one"
        )
    return arrays


def _named_as(kind: str, names: list[str]) -> list[str]:
    """Return the names of arrays of a kind (`imu_gyr`, `timestamps`), the kind's own first."""
    found = [each for each in names if re.fullmatch(ARRAYS[kind], each.lower())]
    return sorted(found, key=lambda each: each != kind)


def _times_ns(path: str, times: Any) -> Any:
    if times.dtype.kind == "M":
        return times.astype("M8[ns]").astype("int64")
    largest = float(np.abs(times).max(initial=0))
    if not largest < 2**63:
        raise ValueError(f"{path}: time has to be numbers")
    unit = next((unit for least, unit in LARGE if largest > least), "s")
    return np.round(times * int(UNITS["time"][unit])).astype("int64")


def _vector(values: Any) -> Vector3:
    x, y, z = map(float, values)
    return Vector3(x=x, y=y, z=z)


class ImuTable:
    """The columns of a text file."""

    def __init__(self, names: list[str], split: Callable[[str], list[str]]) -> None:
        self.split = split
        self.columns: dict[tuple[str, str], tuple[int, Named]] = {}
        for number, name in enumerate(with_stamps(names)):
            found = named(name)
            if found is not None:
                self.columns.setdefault((found.quantity, found.axis), (number, found))
        for quantity in ("gyr", "acc"):
            if any((quantity, axis) not in self.columns for axis in "xyz"):
                raise ValueError(
                    f"no three columns are of the {quantity}: {', '.join(names)}; {NEEDED}"
                )
        devices = [number for number, name in enumerate(names) if DEVICE.fullmatch(name.lower())]
        self.device = devices[0] if devices else None
        self.has_mag = all(("mag", axis) in self.columns for axis in "xyz")

    def without_units(self) -> set[str]:
        """Return the quantities whose columns do not name a unit."""
        return {
            quantity
            for quantity in ("gyr", "acc")
            if not all(self.columns[quantity, axis][1].has_unit for axis in "xyz")
        }

    def check_devices(self, path: str, lines: Iterable[str]) -> None:
        """Check that all samples are of one device.

        Raises:
            ValueError: those of several are in turns.
        """
        at = self.device
        cells = map(self.split, lines) if at is not None else ()
        found = dict.fromkeys(each[at] for each in cells if at is not None and len(each) > at)
        if len(found) > 1:
            raise ValueError(
                f"{path} has samples of {len(found)} devices in turns, {', '.join(found):.100}: "
                "write those of each into a file of its own"
            )

    def check_times(self, path: str, first: list[Row]) -> None:
        """Check that the times of the first two samples are plausible in s, if they have no unit.

        Raises:
            ValueError: they are so far apart that the replay would seem to stop.
        """
        column = self.columns.get(("time", ""))
        if column is None or column[1].has_unit or len(first) < 2:
            return
        begin_ns, next_ns = (each.time_ns or 0 for each in first[:2])
        if begin_ns < 10**18 and next_ns - begin_ns > LONGEST_STEP_NS:  # not a time since 1970
            raise ValueError(
                f"{path}: the time of the second line is {(next_ns - begin_ns) / 1e9:g} more than "
                "that of the first, and without a unit in its name it is in s: name the unit, as "
                "time_ms or time [us]"
            )

    def row(self, line: str) -> Row:
        """Return the sample of a line."""
        cells = self.split(line)
        gyr, acc = self._of(cells, "gyr"), self._of(cells, "acc")
        mag = self._of(cells, "mag") if self.has_mag and self._has(cells, "mag") else None
        return Row(self._time_ns(cells), gyr, acc, mag)

    def _has(self, cells: list[str], quantity: str) -> bool:
        """Whether a line has this quantity: a magnetometer may be slower than the other sensors."""
        found = (cells[self.columns[quantity, axis][0]].strip().lower() for axis in "xyz")
        return all(each not in {"", "nan", "none", "null", "na"} for each in found)

    def _of(self, cells: list[str], quantity: str) -> Vector3:
        found = []
        for axis in "xyz":
            number, column = self.columns[quantity, axis]
            value = float(cells[number]) * column.scale
            if not math.isfinite(value):
                raise ValueError(cells[number])
            found.append(value)
        return _vector(found)

    def _time_ns(self, cells: list[str]) -> int | None:
        if ("time", "sec") in self.columns and ("time", "nanosec") in self.columns:
            sec, nanosec = (
                int(cells[self.columns["time", each][0]]) for each in ("sec", "nanosec")
            )
            return sec * 10**9 + nanosec
        if ("time", "") not in self.columns:
            return None
        number, column = self.columns["time", ""]
        text = cells[number].strip().strip('"')
        try:
            value = Decimal(text)
        except InvalidOperation:
            text = f"1970-01-01 {text}" if ":" in text[1:3] else ZONE.sub("", text)
            moment = datetime.fromisoformat(SHORT_TIME.sub(_padded, text.removesuffix(" UTC")))
            since = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
            return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000
        scale = int(column.scale)
        if not column.has_unit:
            unit = next((unit for least, unit in LARGE if abs(value) > least), "s")
            scale = int(UNITS["time"][unit])
        if not value.is_finite() or abs(value * scale) >= 1 << 63:
            raise ValueError(text)
        return round(value * scale)


def _is_sample(text: str) -> bool:
    return bool(text) and not text.startswith(COMMENTS)


def _padded(found: re.Match[str]) -> str:
    """Return a time in the form of ISO 8601."""
    year, *others = found.groups("")
    month, day, hour, minute, second = (f"{each:0>2}" for each in others[:5])
    fraction = f".{others[5]:0>3}" if others[5] else ""
    return f"{year}-{month}-{day} {hour}:{minute}:{second}{fraction}"


def _read_head(path: str, lines: Iterator[str]) -> tuple[ImuTable, Iterator[str]]:
    """Read the begin of a file: its line of names, which may be a comment, and return the samples.

    Lines about the recording may be above it. The error is about the first line that is no comment.
    """
    texts = map(str.strip, lines)
    head = list(itertools.islice(texts, _MOST_ABOVE))
    comment, faults = "", list[str]()
    for number, text in enumerate(head):
        if text.startswith(COMMENTS):
            comment = text.lstrip("#/ ")
        elif text and not text.lower().startswith("sep="):  # a hint for Excel
            try:
                for names, below in ((text, head[number + 1 :]), (comment, head[number:])):
                    if (table := _table(names, below)) is not None:
                        samples = filter(_is_sample, itertools.chain(below, texts))
                        return table, samples
                fault = f" has no line of names: {text[:60]!r} comes first; {NEEDED}"
            except (ValueError, csv.Error) as error:
                fault = f": {error}"
            faults.append(f"{path}{fault}")
            if all(map(_is_number, splitter(text)(text))):
                break  # a sample
    raise ValueError(faults[0] if faults else f"{path} is empty: {NEEDED}")


def _table(line: str, below: list[str]) -> ImuTable | None:
    """Return the table for a line of names, or None; takes a line of units from those below."""
    split = splitter(line)
    names = split(line)
    if not any(named(name) for name in names):
        return None
    columns, has_units = with_units(names, split(below[0])) if below else (names, False)
    table = ImuTable(columns, split)
    del below[:has_units]
    return table


def with_units(names: list[str], cells: list[str]) -> tuple[list[str], bool]:
    """Return the names, with the units of the next line if it has any, and whether it has."""
    units = [unit_of(each) for each in cells]
    is_known = [any(unit in scales for scales in UNITS.values()) for unit in units]
    if len(units) != len(names) or sum(is_known) < 2 or any(map(_is_number, cells)):
        return names, False
    pairs = zip(names, units, strict=True)
    return [f"{name} [{unit}]" if unit else name for name, unit in pairs], True


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def splitter(line: str) -> Callable[[str], list[str]]:
    """Return the function that splits a line into cells."""
    for separator in (";", ",", "\t", "|"):
        if separator in line:
            return lambda text: [
                cell.strip().replace(",", ".")
                for cell in next(csv.reader([text], delimiter=separator, skipinitialspace=True))
            ]
    return lambda text: [each.strip('"') for each in WORDS.findall(text.replace(",", "."))]
