"""Reads logs of NMEA 0183 (PyPI pynmea2): positions by their times, depths between them.

A receiver says one position in several sentences (RMC, GGA, GLL, GNS, of any talker): those of one
time of day are one fix. The date is in RMC and ZDA; a time that goes back by most of a day is after
midnight. A log without any date begins on 1970-01-01.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pynmea2

from dsmq_nodes.messages.base import Header, Time
from dsmq_nodes.messages.sensor import NavSatFix, NavSatStatus

# gpsd's JSON, a logger's times and binary data may stand before and between sentences.
SENTENCE = re.compile(r"\$[A-Z][A-Z0-9][^$*\r\n]*(?:\*[0-9A-Fa-f]{2})?")
# Where several sentences have a position as exact, a later one of these counts: RMC may lag.
POSITIONS = ["RMC", "GGA", "GNS", "GLL"]
HALF_DAY = timedelta(hours=12)
SYSTEMS = {
    "GP": NavSatStatus.SERVICE_GPS,
    "GL": NavSatStatus.SERVICE_GLONASS,
    "GA": NavSatStatus.SERVICE_GALILEO,
    "GB": NavSatStatus.SERVICE_COMPASS,
    "BD": NavSatStatus.SERVICE_COMPASS,
    "GN": NavSatStatus.SERVICE_GPS | NavSatStatus.SERVICE_GLONASS,
}
# What a receiver calls the quality of a fix: 1 by itself, 2 by a reference, 3 precise, 4 and 5 RTK;
# 6 estimated, 7 by hand, 8 simulated are by no satellite.
QUALITIES = {
    "1": NavSatStatus.STATUS_FIX,
    "2": NavSatStatus.STATUS_SBAS_FIX,
    "3": NavSatStatus.STATUS_FIX,
    "4": NavSatStatus.STATUS_GBAS_FIX,
    "5": NavSatStatus.STATUS_GBAS_FIX,
    "9": NavSatStatus.STATUS_SBAS_FIX,
}
MODES = {"A": "1", "D": "2", "P": "3", "R": "4", "F": "5", "E": "6", "M": "7", "S": "8"}


@dataclass
class GpsEpoch:
    """What was said of one time of day."""

    at: time
    day: date | None = None
    qualities: list[str] = field(default_factory=list)  # "0": there is no fix
    service: int = 0
    rank: tuple[int, int] = (-1, -1)  # of the position: its digits, and the sentence
    latitude: float = math.nan
    longitude: float = math.nan
    altitude: float = math.nan  # m above the ellipsoid

    def take(self, nmea: Any) -> None:
        """Take one sentence of this time.

        Raises:
            ValueError: it has a position that is none.
        """
        if nmea.sentence_type in POSITIONS:
            self.qualities.append(quality(nmea))
            self.service |= SYSTEMS.get(nmea.talker, 0)
            if self.qualities[-1] != "0":  # else there is none, or what stands for one: 8960.0000
                self.take_position(nmea)
        self.day = date_of(nmea) or self.day
        if getattr(nmea, "altitude", None) not in {None, ""}:
            # In GGA and GNS above the sea, and how far the sea is above the ellipsoid: up to 100 m,
            # so an altitude above the ellipsoid is not known without it.
            self.altitude = float(nmea.altitude) + float(nmea.geo_sep or math.nan)

    def is_of_another_day(self, nmea: Any) -> bool:
        """Whether a sentence has another date."""
        day = date_of(nmea)
        return None not in {day, self.day} and day != self.day

    def take_position(self, nmea: Any) -> None:
        """Take a position that is as exact as the one so far, or more.

        Raises:
            ValueError: it is none.
        """
        rank = len(nmea.lat), POSITIONS.index(nmea.sentence_type)
        if not (nmea.lat and nmea.lon) or rank < self.rank:
            return
        latitude = degrees(nmea.lat, nmea.lat_dir, "NS")
        longitude = degrees(nmea.lon, nmea.lon_dir, "EW")
        if not (abs(latitude) <= 90 and abs(longitude) <= 180):
            raise ValueError("not on the earth")
        self.rank, self.latitude, self.longitude = rank, latitude, longitude

    def fix(self, day: date) -> NavSatFix:
        """What is known of this time, on a day."""
        stamp = datetime.combine(day, self.at, UTC)
        since = stamp - datetime(1970, 1, 1, tzinfo=UTC)
        stamp_ns = (since // timedelta(microseconds=1)) * 1000
        fix = NavSatFix(header=Header(stamp=Time.from_nanoseconds(stamp_ns), frame_id="gps"))
        fix.status.service = self.service
        if "0" in self.qualities or math.isnan(self.latitude):
            fix.status.status = NavSatStatus.STATUS_NO_FIX
            fix.latitude = fix.longitude = fix.altitude = math.nan
            return fix
        fix.status.status = max(map(status_of, self.qualities))
        fix.latitude, fix.longitude, fix.altitude = self.latitude, self.longitude, self.altitude
        return fix


def degrees(text: str, direction: str | None, directions: str) -> float:
    """An angle of dddmm.mmmm, positive towards the first of two directions.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(r"(\d+)(\d\d(?:\.\d*)?)", text)
    if found is None or not direction or direction.upper() not in directions:
        raise ValueError(f"{text} {direction} is no angle")
    minutes = float(found[2])
    if minutes >= 60:
        raise ValueError(f"{minutes} minutes")
    angle = int(found[1]) + minutes / 60
    return angle if direction.upper() == directions[0] else -angle


def date_of(nmea: Any) -> date | None:
    """The date that a sentence says, if it says one."""
    try:
        found = nmea.datestamp if nmea.sentence_type in {"RMC", "ZDA"} else None
    except (
        TypeError,
        ValueError,
        OverflowError,
    ):  # one of its fields is empty, or there is no such day
        return None
    # No receiver had a date before 1970: it is a mistake.
    return found if isinstance(found, date) and found.year >= 1970 else None


def time_of(nmea: Any) -> time | None:
    """The time of day that a sentence says; a leap second is the end of the second before it."""
    found = nmea.timestamp
    if isinstance(found, time):
        return found.replace(tzinfo=None)
    if leap := re.fullmatch(r"(\d\d)(\d\d)60(?:\.\d*)?", found or ""):
        return time(int(leap[1]), int(leap[2]), 59, 999_999)
    return None


def status_of(found: str) -> int:
    """The status of a quality."""
    return QUALITIES.get(found, NavSatStatus.STATUS_UNKNOWN)


def quality(nmea: Any) -> str:
    """The quality of a fix as GGA says it; other sentences say whether there is one, and how."""
    if nmea.sentence_type == "GGA":
        return str(nmea.gps_qual)
    if nmea.sentence_type == "GNS":
        modes = [MODES[each] for each in nmea.mode_indicator or "" if each in MODES]
        return max(modes, key=status_of, default="0")  # one mode a system: the best counts
    is_rmc = nmea.sentence_type == "RMC"
    if nmea.status != "A" and (is_rmc or nmea.status):  # GLL had none before NMEA 2.0
        return "0"
    return MODES.get((nmea.mode_indicator if is_rmc else nmea.faa_mode) or "A", "0")


def parsed_line(line: str, counts: Counter[str], *, check: bool = False) -> Iterator[Any]:
    """The sentences of a line; `counts` has them and everything else.

    A wrong checksum is never accepted; with `check` a missing one is not either.
    """
    found = SENTENCE.findall(line)
    if not found:
        counts["comment" if line.startswith("#") else "no sentence"] += 1
    for each in found:
        try:
            nmea = pynmea2.parse(each.strip(), check=check)
        except (pynmea2.ParseError, ValueError, LookupError, TypeError) as error:
            counts[type(error).__name__] += 1
            continue
        if isinstance(nmea, pynmea2.TalkerSentence):
            counts[nmea.sentence_type] += 1
            yield nmea
        else:  # of one manufacturer, or a question
            counts[type(nmea).__name__] += 1


class NmeaLog:
    """A log's fixes and depths, by time."""

    def __init__(self, text: str) -> None:
        """Read all of a log."""
        self.counts: Counter[str] = Counter()  # lines and sentences, each once
        self.unused: Counter[str] = Counter()  # of the sentences that are known
        self.sentences = list(self.parsed(text))
        kinds = {each.sentence_type for each in self.sentences}
        self.sounder = "DBT" if "DBT" in kinds else "DPT"
        # Where a date comes only later, it is not known what is before it.
        has_date = any(date_of(each) for each in self.sentences)
        self.day = None if has_date else date(1970, 1, 1)
        self.latest: datetime | None = None

    def parsed(self, text: str) -> Iterator[Any]:
        """The sentences of a text; everything else is counted."""
        for line in text.splitlines():
            yield from parsed_line(line, self.counts)

    def samples(self) -> Iterator[tuple[float, NavSatFix | float]]:
        """When (s since 1970), and the fix or the depth (m) of then."""
        epoch: GpsEpoch | None = None
        for nmea in self.sentences:
            kind = nmea.sentence_type
            try:
                if kind == self.sounder:
                    yield self.now(epoch), float(nmea.depth_meters if kind == "DBT" else nmea.depth)
                elif kind in {*POSITIONS, "ZDA"} and (at := time_of(nmea)) is not None:
                    if epoch is None or epoch.at != at or epoch.is_of_another_day(nmea):
                        yield from self.ended(epoch)
                        epoch = GpsEpoch(at)
                    epoch.take(nmea)
                elif kind in POSITIONS:
                    self.unused[f"{kind} without a time"] += 1
            except (ValueError, TypeError, AttributeError, OverflowError):
                self.unused[f"{kind} that cannot be read"] += 1
        yield from self.ended(epoch)

    def now(self, epoch: GpsEpoch | None) -> float:
        """The time of the last fix, or of the one that comes, s since 1970."""
        found = self.when(epoch) if epoch else self.latest
        return found.timestamp() if found else 0.0

    def when(self, epoch: GpsEpoch) -> datetime | None:
        """Its date is its own, or that of the last one, or the day before or after."""
        day = epoch.day or (self.latest.date() if self.latest else self.day)
        if day is None:
            return None
        found = datetime.combine(day, epoch.at, UTC)
        if epoch.day is None and self.latest is not None:
            if found < self.latest - HALF_DAY:
                found += timedelta(days=1)
            elif found > self.latest + HALF_DAY:
                found -= timedelta(days=1)
        return found

    def ended(self, epoch: GpsEpoch | None) -> Iterator[tuple[float, NavSatFix]]:
        """The fix of a time that has ended, if its date is known."""
        if epoch is None:
            return
        found = self.when(epoch)
        if found is None:
            self.unused["fixes before the first date"] += bool(epoch.qualities)
            return
        self.latest = found
        if epoch.qualities:
            yield found.timestamp(), epoch.fix(found.date())
