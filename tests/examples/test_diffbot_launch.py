"""The diffbot as processes, for a few seconds. How fast it is, is for tests/bench/diffbot.py."""

from pathlib import Path

from tests.bench.diffbot import drive


def test_it_drives_as_processes_and_leaves_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "diffbot.svg"
    found = drive(5.0, picture)
    assert found.status == 0, found.output
    assert "Traceback" not in found.output
    assert found.bumps == 0
    assert found.driven_m > 0.3
    assert found.off_m < 0.1
    assert len(found.latencies_sec) > 10
    assert set(found.rates) == {
        "/plant", "/wheel_encoders", "/imu", "/lidar", "/odometry", "/mapper", "/monitor",
        "/avoider",
    }  # fmt: skip
    assert picture.read_text().startswith("<svg")
