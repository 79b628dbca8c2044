"""Nodes of devices on pseudo-terminals: their data, the plug pulled, one owner a port."""

import contextlib
import fcntl
import math
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes import spin
from dsmq_nodes.devices import Host, ImuSerial, LidarLd06, SerialLine
from dsmq_nodes.devices.host import HostLoad
from dsmq_nodes.devices.lidar_ld06 import LidarTurn, PacketReader, crc8, packed
from dsmq_nodes.devices.serial_line import DeviceLines
from dsmq_nodes.errors import ParameterError
from dsmq_nodes.messages import Bool, DiagnosticArray, Imu, LaserScan, MagneticField, String
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.support.ipv6 import needs_ipv6
from tests.support.terminals import FakeDevice, run_until
from tests.support.waiting import PATIENCE_SEC

# From LDROBOT's development manual of the LD06.
MANUAL = bytes.fromhex(
    "54 2C 68 08 AB 7E E0 00 E4 DC 00 E2 D9 00 E5 D5 00 E3 D3 00 E4 D0 00 E9 CD 00 E4 CA 00 E2"
    "C7 00 E9 C5 00 E5 C2 00 E5 C0 00 E5 BE 82 3A 1A 50"
)


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


@pytest.fixture
def device(tmp_path: Path) -> Iterator[FakeDevice]:
    with FakeDevice(tmp_path / "tty") as device:
        yield device


class Status:
    """The diagnostics of one node."""

    def __init__(self, graph: Graph, name: str) -> None:
        self._name = f"{name}: device"
        self._seen = graph.observe(DiagnosticArray, "diagnostics")

    def __call__(self) -> tuple[int, str]:
        told = [each for msg in self._seen for each in msg.status if each.name == self._name]
        return (told[-1].level, told[-1].message) if told else (-1, "")


def test_lines_both_ways_through_an_unplugging(graph: Graph, device: FakeDevice) -> None:
    node = graph.add(SerialLine, params={"port": str(device.path)})
    received = graph.observe(String, "/serial_line/received")
    status = Status(graph, "serial_line")
    graph.run_for(0.1)
    device.send(b"temp 21.5\r\nte")
    device.send(b"mp 22\n\xff\n")
    run_until(graph, lambda: len(received) == 3)
    assert [msg.data for msg in received] == ["temp 21.5", "temp 22", "\ufffd"]
    graph.inject("/serial_line/send", String(data="led on"))
    told = b""

    def has_told() -> bool:
        nonlocal told
        told += device.received()
        return told == b"led on\n"

    run_until(graph, has_told)
    device.send(b"temp 2")
    run_until(graph, lambda: node._device.received_bytes == 27)
    device.unplug()
    run_until(graph, lambda: status()[0] == 2)
    assert str(device.path) in status()[1]
    graph.inject("/serial_line/send", String(data="lost"))
    graph.run_for(0.1)
    assert node._unsent == 1
    device.plug()
    run_until(graph, lambda: status() == (0, "ok"))
    device.send(b"back\n")
    run_until(graph, lambda: received[-1].data == "back")
    run_until(graph, lambda: status()[0] == 1)  # it is there, and says nothing


def test_the_safe_line_is_sent_whenever_nothing_else_stops_the_device(
    graph: Graph, device: FakeDevice
) -> None:
    given = {"port": str(device.path), "safe_line": "off", "send_timeout_sec": 0.5}
    node = graph.add(SerialLine, params=given)
    told = b""

    def has_told(text: str) -> bool:
        nonlocal told
        told += device.received()
        if text.encode() not in told:
            return False
        told = b""
        return True

    def sends(line: str) -> None:
        graph.inject("/serial_line/send", String(data=line))

    run_until(graph, lambda: has_told("off\n"))  # it may have moved before
    graph.run_for(2.5)  # the broker is new
    told = device.received()[:0]
    sends("on")
    sends("led")
    run_until(graph, lambda: has_told("on\nled\n"))
    run_until(graph, lambda: has_told("off\n"))  # nothing more is to be sent
    sends("on")
    graph.inject("/emergency_stop", Bool(data=True))
    run_until(graph, lambda: has_told("on\noff\n"))
    sends("on")
    graph.run_for(0.1)
    assert not device.received()
    graph.inject("/emergency_stop", Bool(data=False))
    sends("on")
    run_until(graph, lambda: has_told("on\n"))
    device.unplug()
    graph.run_for(0.1)
    device.plug()
    run_until(graph, lambda: has_told("off\n"))
    sends("on")
    run_until(graph, lambda: has_told("on\n"))
    node.destroy_node()
    assert has_told("off\n")


STOPPED_BY_HAND = {"safe_line": "off", "send_timeout_sec": 1e6}


def flood(graph: Graph, node: SerialLine) -> None:
    """Send lines to a device that does not read, until its buffer is full."""
    graph.run_for(2.5)  # the broker is new
    while not node._unsent:
        for _ in range(20):
            graph.inject("/serial_line/send", String(data="on" * 500))
        graph.run_for(0.01)
    graph.inject("/emergency_stop", Bool(data=True))
    graph.run_for(0.01)


def test_the_safe_line_is_sent_though_a_slow_device_has_not_taken_the_lines_before(
    graph: Graph, device: FakeDevice
) -> None:
    node = graph.add(SerialLine, params={"port": str(device.path), **STOPPED_BY_HAND})
    run_until(graph, lambda: device.received() == b"off\n")
    flood(graph, node)
    told = b""

    def has_told() -> bool:
        nonlocal told
        told += device.received()
        return told.endswith(b"\noff\n")

    run_until(graph, has_told)


def test_the_safe_line_is_sent_though_the_program_before_left_a_full_buffer(
    graph: Graph, device: FakeDevice
) -> None:
    before = os.open(device.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    for _ in range(2000):  # the kernel makes room once more, a little later
        with contextlib.suppress(BlockingIOError):
            os.write(before, b"on" * 500)
    os.close(before)
    graph.add(SerialLine, params={"port": str(device.path), **STOPPED_BY_HAND})
    graph.run_for(0.5)
    told = b""

    def has_told() -> bool:
        nonlocal told
        told += device.received()
        return told.endswith(b"off\n")

    run_until(graph, has_told)


def test_the_safe_line_follows_whole_lines_where_the_device_is_a_socket(
    graph: Graph, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "device"))
        server.listen()
        given = {"port": str(tmp_path / "device"), **STOPPED_BY_HAND}
        node = graph.add(SerialLine, params=given)
        graph.run_for(0.1)
        with server.accept()[0] as device:
            flood(graph, node)
            device.setblocking(False)
            told = b""

            def has_told() -> bool:
                nonlocal told
                with contextlib.suppress(BlockingIOError):
                    told += device.recv(1 << 20)
                return told.endswith(b"on\noff\n")

            run_until(graph, has_told)
    assert set(told.split(b"\n")) == {b"off", b"on" * 500, b""}


def test_the_end_of_the_node_waits_until_a_slow_socket_has_taken_the_safe_line(
    broker: BrokerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsmq_nodes.devices.device._CLOSE_SEC", PATIENCE_SEC)
    told = b""

    class Line(SerialLine):
        class Params(SerialLine.Params):
            port: str = str(tmp_path / "device")
            safe_line: str = "off"

        def flood(self) -> None:
            while self._device.is_open and not self._unsent:
                self.on_send(String(data="on" * 500))
            if self._unsent:
                self.shutdown()

        def on_shutdown(self, *_: object) -> None:
            reading.start()
            super().on_shutdown()

    def read() -> None:
        nonlocal told
        with server.accept()[0] as end:
            while data := end.recv(1 << 16):
                told += data

    reading = threading.Thread(target=read)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "device"))
        server.listen()
        node = Line()
        node.create_timer(0.01, node.flood)
        spin(node)
        node.destroy_node()
        reading.join()
    assert told.endswith(b"on\noff\n")


def test_a_class_whose_own_hook_is_no_coroutine_releases_the_device(
    graph: Graph, device: FakeDevice
) -> None:
    class Lidar(LidarLd06):
        def on_shutdown(self, *_: object) -> None:
            super().on_shutdown()

    node = graph.add(Lidar, params={"port": str(device.path)})
    used = node._device
    run_until(graph, lambda: used.is_open)
    node.destroy_node()
    assert not used.is_open


def test_a_second_owner_is_told(
    graph: Graph, device: FakeDevice, caplog: pytest.LogCaptureFixture
) -> None:
    graph.add(SerialLine, params={"port": str(device.path)})
    graph.run_for(0.1)
    graph.add(SerialLine, name="second", params={"port": str(device.path)})
    status = Status(graph, "second")
    graph.run_for(3.0)
    assert "another process has it open" in status()[1]
    assert caplog.text.count("another process has it open") == 1


@pytest.mark.parametrize("baud", [9600, 250_000])
def test_any_rate_of_a_serial_port(graph: Graph, device: FakeDevice, baud: int) -> None:
    """Marlin's 250000 has no constant."""
    graph.add(SerialLine, params={"port": str(device.path), "baud": baud})
    graph.run_for(0.1)
    with contextlib.closing(os.fdopen(os.open(device.path, os.O_RDWR | os.O_NOCTTY), "rb")) as end:
        told = fcntl.ioctl(end, 0x802C542A, bytes(44))  # TCGETS2
    assert struct.unpack_from("@2I", told, 36)[1] == baud


@needs_ipv6
def test_a_device_behind_ipv6_and_a_name_that_nobody_has(graph: Graph) -> None:
    graph.add(SerialLine, name="lost", params={"port": "tcp://nobody.invalid:1"})
    lost = Status(graph, "lost")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        graph.add(SerialLine, params={"port": f"tcp://[::1]:{port}"})
        server.settimeout(10)
        graph.run_for(0.5)
        server.accept()[0].close()
    run_until(graph, lambda: "nobody.invalid" in lost()[1])
    assert "Unknown error" not in lost()[1]


@given(st.lists(st.text("ab \xe9", min_size=1, max_size=9)), st.data())
def test_lines_however_they_are_cut(lines: list[str], data: st.DataObject) -> None:
    stream = "".join(line + "\r\n" for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter = DeviceLines()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += splitter.feed(stream[start:end])
    assert found == lines


def test_a_line_without_an_end_is_bounded() -> None:
    splitter = DeviceLines(most_bytes=10)
    assert splitter.feed(b"x" * 25) == []
    assert splitter.feed(b"y" * 25 + b"\nshort\n") == ["short"]
    assert splitter.too_long == 1


def test_the_manuals_packet() -> None:
    assert crc8(MANUAL[:-1]) == MANUAL[-1]
    [packet] = PacketReader().feed(b"noise T" + MANUAL)
    assert packet.speed == 2152
    assert [*packet.points[0]] == pytest.approx([32427, 0.224, 0xE4])
    assert [*packet.points[-1]] == pytest.approx([33470, 0.192, 0xE5])


@given(st.integers(0, 45), st.integers(0, 7))
def test_a_damaged_packet_is_none(at: int, bit: int) -> None:
    damaged = bytearray(MANUAL)
    damaged[at] ^= 1 << bit
    reader = PacketReader()
    assert len(list(reader.feed(bytes(damaged) + MANUAL + MANUAL[:1]))) == 1


def a_turn(distance_of: Callable[[int], int], begin_ms: int = 0) -> bytes:
    """A turn of 36 packets in 100 ms; the distance in mm by the degrees."""
    packets = []
    for start in range(0, 36000, 1000):
        angles = [start + round(916 * i / 11) for i in range(12)]
        points = [(distance_of(angle // 100), 100) for angle in angles]
        time_ms = (begin_ms + start // 360) % 30_000
        packets.append(packed(3600, start, start + 916, points, time_ms))
    return b"".join(packets)


def test_a_lidars_turns(graph: Graph, device: FakeDevice) -> None:
    graph.add(LidarLd06, params={"port": str(device.path), "beams": 360})
    scans = graph.observe(LaserScan, "scan")
    graph.run_for(0.1)

    def wall(degrees: int) -> int:
        return 500 if 80 <= degrees < 100 else 0  # at the right, as it turns clockwise

    stream = a_turn(wall) * 3
    for at in range(0, len(stream), 200):
        device.send(stream[at : at + 200])
        graph.run_for(0.005)
    run_until(graph, lambda: scans)
    scan = scans[-1]
    assert scan.scan_time == pytest.approx(0.1)
    assert scan.header.frame_id == "laser"
    assert scan.ranges[270] == pytest.approx(0.5)
    assert scan.ranges[90] == math.inf
    assert sum(math.isfinite(each) for each in scan.ranges) == pytest.approx(20, abs=2)


def test_a_turn_that_an_unplugging_cuts_is_no_scan(graph: Graph, device: FakeDevice) -> None:
    node = graph.add(LidarLd06, params={"port": str(device.path), "beams": 360})
    scans = graph.observe(LaserScan, "scan")
    graph.run_for(0.1)
    near, far = a_turn(lambda _: 500), a_turn(lambda _: 3000)
    device.send(near + near[: len(near) // 2])
    run_until(graph, lambda: node._packets >= 53)
    device.unplug()
    graph.run_for(1.0)
    device.plug()
    graph.run_for(1.0)
    for at in range(0, 3 * len(far), 400):
        device.send((far * 3)[at : at + 400])
        graph.run_for(0.005)
    run_until(graph, lambda: scans)
    assert {each for scan in scans for each in scan.ranges} <= {3.0, math.inf}


@pytest.mark.parametrize("lost", [(30, 50), (20, 40), (5, 60), (1, 35), (10, 300)])
@pytest.mark.parametrize("began_ms", [0, 29_950])
def test_a_gap_makes_no_turn_of_two(lost: tuple[int, int], began_ms: int) -> None:
    far, near = (lambda _: 3000), (lambda _: 500)
    first, last = lost
    turns = [a_turn(far if at < 1 + last // 36 else near, began_ms + at * 100) for at in range(14)]
    packets = [turn[at : at + 47] for turn in turns for at in range(0, len(turn), 47)]
    reader, collected = PacketReader(), LidarTurn(36)
    heard = [*packets[: 36 + first], *packets[36 + last + 36 :]]
    turned = [collected.add(each) for packet in heard for each in reader.feed(packet)]
    scans = [set(each.ranges) for each in turned if each is not None]
    assert scans
    assert all(len(each - {math.inf}) == 1 for each in scans), "near and far in one"


def test_a_turn_with_a_few_packets_missing_is_one() -> None:
    turns = [a_turn(lambda _: 500, at * 100) for at in range(4)]
    packets = [turn[at : at + 47] for turn in turns for at in range(0, len(turn), 47)]
    del packets[40:45]
    reader, collected = PacketReader(), LidarTurn(36)
    scans = [collected.add(each) for packet in packets for each in reader.feed(packet)]
    assert [sum(map(math.isfinite, each.ranges)) for each in scans if each] == [32, 36]


def test_the_host(graph: Graph) -> None:
    limits: dict[str, Any] = {"memory": 0.0001}
    graph.add(Host, params=limits)
    loads = graph.observe(HostLoad, "host")
    status = graph.observe(DiagnosticArray, "diagnostics")
    graph.run_for(2.5)
    load = loads[-1]
    assert 0 < load.memory <= 1
    assert 0 < load.disk <= 1
    assert len(load.cores) >= 1
    told = {each.name: each.level for each in status[-1].status}
    assert told["host: memory"] >= 1
    assert set(told) == {"host: cpu", "host: memory", "host: disk", "host: temperature"}


def test_an_imu_of_lines(graph: Graph, device: FakeDevice) -> None:
    columns = ["_", "gx", "gy", "gz", "ax", "ay", "az", "mx", "my", "mz"]
    given = {"port": str(device.path), "columns": columns, "gyro_unit": "deg/s", "accel_unit": "g"}
    node = graph.add(ImuSerial, params=given)
    imus = graph.observe(Imu, "imu/data_raw")
    fields = graph.observe(MagneticField, "imu/mag")
    graph.run_for(0.1)
    device.send(b"IMU ready\r\n12, 180, 0, 0, 0, 0, 1, 30, 0, -40,\r\n13,nan,0,0,0,0,1,0,0,0\r\n")
    run_until(graph, lambda: imus and node._unread == 2)
    assert imus[0].angular_velocity.x == pytest.approx(math.pi)
    assert imus[0].linear_acceleration.z == pytest.approx(9.80665)
    assert imus[0].orientation_covariance[0] == -1
    assert fields[0].magnetic_field.z == pytest.approx(-40e-6)


@pytest.mark.parametrize(
    "line",
    ["1,2,,3,4,5,6", "1,2,,3,4,5", "1,2,3,4,5,", ",1,2,3,4,5", "1\t2\t\t3\t4\t5", "1;2;;3;4;5;6"],
)
def test_an_imus_empty_cell_shifts_no_other(graph: Graph, device: FakeDevice, line: str) -> None:
    node = graph.add(ImuSerial, params={"port": str(device.path)})
    imus = graph.observe(Imu, "imu/data_raw")
    graph.run_for(0.1)
    device.send(f"{line}\n1 ,2, 3,\t4;5\t6,\n 1  2 3 4 5 6\n".encode())
    run_until(graph, lambda: len(imus) == 2)
    assert node._unread == 1
    assert all(each.linear_acceleration.z == 6.0 for each in imus)


def test_an_imus_columns_are_checked(graph: Graph) -> None:
    with pytest.raises(ParameterError, match="columns needs gx gy gz"):
        graph.add(ImuSerial, params={"columns": ["gx", "gx"]})
