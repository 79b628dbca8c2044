"""Replays an NMEA 0183 log (.gz, .bz2 too): position and depth. Bad lines are counted."""

from collections.abc import Iterator

from dsmq_nodes import run
from dsmq_nodes.devices.nmea_log import NmeaLog
from dsmq_nodes.devices.recorded.replayer import Replayer, Sample, opened
from dsmq_nodes.messages import Float64, NavSatFix


class ReplayNmea(Replayer):
    def __init__(self) -> None:
        super().__init__("replay_nmea")
        self.fix = self.create_publisher(NavSatFix, "fix", 100)
        self.depth = self.create_publisher(Float64, "depth", 100)  # m below the sounder
        with opened(self.params.path) as file:
            self.log = NmeaLog(file.read())
        self.counts = self.log.counts

    def samples(self) -> Iterator[Sample]:
        begin = now = 0.0
        for when, found in self.log.samples():
            begin = begin or when
            now = max(now, when - begin)
            if isinstance(found, NavSatFix):
                yield now, [(self.fix, found)]
            else:
                yield now, [(self.depth, Float64(data=found))]
        unused = f", not used: {dict(self.log.unused)}" if self.log.unused else ""
        self.get_logger().info(f"sentences: {dict(self.counts)}{unused}")


if __name__ == "__main__":
    run(ReplayNmea)
