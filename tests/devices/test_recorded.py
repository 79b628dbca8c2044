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
from dsmq_nodes.messages import Imu
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
    with pytest.raises(DeviceError, match=f"the recorded file {path} cannot be read: .* whole"):
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
        ("time (us),gyroADC[0] (deg/s),gyroADC[1] (deg/s),gyroADC[2] (deg/s),accSmooth[0] (g),"
         "accSmooth[1] (g),accSmooth[2] (g)", "1000,0,0,180,0,0,1", (math.pi, 9.80665)),
    ],
    ids=["g-force", "free of gravity", "bias", "temperature", "PX4", "with units and numbers"],
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
        (NAMES, ["131,0,0,0,0,16384"], r"acc begins with 16384.* raw counts\? .* acc_x \[g\]"),
        (NAMES, ["2000,0,0,0,0,9.8"], r"gyr begins with 2000.* gyr_x \[deg/s\]"),
        (f"time,{NAMES}", ["10,0,0,0,0,0,9.8", "20,0,0,0,0,0,9.8"], r"is 10 more .*time_ms"),
        # Without a unit they might be anything.
        ("gyro[0],gyro[1],gyro[2],acc[0],acc[1],acc[2]", ["0,0,0,0,0,9.8"], "no line of names"),
    ],
    ids=["raw acc", "raw gyr", "ms", "numbers without units"],
)
def test_what_cannot_be_in_si_units_is_refused(
    graph: Graph, tmp_path: Path, names: str, lines: list[str], match: str
) -> None:
    with pytest.raises(ParameterError, match=match):
        first_imu(graph, tmp_path / "imu.csv", names, *lines)


def test_times_that_have_a_unit_may_be_far_apart(graph: Graph, tmp_path: Path) -> None:
    lines = ("10,0,0,0,0,0,9.8", "20,0,0,0,0,0,9.8")
    imu = first_imu(graph, tmp_path / "imu.csv", f"time [s],{NAMES}", *lines)
    assert imu.header.stamp.sec == 10
