"""A GPS: over a terminal, over TCP as gpsd, and from a file."""

import gzip
import logging
import math
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes import devices
from dsmq_nodes.devices import NmeaGps
from dsmq_nodes.devices.nmea_gps import GpsSentences
from dsmq_nodes.devices.nmea_log import NmeaLog
from dsmq_nodes.errors import NodeLoadError
from dsmq_nodes.messages import NavSatFix, NavSatStatus
from dsmq_nodes.testing import Graph
from tests.support.terminals import FakeDevice, run_until


@pytest.fixture
def graph() -> Iterator[Graph]:
    with Graph() as graph:
        yield graph


def sentence(body: str) -> str:
    checksum = 0
    for character in body:
        checksum ^= ord(character)
    return f"${body}*{checksum:02X}\r\n"


def second(number: int) -> bytes:
    at = f"09473{number}"
    position = f"5251.00{number}0,N,00518.8170,E"
    texts = (
        f"GPGGA,{at},{position},1,12,0.60,-4,M,46.8,M,,",
        f"GPRMC,{at},A,{position},5.6,230.5,200818,1.4,E,A",
    )
    return "".join(map(sentence, texts)).encode()


def test_on_a_serial_port_through_an_unplugging(graph: Graph, tmp_path: Path) -> None:
    with FakeDevice(tmp_path / "tty") as device:
        graph.add(NmeaGps, params={"port": str(device.path)})
        fixes = graph.observe(NavSatFix, "fix")
        graph.run_for(0.1)
        for number in range(3):
            device.send(second(number))
            run_until(graph, lambda number=number: len(fixes) == number + 1)  # type: ignore[misc]
        assert fixes[2].latitude == pytest.approx(52 + 51.002 / 60)
        assert fixes[0].header.stamp.sec >= 1_577_836_800  # the node's clock
        device.unplug()
        graph.run_for(1.0)
        device.plug()
        graph.run_for(1.0)
        device.send(second(5))
        run_until(graph, lambda: len(fixes) == 4)


def test_a_receiver_that_has_no_fix_yet_says_so(graph: Graph, tmp_path: Path) -> None:
    """It knows no time either."""
    with FakeDevice(tmp_path / "tty") as device:
        graph.add(NmeaGps, params={"port": str(device.path)})
        fixes = graph.observe(NavSatFix, "fix")
        graph.run_for(0.1)
        cold = ("GNGGA,,,,,,0,00,99.99,,,,,,", "GNRMC,,V,,,,,,,,,,N", "GNGLL,,,,,,V,N")
        device.send("".join(map(sentence, cold)).encode())
        run_until(graph, lambda: fixes)
        graph.run_for(1.0)
    [fix] = fixes
    assert fix.status.status == NavSatStatus.STATUS_NO_FIX
    assert math.isnan(fix.latitude)


def test_a_fast_receiver_that_has_no_fix_yet_says_so_each_time(
    graph: Graph, tmp_path: Path
) -> None:
    """Nothing separates its rounds: no time, and no pause of `gather_sec`."""
    with FakeDevice(tmp_path / "tty") as device:
        graph.add(NmeaGps, params={"port": str(device.path), "gather_sec": 60.0})
        fixes = graph.observe(NavSatFix, "fix")
        graph.run_for(0.1)
        cold = ("GPGGA,,,,,,0,00,99.99,,,,,,", "GLGGA,,,,,,0,00,99.99,,,,,,", "GNRMC,,V,,,,,,,,,,N")
        for _ in range(4):
            device.send("".join(map(sentence, cold)).encode())
        run_until(graph, lambda: len(fixes) == 3)
    assert {each.status.status for each in fixes} == {NavSatStatus.STATUS_NO_FIX}


def test_what_stands_for_a_position_while_there_is_none_is_not_read() -> None:
    """As of receivers of MediaTek before they have a fix; the date that they have counts."""
    texts = (
        "GPGGA,071733.929,8960.0000,N,00000.0000,E,0,0,,137.0,M,13.0,M,,",
        "GPRMC,071733.929,V,8960.0000,N,00000.0000,E,0.00,0.00,111111,,,N",
    )
    log = NmeaLog("".join(map(sentence, texts)))
    [(_, fix)] = log.samples()
    assert isinstance(fix, NavSatFix)
    assert (fix.status.status, fix.header.stamp.sec) == (NavSatStatus.STATUS_NO_FIX, 1320995853)
    live = GpsSentences()
    assert [each for text in texts for each in live.feed(sentence(text))] == []
    assert len(live.end()) == 1
    assert not log.unused
    assert live.counts == {"GGA": 1, "RMC": 1}


def test_the_oldest_sentences_of_a_position_have_no_status() -> None:
    texts = (
        "GPZDA,225443,16,07,2024,00,00",
        "GPGLL,4916.45,N,12311.12,W,225444",
        "GPGLL,,,,,225445",
    )
    fixes = [fix for _, fix in NmeaLog("".join(map(sentence, texts))).samples()]
    found = [fix.status.status for fix in fixes if isinstance(fix, NavSatFix)]
    assert found == [NavSatStatus.STATUS_FIX, NavSatStatus.STATUS_NO_FIX]


def test_a_position_without_a_time_is_one_of_now_and_a_users_talker_is_one() -> None:
    live = GpsSentences()
    texts = (
        "GPGLL,4916.45,N,12311.12,W",
        "U1GGA,123519,4807.0,N,01131.0,E,1,08,0.9,5.4,M,46.9,M,,",
    )
    ended = [each for text in texts for each in live.feed(sentence(text))] + live.end()
    assert [round(each.latitude, 2) for each in ended] == [49.27, 48.12]
    log = NmeaLog("".join(map(sentence, texts)))
    assert [kind for kind, _ in log.counts.items()] == ["GLL", "GGA"]


def test_an_altitude_above_the_sea_alone_is_none_above_the_ellipsoid() -> None:
    """The two differ by up to 100 m, and a receiver may leave out by how much."""
    text = sentence("GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,,,,")
    [(_, fix)] = NmeaLog(text).samples()
    assert isinstance(fix, NavSatFix)
    assert (round(fix.latitude, 2), math.isnan(fix.altitude)) == (48.12, True)


def test_a_leap_second_is_a_fix() -> None:
    position = "A,5251.0093,N,00518.8170,E,5.6,230.5"
    times = [("235959", "311216"), ("235960", "311216"), ("000000", "010117")]
    log = NmeaLog("".join(sentence(f"GPRMC,{at},{position},{day},1.4,E,A") for at, day in times))
    stamps = [fix.header.stamp.sec for _, fix in log.samples() if isinstance(fix, NavSatFix)]
    assert stamps == [1483228799, 1483228799, 1483228800]
    live = GpsSentences()
    ended = [each for at, day in times
             for each in live.feed(sentence(f"GPRMC,{at},{position},{day},1.4,E,A"))]  # fmt: skip
    assert len(ended) == 2


def test_by_gpsd(graph: Graph) -> None:
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.sendall(b'{"class":"VERSION","release":"3.25"}\r\n')
                asked.append(client.recv(100))
                client.sendall(second(1))
                client.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        node = graph.add(NmeaGps, params={"port": f"gpsd://127.0.0.1:{port}"})
        fixes = graph.observe(NavSatFix, "fix")
        run_until(graph, lambda: fixes)
        graph.remove(node)
        thread.join(10)
    assert b'"nmea":true' in asked[0]


@pytest.mark.parametrize("name", ["boat.log", "boat.log.gz"])
def test_from_a_file_at_its_pace(graph: Graph, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = b"".join(map(second, range(4)))
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    fixes = graph.observe(NavSatFix, "fix")
    graph.add(NmeaGps, params={"port": str(path)})
    graph.run_for(1.5)
    assert len(fixes) == 2
    graph.run_for(5)
    assert [fix.header.stamp.sec % 60 for fix in fixes] == [30, 31, 32, 33]


def test_the_end_of_a_replay_has_no_device_to_release(
    graph: Graph, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "boat.log"
    path.write_bytes(second(0))
    node = graph.add(NmeaGps, params={"port": str(path)})
    graph.run_for(0.1)
    graph.remove(node)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@given(st.binary(max_size=200))
def test_noise_is_no_fix(noise: bytes) -> None:
    sentences = GpsSentences()
    assert sentences.feed(noise.decode("latin-1").replace("$", "")) == []
    assert sentences.end() == []


@given(st.integers(0, 60), st.sampled_from("0123456789,ABC$*"))
def test_a_damaged_sentence_is_not_believed(at: int, wrong: str) -> None:
    text = sentence("GPGGA,094737,5251.0093,N,00518.8170,E,1,12,0.60,-4,M,46.8,M,,").strip()
    damaged = text[:at] + wrong + text[at + 1 :]
    sentences = GpsSentences()
    sentences.feed(damaged)
    assert damaged == text or sentences.end() == []


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nmea_gps", "nmea_log"):
        monkeypatch.delitem(sys.modules, f"dsmq_nodes.devices.{name}", raising=False)
    monkeypatch.delitem(vars(devices), "NmeaGps", raising=False)
    monkeypatch.setitem(sys.modules, "pynmea2", None)
    with pytest.raises(NodeLoadError, match=r"NmeaGps needs pynmea2: .*pip install .*\[gps\]"):
        devices.NmeaGps  # noqa: B018
