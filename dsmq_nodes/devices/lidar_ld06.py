"""The lidars LD06, LD19 and STL-19P of LDROBOT: 4,500 distances a second, about 10 turns.

A packet has 47 bytes, little endian, at 230400 baud:

    54 2C  speed (deg/s, 2)  first angle (0.01 deg, 2)  12 x (distance (mm, 2), strength (1))
    last angle (0.01 deg, 2)  time (ms, 2)  CRC-8 (polynomial 4D) of the 46 bytes before

The lidar's angles grow clockwise, seen from above; the published ones grow counter-clockwise
(REP 103). A turn ends where the angle passes 360 degrees. Distance 0 is no echo.
"""

import math
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydantic import Field

from dsmq_nodes.devices.device import Device, DeviceNode
from dsmq_nodes.graph.parameters.model import Parameters
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.sensor import LaserScan

BAUD: Final = 230400
_HEADER: Final = b"\x54\x2c"
_SIZE: Final = 47
_POINTS: Final = 12
_FORMAT: Final = struct.Struct("<2xHH" + "HB" * _POINTS + "HHB")
_POLYNOMIAL: Final = 0x4D
_TURN: Final = 36000  # 0.01 degrees
_NEXT: Final = 1500  # the same: the next packet begins within this
_CLOCK_MS: Final = 30_000
_RANGE_MIN: Final = 0.02  # m, from the data sheet
_RANGE_MAX: Final = 12.0


def _crc_table() -> bytes:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1) ^ (_POLYNOMIAL if crc & 0x80 else 0)
        table.append(crc & 0xFF)
    return bytes(table)


_CRC_TABLE: Final = _crc_table()


def crc8(data: bytes) -> int:
    """Return the last byte of a packet: the checksum of all bytes before it."""
    crc = 0
    for byte in data:
        crc = _CRC_TABLE[crc ^ byte]
    return crc


class LidarPoint(NamedTuple):
    """One distance: clockwise angle in 0.01 degrees, m, and the echo's strength."""

    angle: int
    distance: float
    strength: int


class LidarPacket(NamedTuple):
    """Twelve distances; the turn rate in deg/s, and the lidar's clock in ms, modulo 30 s."""

    speed: int
    points: list[LidarPoint]
    time_ms: int


def packed(speed: int, start: int, end: int, points: list[tuple[int, int]], time_ms: int) -> bytes:
    """Return a packet as the lidar sends it: 12 points (mm, strength), angles in 0.01 degrees."""
    flat = [value for point in points for value in point]
    body = _HEADER + _FORMAT.pack(speed, start, *flat, end, time_ms, 0)[2:-1]
    return body + bytes((crc8(body),))


class PacketReader:
    """Finds packets in bytes; does no I/O.

    Attributes:
        damaged: the number of packets with a wrong checksum.
    """

    def __init__(self) -> None:
        """Begin without data."""
        self.damaged = 0
        self._buffer = b""

    def drop(self) -> None:
        """Drop an incomplete packet, because the lidar was unplugged."""
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[LidarPacket]:
        """Yield the packets that `data` completes."""
        self._buffer += data
        while (at := self._buffer.find(_HEADER)) >= 0:
            packet = self._buffer[at : at + _SIZE]
            if len(packet) < _SIZE:
                self._buffer = packet
                return
            if crc8(packet[:-1]) != packet[-1]:
                self.damaged += 1
                self._buffer = self._buffer[at + 1 :]
                continue
            self._buffer = self._buffer[at + _SIZE :]
            yield _read(packet)
        self._buffer = self._buffer[-1:]


def _read(packet: bytes) -> LidarPacket:
    speed, start, *flat, end, time_ms, _ = _FORMAT.unpack(packet)
    span = (end - start) % _TURN
    points = [
        LidarPoint(
            round(start + span * i / (_POINTS - 1)) % _TURN, flat[2 * i] * 1e-3, flat[2 * i + 1]
        )
        for i in range(_POINTS)
    ]
    return LidarPacket(speed, points, time_ms)


class LidarTurn:
    """Collects points into turns of equally spaced beams; does no I/O.

    A turn that lacks packets for half a turn or more is dropped: its end may be missing.
    """

    def __init__(self, beams: int) -> None:
        """Collect turns of `beams` beams."""
        self._beams = beams
        self._last_angle = -1
        self._last_ms = 0
        self._is_whole = False  # the first turn is incomplete
        self._clear()

    def add(self, packet: LidarPacket) -> LaserScan | None:
        """Add a packet; return a turn, without a stamp, if the packet ends it."""
        ended = None
        if self._last_angle >= 0 and self._is_cut(packet):
            self._is_whole, self._last_angle = False, -1
            self._clear()
        self._last_ms = packet.time_ms
        for point in packet.points:
            if point.angle < self._last_angle - _TURN // 2:
                ended = self._scan(packet.speed) if self._is_whole else ended
                self._is_whole = True
                self._clear()
            self._last_angle = point.angle
            beam = round((_TURN - point.angle) * self._beams / _TURN) % self._beams
            if 0 < point.distance < self._ranges[beam]:  # keep the nearest point of a beam
                self._ranges[beam] = point.distance
                self._strengths[beam] = float(point.strength)
        return ended

    def _is_cut(self, packet: LidarPacket) -> bool:
        """Whether the lidar has made half a turn or more since the previous packet."""
        step = (packet.points[0].angle - self._last_angle) % _TURN
        passed_ms = (packet.time_ms - self._last_ms) % _CLOCK_MS
        return step > _NEXT and packet.speed * 100 * passed_ms >= _TURN // 2 * 1000

    def _clear(self) -> None:
        self._ranges = [math.inf] * self._beams
        self._strengths = [0.0] * self._beams

    def _scan(self, speed: int) -> LaserScan:
        scan_sec = 360.0 / speed if speed else 0.0
        step = math.tau / self._beams
        return LaserScan(
            angle_min=0.0,
            angle_max=step * (self._beams - 1),
            angle_increment=step,
            # The lidar turns clockwise, so that later beams have smaller angles.
            time_increment=0.0,
            scan_time=scan_sec,
            range_min=_RANGE_MIN,
            range_max=_RANGE_MAX,
            ranges=self._ranges,
            intensities=self._strengths,
        )


class LidarLd06(DeviceNode):
    """Publishes `scan`, one message for each turn."""

    class Params(Parameters):
        """The port of the lidar, and the form of its scans."""

        port: str = Field("/dev/ttyUSB0", frozen=True, description="a path, or tcp://HOST:PORT")
        baud: int = Field(BAUD, frozen=True)
        beams: int = Field(450, gt=3, frozen=True, description="per turn")
        frame_id: str = "laser"

    params: Params

    def __init__(self) -> None:
        """Open the lidar when the node spins."""
        super().__init__("lidar")
        self._reader = PacketReader()
        self._turn = LidarTurn(self.params.beams)
        self._packets = 0
        self._publisher = self.create_publisher(LaserScan, "scan", 5)
        self._device = Device(
            self,
            self.params.port,
            self.params.baud,
            self._on_data,
            on_open=self._begin,
            counts=self._counts,
        )

    def _begin(self, _: int) -> None:
        self._reader.drop()
        self._turn = LidarTurn(self.params.beams)

    def _on_data(self, data: bytes) -> None:
        for packet in self._reader.feed(data):
            self._packets += 1
            scan = self._turn.add(packet)
            if scan is not None:
                now_ns = self.get_clock().now().to_nanoseconds()
                began_ns = max(now_ns - int(scan.scan_time * 1e9), 0)
                scan.header = self.stamp(self.params.frame_id)
                scan.header.stamp = Time.from_nanoseconds(began_ns)
                self._publisher.publish(scan)

    def _counts(self) -> dict[str, object]:
        return {"packets": self._packets, "damaged": self._reader.damaged}
