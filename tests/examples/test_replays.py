"""Any valid log of a sensor is replayed, not only those that the examples were written with."""

import bz2
import gzip
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsmq_nodes.devices.nmea_log import NmeaLog
from dsmq_nodes.devices.recorded.carmen_lines import CarmenLines
from dsmq_nodes.devices.recorded.imu_columns import named
from dsmq_nodes.errors import ParameterError
from dsmq_nodes.messages import (
    Float64,
    Imu,
    LaserScan,
    MagneticField,
    NavSatFix,
    NavSatStatus,
    Odometry,
)
from dsmq_nodes.testing import Graph
from examples.replay_carmen import ReplayCarmen
from examples.replay_imu import ReplayImu
from examples.replay_nmea import ReplayNmea

# NMEA 0183

DAY = 86_400
AUG_20 = 1_534_723_200  # 2018-08-20 00:00:00 UTC


def sentence(body: str) -> str:
    checksum = 0
    for character in body:
        checksum ^= ord(character)
    return f"${body}*{checksum:02X}"


def rmc(at: str, lat: str = "5251.0093", *, day: str = "200818", status: str = "A") -> str:
    return sentence(f"GPRMC,{at},{status},{lat},N,00518.8170,E,5.6,230.5,{day},1.4,E,A")


def gga(at: str, lat: str = "5251.0093", *, quality: int = 1, talker: str = "GP") -> str:
    return sentence(f"{talker}GGA,{at},{lat},N,00518.8170,E,{quality},12,0.60,-4,M,46.8,M,,")


def fixes(*lines: str) -> list[NavSatFix]:
    samples = NmeaLog("\r\n".join(lines)).samples()
    return [found for _, found in samples if isinstance(found, NavSatFix)]


def times(*lines: str) -> list[float]:
    return [fix.header.stamp.to_nanoseconds() / 1e9 for fix in fixes(*lines)]


def test_sentences_of_one_time_are_one_fix() -> None:
    found = fixes(
        gga("094737"),
        rmc("094737"),
        sentence("GPGLL,5251.0093,N,00518.8170,E,094737,A,A"),
        rmc("094738", "5251.0100"),
        gga("094738", "5251.01004"),
        sentence("GNGNS,094739,5251.01,N,00518.8170,E,RA,14,0.9,-4,46.8,,"),
    )
    assert [fix.header.stamp.sec - AUG_20 for fix in found] == [35_257, 35_258, 35_259]
    assert found[0].latitude == pytest.approx(52 + 51.0093 / 60, abs=1e-12)
    assert found[1].latitude == pytest.approx(52 + 51.01004 / 60, abs=1e-12)  # the most exact
    assert found[0].longitude == pytest.approx(5 + 18.8170 / 60, abs=1e-12)
    assert [fix.altitude for fix in found] == pytest.approx([42.8] * 3)
    statuses = [NavSatStatus.STATUS_FIX, NavSatStatus.STATUS_FIX, NavSatStatus.STATUS_GBAS_FIX]
    assert [fix.status.status for fix in found] == statuses
    assert [fix.status.service for fix in found] == [1, 1, 3]


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "BD", "II"])
def test_any_talker_and_one_kind_of_sentence_alone(talker: str) -> None:
    assert len(fixes(gga("000001", talker=talker), gga("000002", talker=talker))) == 2
    assert times(gga("000001", talker=talker)) == [1.0]  # nobody tells a date


def test_midnight_and_dates() -> None:
    assert times(rmc("235959"), gga("235959"), gga("000000"), gga("000001")) == [
        AUG_20 + DAY - 1, AUG_20 + DAY, AUG_20 + DAY + 1,
    ]  # fmt: skip
    assert times(rmc("235959.50"), rmc("000000.50", day="210818"), gga("000001.50")) == [
        AUG_20 + DAY - 0.5, AUG_20 + DAY + 0.5, AUG_20 + DAY + 1.5,
    ]  # fmt: skip
    assert times(gga("235958"), gga("000003")) == [DAY - 2, DAY + 3]
    dated = sentence("GPZDA,120000,20,08,2018,-01,00")
    assert times(dated, gga("120001"), gga("120001.5")) == [AUG_20 + 43201, AUG_20 + 43201.5]
    # An hour is late: no day has passed.
    assert times(rmc("120000"), gga("110000")) == [AUG_20 + 43_200, AUG_20 + 39_600]


def test_what_is_before_the_first_date_is_not_guessed_and_is_counted() -> None:
    log = NmeaLog("\n".join([gga("094736"), rmc("094737"), gga("094738")]))
    assert len(list(log.samples())) == 2
    assert log.unused == {"fixes before the first date": 1}


@pytest.mark.parametrize(
    "line",
    [
        sentence("GPGGA,094738,,,,,0,,,,,,,,"),
        gga("094738", quality=0),
        rmc("094738", status="V"),
        sentence("GPRMC,094738,V,,,,,,,200818,,,N"),
        sentence("GPGLL,,,,,094738,V,N"),
        sentence("GNGNS,094738,,,,,NNN,00,99.99,,,,"),
    ],
)
def test_no_fix_is_told_as_no_fix(line: str) -> None:
    good, bad = fixes(rmc("094737"), line)
    assert good.status.status == NavSatStatus.STATUS_FIX
    assert bad.status.status == NavSatStatus.STATUS_NO_FIX
    assert math.isnan(bad.latitude)
    assert math.isnan(bad.longitude)
    assert bad.header.stamp.sec == good.header.stamp.sec + 1


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        ("4807.038,S,01131.000,W", (-48.1173, -11.5166667)),
        ("4807.038,n,01131.000,e", (48.1173, 11.5166667)),
        ("4807,S,01131,E", (-48.1166667, 11.5166667)),
        ("4807.038,,01131.000,", None),
        ("4807.038,E,01131.000,N", None),
        ("4875.038,N,01131.000,E", None),
    ],
)
def test_a_position_has_its_hemisphere(position: str, expected: tuple[float, float] | None) -> None:
    """The equator, in particular, is nobody's default."""
    log = NmeaLog(sentence(f"GPGGA,094737,{position},1,12,0.60,-4,M,46.8,M,,"))
    ((_, fix),) = log.samples()
    assert isinstance(fix, NavSatFix)
    if expected is None:
        assert math.isnan(fix.latitude)
        assert log.unused == {"GGA that cannot be read": 1}
    else:
        assert (fix.latitude, fix.longitude) == pytest.approx(expected)


def test_of_several_systems_the_best_counts() -> None:
    modes = {"AE": NavSatStatus.STATUS_FIX, "EN": NavSatStatus.STATUS_UNKNOWN}
    modes |= {"DA": NavSatStatus.STATUS_SBAS_FIX, "MF": NavSatStatus.STATUS_GBAS_FIX}
    for mode, status in modes.items():
        (fix,) = fixes(sentence(f"GNGNS,094739,5251.01,N,00518.8,E,{mode},14,0.9,-4,46.8,,"))
        assert fix.status.status == status


def test_one_time_of_two_days_is_two_fixes() -> None:
    assert times(rmc("120000"), rmc("120000", day="210818")) == [
        AUG_20 + DAY / 2, AUG_20 + 1.5 * DAY,
    ]  # fmt: skip


def test_everything_between_the_sentences() -> None:
    good = rmc("094738")
    text = "\n".join(
        [
            '{"class":"TPV","lat":52.8,"lon":5.3}',
            "# a comment",
            "\x00\xb5b\x01\x07 binary" + rmc("094737") + "\ufffd\ufffd",
            f"2018-08-20T09:47:38Z {good} {gga('094738')}",
            good[:-1] + ("0" if good[-1] != "0" else "1"),  # its checksum is wrong
            "$GPGGA,09",
            sentence("PGRME,15.0,M,45.0,M,25.0,M"),
            sentence("CCGPQ,GGA"),
            sentence("PMTK001,604,3"),
            sentence("PSRF100,0,9600,8,1,0"),
            sentence("PUBX,00,hello"),
            "$PXYZ",
            "$GP",
            sentence("GPZDA,120000,,,,,"),
            sentence("GPZDA,120000,31,02,2018,,"),
            "$GPRMC,999999,A,5251.0093,N,00518.8170,E,5.6,230.5,200818,,",
            "$GPGGA,094739,9951.0093,N,00518.8170,E,1,12,0.60,-4,M,46.8,M,,",
            "$GPGGA,094740,north,N,00518.8170,E,1,12,0.60,-4,M,46.8,M,,",
            "!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24",
            "",
            rmc("094741")[:-3],  # without a checksum
        ]
    )
    log = NmeaLog(text)
    found = [fix for _, fix in log.samples() if isinstance(fix, NavSatFix)]
    known = [fix.header.stamp.sec - AUG_20 for fix in found if not math.isnan(fix.latitude)]
    assert known == [35_257, 35_258, 35_261]
    assert log.counts["ChecksumError"] == 1
    assert log.counts["no sentence"] == 3
    assert log.unused["GGA that cannot be read"] == 2


def test_a_log_is_replayed_at_its_pace_with_depths_in_their_places(
    graph: Graph, tmp_path: Path
) -> None:
    lines = [
        rmc("120000"), "$SDDPT,5.3,0.4,", gga("120001"), gga("120002.5"), "$SDDPT,,,",
        rmc("120004"),
    ]  # fmt: skip
    path = tmp_path / "boat.log.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    found, depths = graph.observe(NavSatFix, "fix"), graph.observe(Float64, "depth")
    graph.add(ReplayNmea, params={"path": str(path)})
    graph.run_for(5.0)
    assert np.diff(found.at_sec) == pytest.approx([1.0, 1.5, 1.5], abs=0.01)
    assert [each.data for each in depths] == [5.3]


# CARMEN


def carmen(graph: Graph, path: Path, text: str) -> Any:
    packed: dict[str, Callable[[bytes], bytes]] = {".bz2": bz2.compress, ".gz": gzip.compress}
    packed[".log"] = gzip.compress  # as its name does not say
    path.write_bytes(packed.get(path.suffix, bytes)(text.encode()))
    front = graph.observe(LaserScan, "scan")
    rear, odom = graph.observe(LaserScan, "rear_scan"), graph.observe(Odometry, "odom")
    node = graph.add(ReplayCarmen, params={"path": str(path)})
    graph.run_for(10.0)
    return front, rear, odom, node.log.counts


def flaser(count: int, name: str = "FLASER", at: float = 1.0) -> str:
    ranges = " ".join(f"{index / 100:.2f}" for index in range(1, count + 1))
    return f"{name} {count} {ranges} 1 2 0.5 3 4 0.25 {at} host {at}\n"


@pytest.mark.parametrize(
    ("count", "expected_deg"),
    [
        (180, (-90, 89, 1)), (181, (-90, 90, 1)), (360, (-90, 89.5, 0.5)), (361, (-90, 90, 0.5)),
        (401, (-50, 50, 0.25)), (541, (-90, 90, 180 / 540)), (1, (-90, -90, 180)),
    ],
)  # fmt: skip
def test_beams_are_as_many_and_as_far_apart_as_the_line_says(
    graph: Graph, tmp_path: Path, count: int, expected_deg: tuple[float, ...]
) -> None:
    front, _, odom, _ = carmen(graph, tmp_path / "a.clf", flaser(count))
    (scan,) = front
    angles = scan.angle_min, scan.angle_max, scan.angle_increment
    assert np.degrees(angles) == pytest.approx(expected_deg)
    assert len(scan.ranges) == count
    assert scan.ranges[0] == 0.01
    assert (odom[0].pose.pose.position.x, odom[0].pose.pose.position.y) == (3, 4)
    assert scan.header.stamp.sec == 1


ROBOTLASER = (
    "ROBOTLASER{n} 0 -1.0 2.0 0.5 30.0 0.01 0 5 1 2 3 4 5 {remissions} 0.1 0 0 7 8 0.5 "
    "0.25 -0.5 0 0 0 {at} host {at}\n"
)


@pytest.mark.parametrize("suffix", [".clf", ".clf.gz", ".clf.bz2", ".log"])
def test_a_line_that_describes_its_laser_is_believed(
    graph: Graph, tmp_path: Path, suffix: str
) -> None:
    text = "# a comment\nPARAM robot_use_laser on nohost 0\n\nSYNC tag 0 host 0\n"
    text += ROBOTLASER.format(n=1, remissions="2 10 20", at=1.0)
    text += ROBOTLASER.format(n=2, remissions="0", at=1.5)
    front, rear, odom, counts = carmen(graph, tmp_path / f"a{suffix}", text)
    (scan,) = front
    assert (scan.angle_min, scan.angle_increment, scan.range_max) == (-1.0, 0.5, 30.0)
    assert scan.angle_max == pytest.approx(1.0)
    assert (scan.ranges, scan.intensities) == ([1, 2, 3, 4, 5], [10, 20])
    assert (rear[0].header.frame_id, rear[0].intensities) == ("rear_laser", [])
    assert (odom[0].pose.pose.position.x, odom[0].twist.twist.linear.x) == (7, 0.25)
    assert rear.at_sec[0] - front.at_sec[0] == pytest.approx(0.5, abs=0.01)
    assert counts == {"PARAM": 1, "SYNC": 1, "ROBOTLASER1": 1, "ROBOTLASER2": 1}


RAWLASER = "RAWLASER{n} 0 -1.0 2.0 0.5 30.0 0.01 0 5 1 2 3 4 5 0 {at} host {at}\n"


def test_raw_scans_are_read_where_there_are_no_others(graph: Graph, tmp_path: Path) -> None:
    raw = RAWLASER.format(n=1, at=1.0) + RAWLASER.format(n=2, at=1.5)
    front, rear, odom, _ = carmen(graph, tmp_path / "a.clf", raw)
    (scan,) = front
    assert (scan.angle_min, scan.angle_increment, scan.range_max) == (-1.0, 0.5, 30.0)
    assert scan.ranges == rear[0].ranges == [1, 2, 3, 4, 5]
    assert rear[0].header.frame_id == "rear_laser"
    assert len(odom) == 0
    log = tmp_path / "b.clf"
    log.write_text(RAWLASER.format(n=1, at=1.0) + ROBOTLASER.format(n=1, remissions="0", at=1.0))
    assert len(list(CarmenLines(str(log)).samples())) == 1


def test_a_range_without_end_is_not_the_lasers(tmp_path: Path) -> None:
    log = tmp_path / "a.clf"
    log.write_text("FLASER 3 inf nan 60 1 2 3 4 5 6 1.0 host 1.0\n")
    ((_, front, _, _),) = CarmenLines(str(log)).samples()
    assert front is not None
    assert front.range_max == 60


def test_odometry_and_rear_lasers_alone_and_lines_cut_off(graph: Graph, tmp_path: Path) -> None:
    text = "ODOM 1 2 0 0.5 0.1 0 3.0 host 0\n" + flaser(3, "RLASER", 3.5)
    text += "ODOM 1 2\nFLASER 5 1 2 3\nFLASER x\nROBOTLASER1 0\nODOM 2 2 0 0.5 0.1 0 4.0 host 0"
    front, rear, odom, counts = carmen(graph, tmp_path / "a.clf", text)
    assert len(front) == 0
    assert len(rear) == 1
    assert [each.pose.pose.position.x for each in odom] == [1, 2]
    assert odom[0].twist.twist.angular.z == 0.1
    assert counts["FLASER that cannot be read"] == 2
    assert counts["ODOM that cannot be read"] == counts["ROBOTLASER1 that cannot be read"] == 1


# IMUs

GYR, ACC, MAG = [0.1, -0.2, 0.3], [0.5, -9.5, 1.5], [20e-6, -40e-6, 5e-6]


def replayed_imu(graph: Graph, path: Path) -> tuple[Any, Any]:
    imu, mag = graph.observe(Imu, "imu/data_raw"), graph.observe(MagneticField, "imu/mag")
    graph.add(ReplayImu, params={"path": str(path), "frequency": 100.0})
    graph.run_for(5.0)
    return imu, mag


def assert_is_the_sample(imu: Imu) -> None:
    gyr, acc = imu.angular_velocity, imu.linear_acceleration
    assert [gyr.x, gyr.y, gyr.z] == pytest.approx(GYR)
    assert [acc.x, acc.y, acc.z] == pytest.approx(ACC)


DEG, G = math.degrees(1), 1 / 9.80665
SPELLED = {
    "plain": ("gyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z", 1.0, 1.0, ","),
    "brackets": ("gyr_x [deg/s],gyr_y [deg/s],gyr_z [deg/s],acc_x (g),acc_y (g),acc_z (g)",
                 DEG, G, ","),
    "words": ("Gyro X [degrees per second];Gyro Y [degrees per second];Gyro Z [degrees per second];"
              "Acc X [milli g];Acc Y [milli g];Acc Z [milli g]", DEG, 1000 * G, ";"),
    "suffixes": ("gyro_x_dps\tgyro_y_dps\tgyro_z_dps\taccX_m_s2\taccY_m_s2\taccZ_m_s2",
                 DEG, 1.0, "\t"),
    "euroc": ("#w_RS_S_x [rad s^-1],w_RS_S_y [rad s^-1],w_RS_S_z [rad s^-1],a_RS_S_x [m s^-2],"
              "a_RS_S_y [m s^-2],a_RS_S_z [m s^-2]", 1.0, 1.0, ","),
    "spaces": ("gx (deg/s) gy (deg/s) gz (deg/s) ax (g) ay (g) az (g)", DEG, G, " "),
    "unit line": ("sep=,\ngx,gy,gz,ax,ay,az\ndeg/s,deg/s,deg/s,g,g,g", DEG, G, ","),
    # Shimmer's magnetometer has a unit of its own.
    "unit line with others": ("gx,gy,gz,ax,ay,az,mx,my,mz\n"
                              "deg/s,deg/s,deg/s,g,g,g,flux,flux,flux", DEG, G, ","),
    "bars": ("AsX(°/s)|AsY(°/s)|AsZ(°/s)|AccX(g)|AccY(g)|AccZ(g)", DEG, G, "|"),
    "turns": ("gx_rpm,gy_rpm,gz_rpm,ax,ay,az", 60 / math.tau, 1.0, ","),
    "quotes": ('"gx";"gy";"gz";"ax";"ay";"az"', 1.0, 1.0, '";"'),
    "quoted commas": ("gx,gy,gz,ax,ay,az", 1.0, 1.0, '","'),
    "tabs": ("gx\tgy\tgz\tax\tay\taz", 1.0, 1.0, "\t"),
    "short": ("gx gy gz ax ay az", 1.0, 1.0, " "),
    "ros": ("angular_velocity.x,angular_velocity.y,angular_velocity.z,linear_acceleration.x,"
            "linear_acceleration.y,linear_acceleration.z", 1.0, 1.0, ","),
    "letters": ("gyro_x_radps,gyro_y_radps,gyro_z_radps,accel_x_mps2,accel_y_mps2,accel_z_mps2",
                1.0, 1.0, ","),
    "aircraft": ("roll_rate,pitch_rate,yaw_rate,accel_x,accel_y,accel_z", 1.0, 1.0, ","),
    "comments": ("// Start Time: Unknown\n// Rate: 100\ngyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z",
                 1.0, 1.0, ","),
    "greek": ("ω_x (°/s),ω_y (°/s),ω_z (°/s),a_x,a_y,a_z", DEG, 1.0, ","),
    "lines above": ("DeviceTag:,D1\nStartTime: 2024-01-01\n\ngyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z",
                    1.0, 1.0, ","),
    "Shimmer": ("S_1_Gyro_X_CAL\tS_1_Gyro_Y_CAL\tS_1_Gyro_Z_CAL\tS_1_Accel_LN_X_CAL\t"
                "S_1_Accel_LN_Y_CAL\tS_1_Accel_LN_Z_CAL\n"
                "deg/s\tdeg/s\tdeg/s\tm/(s^2)\tm/(s^2)\tm/(s^2)", DEG, 1.0, "\t"),
    "Chinese": ("角速度X(°/s),角速度Y(°/s),角速度Z(°/s),"
                "加速度X(g),加速度Y(g),加速度Z(g)", DEG, G, ","),
    "comment": ("# gyr_x,gyr_y,gyr_z,acc_x,acc_y,acc_z", 1.0, 1.0, ","),
}  # fmt: skip


@pytest.mark.parametrize("spelled", SPELLED)
def test_names_with_units_are_understood(graph: Graph, tmp_path: Path, spelled: str) -> None:
    names, of_gyr, of_acc, separator = SPELLED[spelled]
    values = [each * of_gyr for each in GYR] + [each * of_acc for each in ACC]
    line = separator.join(map(repr, values))
    line = f'"{line}"' if '"' in separator else line
    if spelled in {"words", "quotes", "quoted commas", "tabs"}:
        line = line.replace(".", ",")
    path = tmp_path / "imu.csv"
    path.write_text(f"{names}\n{line}\n{line}\n\n{separator.join('x' * 6)}\n")
    imu, mag = replayed_imu(graph, path)
    assert len(imu) == 2
    assert len(mag) == 0
    for each in imu:
        assert_is_the_sample(each)
    assert np.diff(imu.at_sec) == pytest.approx([0.01], abs=1e-3)


@pytest.mark.parametrize(
    ("name", "texts", "stamps_ns"),
    [
        ("timestamp_ms", ["1500", "1750"], [1_500_000_000, 1_750_000_000]),
        ("time_us", ["1500000", "1750000"], [1_500_000_000, 1_750_000_000]),
        ("time_µs", ["1500000", "1750000"], [1_500_000_000, 1_750_000_000]),
        ("Time (minutes)", ["1", "nan", "1e400", "1.00416666666666"], [60 * 10**9, 60_250_000_000]),
        ("time [s]", ["1.5", "1.75"], [1_500_000_000, 1_750_000_000]),
        ("t", ["1.5", "1.75"], [1_500_000_000, 1_750_000_000]),
        ("ts", ["1.5", "1.75"], [1_500_000_000, 1_750_000_000]),
        ("seconds_elapsed", ["1.5", "1.75"], [1_500_000_000, 1_750_000_000]),
        ("Time (ns)", ["1500000000", "1750000000"], [1_500_000_000, 1_750_000_000]),
        ("%time", ["1534758457123456789", "1534758457373456789"],
         [1_534_758_457_123_456_789, 1_534_758_457_373_456_789]),
        ("timestamp", ["1534758457123", "1534758457373"],
         [1_534_758_457_123_000_000, 1_534_758_457_373_000_000]),
        ("time", ["2018-08-20T09:47:37.5", "2018-08-20T09:47:37.75Z"],
         [1_534_758_457_500_000_000, 1_534_758_457_750_000_000]),
        ("loggingTime(txt)", ["2018-08-20 11:47:37.500 +0200", "2018-08-20 11:47:37.750 +0200"],
         [1_534_758_457_500_000_000, 1_534_758_457_750_000_000]),
        ("时间", ["2018-8-20 9:47:37:50", "2018-8-20 9:47:37:300"],
         [1_534_758_457_050_000_000, 1_534_758_457_300_000_000]),
        ("time", ["2018/8/20 9:47:37.5 UTC", "2018/8/20 9:47:37.75 UTC"],
         [1_534_758_457_500_000_000, 1_534_758_457_750_000_000]),
        ("utc_time", ["09:47:37.5", "09:47:37.75"], [35_257_500_000_000, 35_257_750_000_000]),
        ("header.stamp.secs,header.stamp.nsecs", ["5,5", "5,250000005"],
         [5_000_000_005, 5_250_000_005]),
    ],
)  # fmt: skip
def test_times_have_units(
    graph: Graph, tmp_path: Path, name: str, texts: list[str], stamps_ns: list[int]
) -> None:
    path = tmp_path / "imu.csv"
    rest = ",".join(map(repr, [*GYR, *ACC]))
    lines = [f"{name},gx,gy,gz,ax,ay,az", *(f"{text},{rest}" for text in texts)]
    path.write_text("\n".join(lines))
    imu, _ = replayed_imu(graph, path)
    found_ns = [each.header.stamp.to_nanoseconds() for each in imu]
    assert found_ns == pytest.approx(stamps_ns, abs=1, rel=0)
    assert np.diff(imu.at_sec) == pytest.approx([0.25], abs=1e-3)
    assert_is_the_sample(imu[0])


@pytest.mark.parametrize(
    "times",
    [
        [1534758457.0, 1534758457.25, 1534758457.5],
        [[1534758457000000000], [1534758457250000000], [1534758457500000000]],
        np.array(["2018-08-20T09:47:37", "2018-08-20T09:47:37.25", "2018-08-20T09:47:37.5"], "M8"),
    ],
    ids=["s", "ns", "datetime64"],
)
def test_arrays_with_magnetometer_and_time(graph: Graph, tmp_path: Path, times: Any) -> None:
    np.savez(
        tmp_path / "a.npz",
        gyr_bias=np.zeros(3),
        imu_gyr=np.array([GYR, [math.nan] * 3, GYR]),
        accelerometer=np.array([ACC] * 3),
        mag=np.array([MAG, MAG, [math.nan] * 3]) * 1e6,
        timestamps=np.array(times),
    )
    imu, mag = replayed_imu(graph, tmp_path / "a.npz")
    assert len(imu) == 2  # no row that is no number
    assert_is_the_sample(imu[1])
    assert imu[1].header.stamp.to_nanoseconds() == 1_534_758_457_500_000_000
    assert len(mag) == 1  # it may be slower
    assert mag[0].magnetic_field.y == pytest.approx(MAG[1])
    assert mag[0].header == imu[0].header


@pytest.mark.parametrize("name", ["millis", "ns"])
def test_an_array_that_is_called_as_another_unit_is_no_time_in_s(
    graph: Graph, tmp_path: Path, name: str
) -> None:
    """The replay seemed to stop: the next sample came ten seconds later."""
    times: dict[str, Any] = {name: np.array([0, 10, 20])}
    np.savez(tmp_path / "a.npz", gyr=np.zeros((3, 3)), acc=np.array([ACC] * 3), **times)
    imu, _ = replayed_imu(graph, tmp_path / "a.npz")
    assert len(imu) == 3


def test_a_magnetometer_may_be_slower_than_the_others(graph: Graph, tmp_path: Path) -> None:
    sample = ",".join(map(repr, [*GYR, *ACC]))
    lines = [
        "gx,gy,gz,ax,ay,az,mx,my,mz",
        f"{sample},1,2,3",
        f"{sample},,,",
        f"{sample},nan,nan,nan",
    ]
    (tmp_path / "imu.csv").write_text("\n".join(lines), encoding="utf-16")
    imu, mag = replayed_imu(graph, tmp_path / "imu.csv")
    assert (len(imu), len(mag)) == (3, 1)


def test_a_comment_is_no_other_device(graph: Graph, tmp_path: Path) -> None:
    samples = "arm,0,0,0,0,0,9\n# halfway\n\narm,0,0,0,0,0,9\n"
    write(tmp_path / "imu.csv", f"device name,gx,gy,gz,ax,ay,az\n{samples}")
    imu, _ = replayed_imu(graph, tmp_path / "imu.csv")
    assert len(imu) == 2


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("a.csv", lambda path: write(path, "1,2,3,4,5,6\n1,2,3,4,5,6\n"),
         "has no line of names: '1,2,3,4,5,6' comes first"),
        ("a.csv", lambda path: write(path, "gyr_x,gyr_y,gyr_z\n1,2,3\n"), "are of the acc"),
        ("a.csv", lambda path: write(path, "gx,gy,gz,ax [V],ay,az\n"), "the unit 'v' is none of"),
        ("a.csv", lambda path: write(path, ""), "is empty"),
        ("a.csv", lambda path: write(path, "DeviceName,gx,gy,gz,ax,ay,az\n"
                                     "arm,0,0,0,0,0,9\nleg,0,0,0,0,0,9\narm,0,0,0,0,0,9\n"),
         "samples of 2 devices in turns, arm, leg: write"),
        ("a.csv", lambda path: write(path, "gx,gy,gz,ax,ay,az\n"), "no samples below its names"),
        ("a.csv", lambda path: write(path, "time,gx,gy,gz,ax,ay,az\n1/5/24,1,2,3,4,5,6\n"),
         "lines that cannot be read': 1"),
        ("a.npz", lambda path: np.savez(path, gyr=np.zeros((2, 3))), "has no acc"),
        ("a.npz", lambda path: np.savez(path, gyr=np.zeros((2, 3)), acc=np.zeros(2)),
         "acc does not"),
        ("a.npz", lambda path: np.savez(path, gyr=np.zeros((2, 3)), acc=np.zeros((2, 3)), time=[1]),
         "time does not"),
        ("a.npz", lambda path: write(path, "PK\3\4"), "cannot be read as arrays"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(
    graph: Graph, tmp_path: Path, name: str, make: Callable[[Path], object], says: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(ParameterError, match=says):
        graph.add(ReplayImu, params={"path": str(tmp_path / name)})


@pytest.mark.parametrize(
    "name",
    ["temperature", "seq", "orientation.x", "pos_x", "vx", "", "[]", "motionUserAccelerationX(G)"],
)
def test_other_columns_are_passed_over(name: str) -> None:
    assert named(name) is None
