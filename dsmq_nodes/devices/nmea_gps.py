"""A satellite receiver with NMEA 0183: on a serial port, over TCP, by gpsd, or from a file.

    - name: gps
      node: dsmq_nodes.devices:NmeaGps
      params: {port: /dev/ttyUSB1, baud: 9600}

The port is a path, `tcp://HOST:PORT`, `gpsd://HOST:PORT` or a recorded file (.gz, .bz2, .xz too),
which is replayed at its own pace. A receiver sends one position in several sentences. The sentences
of one time are one fix, which is published when no sentence has arrived for `gather_sec`, when
another time begins, or when a sentence comes again. For a receiver the stamp is the node's clock at
the first sentence of the fix; for a file it is the file's time.
"""

import asyncio
from collections import Counter
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from dsmq_nodes.devices.device import Device, DeviceNode
from dsmq_nodes.devices.nmea_log import POSITIONS, GpsEpoch, NmeaLog, parsed_line, quality, time_of
from dsmq_nodes.devices.recorded.replayer import opened
from dsmq_nodes.devices.serial_line import DeviceLines
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.sensor import NavSatFix

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Header

_GPSD: Final = "gpsd://"
_WATCH: Final = b'?WATCH={"enable":true,"nmea":true};\n'
_SOME_DAY: Final = date(1970, 1, 1)  # any day: the stamp is not the receiver's


class GpsSentences:
    """Joins the sentences of one time; does no I/O.

    Attributes:
        counts: the number of sentences by kind, and of lines without one.
    """

    def __init__(self, *, check: bool = True) -> None:
        """Begin without sentences; `check` refuses sentences without a checksum."""
        self._check = check
        self.counts: Counter[str] = Counter()
        self._epoch: GpsEpoch | None = None
        self._kinds: set[str] = set()  # its sentences: no receiver sends one of them twice a time

    def feed(self, line: str) -> list[GpsEpoch]:
        """Process a line, and return the times that it ends."""
        ended = []
        for nmea in parsed_line(line, self.counts, check=self._check):
            try:
                ended += self._take(nmea)
            except (ValueError, TypeError, AttributeError, OverflowError):
                self.counts[f"{nmea.sentence_type} that cannot be read"] += 1
        return ended

    def end(self) -> list[GpsEpoch]:
        """Return the current time in a list, if it has a position or states that there is none."""
        epoch, self._epoch = self._epoch, None
        self._kinds.clear()
        return [epoch] if epoch is not None and epoch.qualities else []

    def _take(self, nmea: Any) -> list[GpsEpoch]:
        if nmea.sentence_type not in POSITIONS:
            return []
        at = time_of(nmea)
        if at is None:  # an old receiver, or one without a fix and so without a time
            has_fix = quality(nmea) != "0"
            if has_fix and (nmea.timestamp or not nmea.lat):
                return []
            at = self._epoch.at if has_fix and self._epoch is not None else time()
        kind = nmea.talker + nmea.sentence_type
        is_next = self._epoch is not None and (self._epoch.at != at or kind in self._kinds)
        ended = self.end() if is_next else []
        self._kinds.add(kind)
        if self._epoch is None:
            self._epoch = GpsEpoch(at)
        self._epoch.take(nmea)
        return ended


class NmeaGps(DeviceNode):
    """Publishes `fix`."""

    class Params(Parameters):
        """The port of the receiver, and the form of its data."""

        port: str = Field("/dev/ttyUSB0", frozen=True, description="path, tcp://, gpsd://, or file")
        baud: int = Field(9600, frozen=True)
        gather_sec: float = Field(0.1, gt=0, description="the wait for more sentences of a fix")
        checksums: bool = Field(True, frozen=True, description="false: they are optional")
        frame_id: str = "gps"

    params: Params

    def __init__(self) -> None:
        """Open the receiver, or replay the file, when the node spins."""
        super().__init__("gps")
        self._lines = DeviceLines()
        self._sentences = GpsSentences(check=self.params.checksums)
        self._began: Header | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._publisher = self.create_publisher(NavSatFix, "fix", 10)
        port = self.params.port
        if Path(port).is_file():
            self.create_task(self._replay(port))
            return
        is_gpsd = port.startswith(_GPSD)
        self._device = Device(
            self,
            port.replace(_GPSD, "tcp://", 1) if is_gpsd else port,
            self.params.baud,
            self._on_data,
            greeting=_WATCH if is_gpsd else b"",
            on_open=lambda _: self._lines.drop(),
            counts=lambda: self._sentences.counts,
        )

    def _on_data(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            for epoch in self._sentences.feed(line):
                self._publish(epoch)
            self._began = self._began or self.stamp(self.params.frame_id)
        if self._pause is not None:
            self._pause.cancel()
        loop = asyncio.get_running_loop()
        self._pause = loop.call_later(self.params.gather_sec, self._end)

    def _end(self) -> None:
        for epoch in self._sentences.end():
            self._publish(epoch)
        self._began = None

    def _publish(self, epoch: GpsEpoch) -> None:
        fix = epoch.fix(_SOME_DAY)
        fix.header = self._began or self.stamp(self.params.frame_id)
        self._began = None
        self._publisher.publish(fix)

    async def _replay(self, path: str) -> None:
        with opened(path) as file:
            log = NmeaLog(file.read())
        loop_time = asyncio.get_running_loop().time
        begun: tuple[float, float] | None = None
        for when, found in log.samples():
            begun = begun or (loop_time(), when)
            await asyncio.sleep(begun[0] + when - begun[1] - loop_time())
            if isinstance(found, NavSatFix):
                found.header.frame_id = self.params.frame_id
                self._publisher.publish(found)
        self.get_logger().info(f"{path} has ended; sentences: {dict(log.counts)}")
