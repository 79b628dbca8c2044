"""`dsmq-nodes launch`; what a launch does is tested in tests/launcher."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Place
from tests.cli.test_help import without_streams
from tests.support import processes

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


def test_a_python_package_has_launch_files(nowhere: Place, tmp_path: Path) -> None:
    (tmp_path / "acme" / "launch").mkdir(parents=True)
    (tmp_path / "acme" / "__init__.py").touch()
    (tmp_path / "acme" / "launch" / "robot.yaml").write_text(TALKER)
    done = nowhere.run("launch", "acme", "robot.yaml", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "[talker]" in done.stdout
    done = nowhere.run("check", "acme", "robot.yaml", cwd=tmp_path)
    assert done.stdout.endswith("nothing is wrong\n"), done.stderr
    done = nowhere.run("launch", "acme", "robt.yaml", cwd=tmp_path)
    assert done.stderr.endswith("has no file 'robt.yaml'; did you mean 'robot.yaml'?\n")
    for odd in ("x" * 300, "", "**", "[", ".."):
        done = nowhere.run("launch", "acme", odd, cwd=tmp_path)
        assert f"has no file {odd!r}; there is: robot.yaml" in done.stderr


def test_a_dry_run_shows_what_would_be_started_with_its_arguments(
    nowhere: Place, file: Path
) -> None:
    file.write_text("args: {hz: 5}\n" + TALKER.replace("rate: 20", "rate: $(arg hz)"))
    done = nowhere.run("launch", str(file), "hz:=7", "--dry-run")
    assert done.returncode == 0
    assert done.stderr.startswith("DSMQ_BROKER=127.0.0.1:1 is not used")
    broker, talker = done.stdout.splitlines()
    assert broker.startswith("[broker] ")
    assert '"rate_hz":7.0' in talker


def test_a_word_that_is_no_argument_is_a_wrong_use(nowhere: Place, file: Path) -> None:
    file.write_text(TALKER)
    done = nowhere.run("launch", str(file), "hz=7")
    assert (done.returncode, done.stdout) == (2, "")
    assert "write it like 'hz:=7'" in done.stderr


def test_the_schema_is_json_with_the_projects_classes(nowhere: Place, tmp_path: Path) -> None:
    (tmp_path / "robot.py").write_text("from dsmq_nodes import Node\nclass Arm(Node): pass\n")
    done = nowhere.run("launch", "schema", str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    node = json.loads(done.stdout)["$defs"]["NodeEntry"]["properties"]["node"]
    assert node["anyOf"][0] == {"enum": ["robot:Arm"]}
    assert nowhere.run("launch", "schema", str(tmp_path / "nothing")).returncode == 2


def test_a_launch_whose_output_cannot_be_written_goes_on_and_tells_it_once(
    nowhere: Place, file: Path
) -> None:
    file.write_text(TALKER)
    words = [sys.executable, "-m", "dsmq_nodes", "launch", str(file), "--duration", "3"]
    with Path("/dev/full").open("w") as full:
        done = processes.run(
            words, cwd=ROOT, env=nowhere.env({}), stdout=full, stderr=subprocess.PIPE, text=True
        )
    what = "cannot be written, No space left on device"
    lines = done.stderr.splitlines()[1:]  # that DSMQ_BROKER is not used
    assert lines[0] == f"[launch] output: {what}; what is not shown is lost"
    assert any("all nodes ready" in line for line in lines)
    assert lines[-1] == f"[launch] ended with faults: output ({what})"
    assert (done.returncode, sum(what in line for line in lines)) == (1, 2)


@pytest.mark.parametrize("numbers", ["1", "2", "012"])
def test_a_launch_does_without_a_stream_that_is_closed(
    nowhere: Place, file: Path, numbers: str
) -> None:
    file.write_text(TALKER)
    done = without_streams(nowhere, numbers, "launch", str(file), "--duration", "3")
    assert done.returncode == 0
    assert "Traceback" not in done.stdout + done.stderr
