"""Replays an NMEA 0183 log (PyPI pynmea2): position and depth. Bad lines are counted, not fatal."""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pynmea2

from dsmq_nodes import run
from dsmq_nodes.messages import Float64, Header, NavSatFix, Time
from examples.replayer import Replayer, Sample


class ReplayNmea(Replayer):
    def __init__(self) -> None:
        super().__init__("replay_nmea")
        self.fix = self.create_publisher(NavSatFix, "fix", 100)
        self.depth = self.create_publisher(Float64, "depth", 100)  # m below the sounder
        self.counts: Counter[str] = Counter()

    def samples(self) -> Iterator[Sample]:
        day, now, begin = date(1970, 1, 1), 0.0, 0.0
        for line in Path(self.params.path).read_text("ascii", "replace").splitlines():
            try:
                nmea = pynmea2.parse(line, check=True)
            except pynmea2.ParseError as error:
                self.counts["comment" if line.startswith("#") else type(error).__name__] += 1
                continue
            self.counts[nmea.sentence_type] += 1
            if nmea.sentence_type == "RMC":
                day = nmea.datestamp
            elif nmea.sentence_type == "GLL" and day.year > 1970:
                now = datetime.combine(day, nmea.timestamp, UTC).timestamp()
                header = Header(stamp=Time.from_nanoseconds(round(now * 1e9)), frame_id="gps")
                fix = NavSatFix(header=header, latitude=nmea.latitude, longitude=nmea.longitude)
                fix.altitude = math.nan
                begin = begin or now
                yield now - begin, [(self.fix, fix)]
            elif nmea.sentence_type == "DBT":
                yield now - begin, [(self.depth, Float64(data=float(nmea.depth_meters)))]
        self.get_logger().info(f"sentences: {dict(self.counts)}")


if __name__ == "__main__":
    run(ReplayNmea)
