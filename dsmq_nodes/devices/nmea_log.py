"""Reads logs of NMEA 0183 (PyPI pynmea2): positions by their times, and depths between them.

A receiver sends one position in several sentences (RMC, GGA, GLL, GNS, of any talker): those of one
time of day are one fix. RMC and ZDA have the date; a time that goes back by most of a day is after
midnight. A log without any date begins on 1970-01-01.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from dsmq_nodes import installing
from dsmq_nodes.errors import NodeLoadError
from dsmq_nodes.messages.base import Header, Time
from dsmq_nodes.messages.sensor import NavSatFix, NavSatStatus

try:
    import pynmea2
except ModuleNotFoundError:
    raise NodeLoadError(f"NmeaGps needs pynmea2: {installing.command('gps')}") from None

# gpsd's JSON, a logger's times and binary data may precede or separate sentences.
SENTENCE = re.compile(r"\$[A-Z][A-Z0-9][^$*\r\n]*(?:\*[0-9A-Fa-f]{2})?")
# Of positions with equally many digits the later kind in this list counts: RMC may lag.
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
# A receiver's quality of a fix: 1 alone, 2 with a reference, 3 precise, 4 and 5 RTK; 6 estimated,
# 7 by hand and 8 simulated do not come from satellites.
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
    """The contents of all sentences of one time of day."""

    at: time
    day: date | None = None
    qualities: list[str] = field(default_factory=list)  # "0": there is no fix
    service: int = 0
    rank: tuple[int, int] = (-1, -1)  # the position's number of digits, and its kind of sentence
    latitude: float = math.nan
    longitude: float = math.nan
    altitude: float = math.nan  # m above the ellipsoid

    def take(self, nmea: Any) -> None:
        """Add one sentence of this time.

        Raises:
            ValueError: its position is invalid.
        """
        if nmea.sentence_type in POSITIONS:
            self.qualities.append(quality(nmea))
            self.service |= SYSTEMS.get(nmea.talker, 0)
            if self.qualities[-1] != "0":  # else there is none, or what stands for one: 8960.0000
                self.take_position(nmea)
        self.day = date_of(nmea) or self.day
        if getattr(nmea, "altitude", None) not in {None, ""}:
            # GGA and GNS have the altitude above the sea, and the height of the sea above the
            # ellipsoid, up to 100 m: without it the altitude above the ellipsoid is unknown.
            self.altitude = float(nmea.altitude) + float(nmea.geo_sep or math.nan)

    def is_of_another_day(self, nmea: Any) -> bool:
        """Whether a sentence has another date."""
        day = date_of(nmea)
        return None not in {day, self.day} and day != self.day

    def take_position(self, nmea: Any) -> None:
        """Use a position if it has at least as many digits as the one so far.

        Raises:
            ValueError: the position is invalid.
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
        """Return the fix of this time, on the given day."""
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
    """Return an angle from dddmm.mmmm, positive towards the first of two directions.

    Raises:
        ValueError: the text is no such angle.
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
    """Return the date in a sentence, or None."""
    try:
        found = nmea.datestamp if nmea.sentence_type in {"RMC", "ZDA"} else None
    except (TypeError, ValueError, OverflowError):  # a field is empty, or there is no such day
        return None
    # A date before 1970 is an error of the receiver.
    return found if isinstance(found, date) and found.year >= 1970 else None


def time_of(nmea: Any) -> time | None:
    """Return the time of day in a sentence; a leap second is the end of the previous second."""
    found = nmea.timestamp
    if isinstance(found, time):
        return found.replace(tzinfo=None)
    if leap := re.fullmatch(r"(\d\d)(\d\d)60(?:\.\d*)?", found or ""):
        return time(int(leap[1]), int(leap[2]), 59, 999_999)
    return None


def status_of(found: str) -> int:
    """Return the status for a quality."""
    return QUALITIES.get(found, NavSatStatus.STATUS_UNKNOWN)


def quality(nmea: Any) -> str:
    """Return a fix's quality in GGA's form; other sentences have a mode, or only a validity."""
    if nmea.sentence_type == "GGA":
        return str(nmea.gps_qual)
    if nmea.sentence_type == "GNS":
        modes = [MODES[each] for each in nmea.mode_indicator or "" if each in MODES]
        return max(modes, key=status_of, default="0")  # one mode for each system: the best counts
    is_rmc = nmea.sentence_type == "RMC"
    if nmea.status != "A" and (is_rmc or nmea.status):  # GLL had no status before NMEA 2.0
        return "0"
    return MODES.get((nmea.mode_indicator if is_rmc else nmea.faa_mode) or "A", "0")


def parsed_line(line: str, counts: Counter[str], *, check: bool = False) -> Iterator[Any]:
    """Yield the sentences of a line; `counts` counts them and everything else.

    A wrong checksum is never accepted; with `check`, a missing one is refused too.
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
        else:  # a manufacturer's own sentence, or a query
            counts[type(nmea).__name__] += 1


class NmeaLog:
    """The fixes and depths of a log, by time."""

    def __init__(self, text: str) -> None:
        """Read a whole log."""
        self.counts: Counter[str] = Counter()  # lines and sentences, each once
        self.unused: Counter[str] = Counter()  # known sentences that were not used
        self.sentences = list(self.parsed(text))
        kinds = {each.sentence_type for each in self.sentences}
        self.sounder = "DBT" if "DBT" in kinds else "DPT"
        # If the first date comes later, the date of earlier times is unknown.
        has_date = any(date_of(each) for each in self.sentences)
        self.day = None if has_date else date(1970, 1, 1)
        self.latest: datetime | None = None

    def parsed(self, text: str) -> Iterator[Any]:
        """Yield the sentences of a text; everything else is counted."""
        for line in text.splitlines():
            yield from parsed_line(line, self.counts)

    def samples(self) -> Iterator[tuple[float, NavSatFix | float]]:
        """Yield times (s since 1970), each with its fix or depth (m)."""
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
        """Return the time of the current fix, or of the last one, in s since 1970."""
        found = self.when(epoch) if epoch else self.latest
        return found.timestamp() if found else 0.0

    def when(self, epoch: GpsEpoch) -> datetime | None:
        """Return an epoch's date and time; without a date, the last one's day or a neighbour."""
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
        """Yield the fix of a finished time, if its date is known."""
        if epoch is None:
            return
        found = self.when(epoch)
        if found is None:
            self.unused["fixes before the first date"] += bool(epoch.qualities)
            return
        self.latest = found
        if epoch.qualities:
            yield found.timestamp(), epoch.fix(found.date())
