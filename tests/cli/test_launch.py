"""`dsmq-nodes launch`; what a launch does is tested in tests/launcher."""

from pathlib import Path

import pytest

from tests.cli.conftest import Place

TALKER = """\
broker: {port: 0}
nodes:
  - name: talker
    node: examples.talker:Talker
    rate: 20
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "robot.yaml"


def test_a_launch_is_ended_by_its_duration(nowhere: Place, file: Path) -> None:
    file.write_text(TALKER)
    done = nowhere.run("launch", str(file), "--duration", "4")
    assert done.returncode == 0
    assert "Hello, world: 0" in done.stdout + done.stderr


def test_a_launch_is_ended_by_ctrl_c(nowhere: Place, file: Path) -> None:
    file.write_text(TALKER)
    launch = nowhere.start("launch", str(file))
    launch.wait_for("talker")
    assert launch.interrupt() == 0
    assert "Traceback" not in "".join([*launch.lines, *launch.errors])
    nowhere.close()


def test_a_wrong_file_is_shown_and_nothing_started(nowhere: Place, file: Path) -> None:
    file.write_text(TALKER.replace("rate", "rte"))
    done = nowhere.run("launch", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    first, line, caret = done.stderr.splitlines()
    assert first.startswith(f"{file}:5:5: ")
    assert "'rate'" in first
    assert line == "    5 |     rte: 20"
    assert caret == "      |     ^"


def test_a_file_that_is_not_there(nowhere: Place, file: Path) -> None:
    done = nowhere.run("launch", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
