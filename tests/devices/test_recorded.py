"""Recorded sensors whose file is not there, or damaged: one line names it."""

import bz2
import gzip
import lzma
import math
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes import Node
from dsmq_nodes.devices import CarmenLog, ImuCsv
from dsmq_nodes.errors import DeviceError, ParameterError
from dsmq_nodes.messages import Imu, LaserScan, MagneticField
from dsmq_nodes.testing import Graph

TEXT = b"gyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z\n" + b"1,2,3,4,5,6\n" * 100


def replay(graph: Graph, kind: type[Node], path: Path) -> None:
    graph.add(kind, params={"path": str(path)})
    graph.run_for(1.0)


@pytest.mark.parametrize("kind", [CarmenLog, ImuCsv])
@pytest.mark.parametrize("pack", [gzip, bz2, lzma], ids=["gz", "bz2", "xz"])
def test_a_file_that_was_cut_is_named(
    graph: Graph, tmp_path: Path, kind: type[Node], pack: Any
) -> None:
    path = tmp_path / "log"
    path.write_bytes(pack.compress(TEXT)[:30])
    with pytest.raises(DeviceError, match=f"the recorded file {path} cannot be read: .* complete"):
        replay(graph, kind, path)


@pytest.mark.parametrize("kind", [CarmenLog, ImuCsv])
def test_a_file_that_is_not_there_is_named(graph: Graph, tmp_path: Path, kind: type[Node]) -> None:
    path = tmp_path / "log"
    with pytest.raises(DeviceError, match=f"{path} cannot be read: No such file"):
        replay(graph, kind, path)


def first_imu(graph: Graph, path: Path, names: str, *lines: str) -> Imu:
    path.write_text("\n".join([names, *lines, ""]))
    samples = graph.observe(Imu, "imu/data_raw")
    graph.add(ImuCsv, params={"path": str(path)})
    graph.run_for(0.1)
    return samples[0]


@pytest.mark.parametrize(
    ("names", "line", "z"),
    [
        # A phone's app, whose forces are in g.
        ("time,gFx,gFy,gFz,wx,wy,wz", "0.01,0.0,0.0,1.0,0.1,0.2,0.3", (0.3, 9.80665)),
        # What was made of the samples stands before them.
        ("FreeAcc_X,FreeAcc_Y,FreeAcc_Z,Acc_X,Acc_Y,Acc_Z,Gyr_X,Gyr_Y,Gyr_Z",
         "1,2,3,0,0,9.8,0.1,0.2,0.3", (0.3, 9.8)),
        ("acc_bias_x,acc_bias_y,acc_bias_z,acc_x,acc_y,acc_z,gyr_x,gyr_y,gyr_z",
         "1,2,3,0,0,9.8,0.1,0.2,0.3", (0.3, 9.8)),
        # A temperature called T beside the time.
        ("Time(s),ax(g),ay(g),az(g),wx(deg/s),wy(deg/s),wz(deg/s),T(°)",
         "0.1,0,0,1,0,0,180,25", (math.pi, 9.80665)),
        # Axes by number.
        ("timestamp [us],gyro_rad[0],gyro_rad[1],gyro_rad[2],accelerometer_m_s2[0],"
         "accelerometer_m_s2[1],accelerometer_m_s2[2]", "1000,0.1,0.2,0.3,0,0,9.8", (0.3, 9.8)),
        ("t,Accel_X_g,Accel_Y_g,Accel_Z_g,Gyro_X_deg_per_s,Gyro_Y_deg_per_s,Gyro_Z_deg_per_s",
         "1,0,0,1,0,0,180", (math.pi, 9.80665)),
        ("a_x_meters_per_second_squared,a_y_meters_per_second_squared,a_z_m_per_s_2,"
         "w_x_radians_per_second,w_y_rad_per_sec,w_z_degrees_per_second", "0,0,9.8,0,0,180",
         (math.pi, 9.8)),
        ("time (us),gyroADC[0] (deg/s),gyroADC[1] (deg/s),gyroADC[2] (deg/s),accSmooth[0] (g),"
         "accSmooth[1] (g),accSmooth[2] (g)", "1000,0,0,180,0,0,1", (math.pi, 9.80665)),
    ],
    ids=[
        "g-force", "free of gravity", "bias", "temperature", "PX4", "per", "in words",
        "with units and numbers",
    ],
)  # fmt: skip
def test_files_of_other_programs(
    graph: Graph, tmp_path: Path, names: str, line: str, z: tuple[float, float]
) -> None:
    """`z` is that of the gyroscope (rad/s), and that of the accelerometer (m/s^2)."""
    imu = first_imu(graph, tmp_path / "imu.csv", names, line)
    assert (imu.angular_velocity.z, imu.linear_acceleration.z) == pytest.approx(z)


NAMES = "gyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z"


@pytest.mark.parametrize(
    ("names", "lines", "match"),
    [
        (NAMES, ["131,0,0,0,0,16384"], r"acc is up to 16384.* raw counts.* acc_x \[g\]"),
        (NAMES, ["2000,0,0,0,0,9.8"], r"gyr is up to 2000.* gyr_x \[deg/s\]"),
        (NAMES, ["0,0,0,0,0,9.8", "611,0,0,0,0,9.8"], r"gyr is up to 611.* gyr_x \[deg/s\]"),
        (NAMES, ["1,2,250,0.1,0.02,1.01", "9,2,3,0.2,0.1,0.97"] * 10, r"about 1,.*acc_x \[g\]"),
        (f"time,{NAMES}", ["10,0,0,0,0,0,9.8", "20,0,0,0,0,0,9.8"], r"is 10 more .*time_ms"),
        # Without a unit they might be anything.
        ("gyro[0],gyro[1],gyro[2],acc[0],acc[1],acc[2]", ["0,0,0,0,0,9.8"], "no line of names"),
    ],
    ids=["raw acc", "raw gyr", "gyr in deg/s", "acc in g", "ms", "numbers without units"],
)
def test_what_cannot_be_in_si_units_is_refused(
    graph: Graph, tmp_path: Path, names: str, lines: list[str], match: str
) -> None:
    with pytest.raises(ParameterError, match=match):
        first_imu(graph, tmp_path / "imu.csv", names, *lines)


def turning(unit: float, *, bias: float = 0.0, swing: float = 0.0) -> list[str]:
    """Ten seconds of an IMU that swings about its x axis (rad); `unit` is of its gyroscope."""
    lines = []
    for number in range(1000):
        time = number / 100
        angle, rate = swing * math.sin(time), swing * math.cos(time)
        acc = f"0,{9.81 * math.sin(angle):.6f},{9.81 * math.cos(angle):.6f}"
        lines.append(f"{time},{(rate + bias) / unit:.6f},{bias / unit:.6f},0.0,{acc}")
    return lines


DEGREE = math.pi / 180


@pytest.mark.parametrize(
    ("file", "is_warned"),
    [
        ((NAMES, turning(DEGREE, swing=0.5)), True),
        ((NAMES, turning(DEGREE, bias=1.0 * DEGREE)), True),  # at rest: a usual bias
        ((NAMES, turning(1.0, swing=0.5)), False),
        ((NAMES, turning(1.0, swing=2.5)), False),
        ((NAMES, turning(1.0, bias=1.0 * DEGREE)), False),
        ((NAMES, turning(DEGREE, bias=0.1 * DEGREE)), False),  # nothing can be known
        (("gyr_x [rad/s],gyr_y [rad/s],gyr_z [rad/s],acc_x,acc_y,acc_z",
         turning(DEGREE, swing=0.5)), False),
    ],
    ids=["swings", "rests", "rad/s", "swings in rad/s", "rests in rad/s", "no bias", "named"],
)  # fmt: skip
def test_a_gyroscope_in_deg_s_without_a_unit_is_seen_by_how_gravity_turns(
    graph: Graph,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: tuple[str, list[str]],
    is_warned: bool,
) -> None:
    names, lines = file
    first_imu(graph, tmp_path / "imu.csv", f"time,{names}", *lines)
    assert ("name the unit, as gyr_x [deg/s]" in caplog.text) is is_warned


def test_times_in_seconds_need_no_unit(graph: Graph, tmp_path: Path) -> None:
    lines = [f"{100 + number / 10},0,0,0,0,0,9.8" for number in range(30)]
    imu = first_imu(graph, tmp_path / "imu.csv", f"GPST,{NAMES}", *lines)
    assert imu.header.stamp.sec == 100


def test_times_that_have_a_unit_may_be_far_apart(graph: Graph, tmp_path: Path) -> None:
    lines = ("10,0,0,0,0,0,9.8", "20,0,0,0,0,0,9.8")
    imu = first_imu(graph, tmp_path / "imu.csv", f"time [s],{NAMES}", *lines)
    assert imu.header.stamp.sec == 10


@pytest.mark.parametrize(
    ("name", "begin", "second"),
    [
        ("millis", "500", "510"),
        ("micros", "500000", "510000"),
        ("ms", "500", "510"),
        ("datetime", "1970-01-01 00:00:00.5", "1970-01-01T00:00:00.51Z"),
        ("time", "0:00:00.5", "0:00:00.51"),
        ("%time", "500000000", "510000000"),  # of `rostopic echo -p`, in simulated time
        ("field.header.stamp", "500000000", "510000000"),
        ("sec,nanosec", "0,500000000", "0,510000000"),
        ("nsecs,secs", "500000000,0", "510000000,0"),
    ],
)
def test_names_that_tell_the_unit_of_the_time(
    graph: Graph, tmp_path: Path, name: str, begin: str, second: str
) -> None:
    lines = (f"{begin},0,0,0,0,0,9.8", f"{second},0,0,0,0,0,9.8")
    imu = first_imu(graph, tmp_path / "imu.csv", f"{name},{NAMES}", *lines)
    assert imu.header.stamp.nanoseconds == 500_000_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_log_of_scans_may_begin_with_a_mark(graph: Graph, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "log.clf"
    path.write_bytes("FLASER 2 1.0 2.0 0 0 0 0 0 0 12.5 host 12.6\r\n".encode(encoding))
    scans = graph.observe(LaserScan, "scan")
    replay(graph, CarmenLog, path)
    assert [scan.ranges for scan in scans] == [[1.0, 2.0]]


@pytest.mark.parametrize("pack", [gzip, bz2, lzma], ids=["gz", "bz2", "xz"])
def test_a_packed_file_may_be_in_utf_16(graph: Graph, tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "imu.csv"
    path.write_bytes(pack.compress(TEXT.decode().encode("utf-16")))
    samples = graph.observe(Imu, "imu/data_raw")
    replay(graph, ImuCsv, path)
    assert samples[0].linear_acceleration.z == 6.0


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_units_with_signs_may_be_in_the_encoding_of_windows(
    graph: Graph, tmp_path: Path, encoding: str
) -> None:
    names = "gyr_x(°/s),gyr_y(°/s),gyr_z(°/s),ax(m/s²),ay(m/s²),az(m/s²),mx(µT),my(µT),mz(µT)"
    path = tmp_path / "imu.csv"
    path.write_bytes(f"{names}\n0,0,180,0,0,9.8,20,0,40\n".encode(encoding))
    samples, fields = graph.observe(Imu, "imu/data_raw"), graph.observe(MagneticField, "imu/mag")
    graph.add(ImuCsv, params={"path": str(path)})
    graph.run_for(0.1)
    assert samples[0].angular_velocity.z == pytest.approx(math.pi)
    assert fields[0].magnetic_field.z == pytest.approx(40e-6)


@pytest.mark.parametrize(("unit", "count"), [("ʯt", 1), ("лt", 0)], ids=["WitMotion", "unknown"])
def test_a_magnetic_field_is_never_in_another_unit_than_the_files(
    graph: Graph, tmp_path: Path, unit: str, count: int
) -> None:
    names = f"{NAMES},Magnetic field X({unit}),Magnetic field Y({unit}),Magnetic field Z({unit})"
    fields = graph.observe(MagneticField, "imu/mag")
    first_imu(graph, tmp_path / "imu.csv", names, "0,0,0,0,0,9.8,20,0,40")
    assert [each.magnetic_field.z for each in fields] == pytest.approx([40e-6] * count)
