"""Recorded sensors of real robots: one message lost or out of order would shift a known number.

The recordings are not part of the repository: see SOURCE.txt in each folder of the data.
"""

import bz2
import itertools
import math
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from ahrs.common.orientation import q_conj, q_prod
from ahrs.filters import Madgwick

from dsmq_nodes.messages import Float64, NavSatFix, Odometry
from dsmq_nodes.testing import Graph
from examples.diffbot import Avoider
from examples.imu_orientation import TO_ENU
from examples.replay_carmen import ReplayCarmen
from examples.replay_nmea import ReplayNmea
from examples.stop_counter import StopCounter
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
LONG_SEC = 5 * PATIENCE_SEC


def data(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not there: {DATA}")
    return path


def test_imu_through_broker_and_processes_to_five_digits(tmp_path: Path) -> None:
    """Of 3,500 samples; of all 53,240 it is 1.67045: `python -m tests.bench.bag imu`."""
    path = tmp_path / "part.npz"
    with np.load(data("broad_imu/broad_02_f32.npz")) as whole:
        part = {name: whole[name][10_000:13_500] for name in ("gyr", "acc", "mag", "opt_quat")}
        np.savez(path, movement=whole["movement"][10_000:13_500], **part)
    arguments = [f"path:={path}", "speed:=0", "ahead:=500", "port:=0"]
    command = [sys.executable, "-m", "dsmq_nodes", "launch", "launch/imu_replay.yaml", *arguments]
    with processes.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launch:
        try:
            out, _ = launch.communicate(timeout=LONG_SEC)
        except BaseException:
            launch.send_signal(signal.SIGINT)
            raise
    assert launch.returncode == 0
    assert f"3500 samples, 0 out of order, RMSE {rmse_deg(path):.5f} deg" in out
    dropped = re.findall(r"^/\w+ .* (\d+) +[-\d]\S*(?: ms)? +[-\d]\S*(?: ms)?$", out, re.MULTILINE)
    assert len(dropped) == 3
    assert set(dropped) == {"0"}


def rmse_deg(path: Path) -> float:
    """The same filter in this process, as its library runs it over arrays."""
    with np.load(path) as arrays:
        gyr, acc, mag, true = (
            arrays[name].astype(float) for name in ("gyr", "acc", "mag", "opt_quat")
        )
        moves = arrays["movement"]
    found = Madgwick(gyr=gyr, acc=acc, mag=mag, gain=0.12, frequency=2000 / 7).Q
    errors = []
    for q, reference in zip(found[moves], true[moves], strict=True):
        w, *xyz = q_prod(q_prod(TO_ENU, q), q_conj(reference))
        errors.append(2 * math.atan2(np.linalg.norm(xyz), abs(w)))
    return math.degrees(math.sqrt(np.mean(np.square(errors))))


@pytest.mark.slow
def test_lidar_and_odometry_before_the_avoider(graph: Graph, tmp_path: Path) -> None:
    """Of the first 3,000 scans of 7,374, which have all of its 11 stops."""
    with bz2.open(data("radish_carmen/aces.clf.bz2"), "rt") as whole:
        lines = list(itertools.islice(whole, 6013))
    assert sum(line.startswith("FLASER") for line in lines) == 3000
    path = tmp_path / "part.clf.bz2"
    path.write_bytes(bz2.compress("".join(lines).encode(), 1))
    counter = graph.add(StopCounter, params={"scans": 3000})
    graph.add(Avoider, params={"stop_distance": 0.5})
    odometry = graph.observe(Odometry, "odom")
    graph.add(ReplayCarmen, params={"path": str(path), "speed": 20.0})
    graph.run_until(lambda: counter.scans == 3000, timeout_sec=100.0)
    assert (counter.scans, counter.stops, counter.episodes) == (3000, 11, 3)
    drawn = [line.split() for line in lines if line.startswith("ODOM")]
    lasted_sec = float(drawn[-1][9]) - float(drawn[0][9])
    assert graph.now_sec == pytest.approx(lasted_sec / 20, abs=0.1)
    way = [[o.pose.pose.position.x, o.pose.pose.position.y] for o in odometry]
    assert way == [[float(words[1]), float(words[2])] for words in drawn]


def test_a_ship_and_sentences_that_nobody_knows(graph: Graph) -> None:
    path = data("gps_boat_gpsd/bundg_zeus_9.log")
    fixes, depths = graph.observe(NavSatFix, "fix"), graph.observe(Float64, "depth")
    replay = graph.add(ReplayNmea, params={"path": str(path)})
    graph.run_until(lambda: replay.counts["RMC"] == 146 and len(fixes) == 148, 200.0)
    # The same positions, read from the file by hand, and one as gpsd has decoded it.
    expected = {
        found[5]: (int(found[1]) + float(found[2]) / 60, int(found[3]) + float(found[4]) / 60)
        for found in re.finditer(
            r"\$GPGLL,(\d\d)([\d.]+),N,(\d{3})([\d.]+),E,(\d{6})", path.read_text("latin-1")
        )
    }
    del expected["094736"]  # before the first there is no date
    stamps = [fix.header.stamp.sec for fix in fixes]
    times = [f"{datetime.fromtimestamp(each, UTC):%H%M%S}" for each in stamps]
    found = {time: (f.latitude, f.longitude) for time, f in zip(times, fixes, strict=True)}
    for time, position in expected.items():
        assert found[time] == pytest.approx(position, abs=1e-9)
    assert len(expected) == 146
    assert stamps == list(range(1_534_758_457, 1_534_758_457 + 148))  # from 2018-08-20 09:47:37
    assert found["094737"] == pytest.approx((52.850140, 5.313581667), abs=5e-10)
    assert replay.counts["SentenceTypeError"] == 146  # $GPGLC
    assert len(depths) == 148
    assert depths[0].data == 5.4
    assert graph.now_sec == pytest.approx(147.0, abs=1.0)
    assert fixes[0].altitude == pytest.approx(42.8)


def test_lines_that_are_cut_off_or_wrong_are_counted(graph: Graph, tmp_path: Path) -> None:
    good = "$SDDBT,18.0,f,5.4,M,3.0,F*3D"
    path = tmp_path / "boat.log"
    path.write_bytes(
        b"\xff\xfe noise\n$SDDBT,18.0,f,5.4,M,3.0,F*37\n$GPGGA,09\n\n" + f"{good}\n".encode() * 2
    )
    depths = graph.observe(Float64, "depth")
    replay = graph.add(ReplayNmea, params={"path": str(path)})
    graph.run_for(1.0)
    assert [each.data for each in depths] == [5.4, 5.4]
    assert replay.counts["DBT"] == 2
    assert sum(replay.counts.values()) == 6
