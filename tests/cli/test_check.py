"""`dsmq-nodes check`; what it finds is tested in tests/launcher."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Place
from tests.support.waiting import PATIENCE_SEC, until

TALKER = """\
args: {text: hello}
nodes:
- {name: talker, node: examples.talker:Talker, rate: 2, params: {text: $(arg text)}}
"""
LISTENER = "- {name: listener, node: examples.listener:Listener}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "robot.yaml"


def test_a_file_with_nothing_wrong(nowhere: Place, file: Path) -> None:
    file.write_text(TALKER + LISTENER)
    done = nowhere.run("check", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: 2 nodes, 1 topic: nothing is wrong\n"


def test_errors_are_shown_with_line_and_caret_and_the_status_tells(
    nowhere: Place, file: Path
) -> None:
    file.write_text(TALKER.replace("text: $(arg text)", "txt: $(arg text)"))
    done = nowhere.run("check", str(file), "text:=bye")
    assert done.returncode == 1
    head, line, caret = done.stderr.splitlines()
    assert (
        head == f"{file}:3:66: examples.talker:Talker has no parameter 'txt'; did you mean 'text'?"
    )
    assert line[caret.index("^") :].startswith("txt:")
    assert done.stdout == f"{file}: 1 node, 0 topics: 1 error\n"


def test_warnings_alone_are_no_error(nowhere: Place, file: Path) -> None:
    file.write_text("nodes:\n" + LISTENER)
    done = nowhere.run("check", str(file))
    assert done.returncode == 0
    assert done.stderr.startswith(f"{file}:2:26: warning: no node publishes /chatter")
    assert done.stdout.endswith(": 1 warning\n")


def test_json_is_for_programs(nowhere: Place, file: Path) -> None:
    file.write_text("nodes:\n- {nme: a}\n" + LISTENER)
    done = nowhere.run("check", str(file), "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    assert [(each["line"], each["column"]) for each in found["errors"]] == [(2, 3), (2, 4)]
    assert found["errors"][1]["message"] == "unknown key 'nme'; did you mean 'name'?"
    file.write_text("nodes:\n" + LISTENER)
    done = nowhere.run("check", str(file), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["errors"] == []
    assert found["warnings"][0]["source"] == LISTENER.rstrip()


def test_what_cannot_be_read_is_an_error_and_a_wrong_word_a_wrong_use(
    nowhere: Place, file: Path
) -> None:
    assert nowhere.run("check", str(file)).returncode == 1
    file.write_text("nodes: [a\n")
    done = nowhere.run("check", str(file))
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        1,
        f"{file}:1:8: a ',' or the closing ']' is missing",
    )
    assert nowhere.run("check", str(file), "rate").returncode == 2


def test_a_launch_file_of_ros_is_told_where_it_is_checked(nowhere: Place, tmp_path: Path) -> None:
    file = tmp_path / "bot.launch.py"
    file.write_text("def generate_launch_description(): ...\n")
    done = nowhere.run("check", str(file))
    assert done.returncode == 1
    assert f"`dsmq-nodes launch --dry-run {file}` shows its plan or its mistakes" in done.stderr


BEGINS = """\
import pathlib, sys
if sys.orig_argv[-1].endswith(".examine"):
    pathlib.Path(__file__).with_name("has_begun").touch()
    sys.stdin.read()
"""


def test_ctrl_c_while_the_process_that_examines_begins_is_no_traceback_and_no_success(
    tmp_path: Path, file: Path
) -> None:
    file.write_text(TALKER)
    (tmp_path / "sitecustomize.py").write_text(BEGINS)
    with subprocess.Popen(
        [sys.executable, "-m", "dsmq_nodes", "check", str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as check:
        until((tmp_path / "has_begun").exists)
        os.killpg(check.pid, signal.SIGINT)  # as a terminal does
        assert check.communicate(timeout=PATIENCE_SEC)[0] == ""
    assert check.returncode == 128 + signal.SIGINT
