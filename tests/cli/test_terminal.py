"""The streams of the command line, and values that look like options."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from dsmq_nodes.cli.progress import Progress
from dsmq_nodes.cli.show.drawing import dot, mermaid
from dsmq_nodes.tools.graph_model import EndpointModel, TopicModel
from tests.cli.conftest import ROOT, Place
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC, until

VERBS = ("topic list -t", "node list", "graph --mermaid", "tf tree --wait 0.1", "param list")


ASCII = {"PYTHONIOENCODING": "ascii"}
C_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}


@pytest.mark.parametrize("env", [ASCII, C_LOCALE])
def test_a_terminal_without_the_characters_gets_escapes(place: Place, env: dict[str, Any]) -> None:
    text = json.dumps({"data": "Küche 🤖 \x9b"})
    place.latch(f"/kitchen_{len(env)}", text, "std_msgs/msg/String")
    echo = ("topic", "echo", f"/kitchen_{len(env)}", "--once")
    for form in ([], ["--csv"], ["--field", "data"]):
        done = place.run(*echo, *form, **env)
        assert (done.returncode, done.stderr) == (0, "")
    shown = place.run(*echo, "--json", **env)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout) == json.loads(text)
    for verb in VERBS if env is C_LOCALE else ():
        done = place.run(*verb.split(), **env)
        assert "Traceback" not in done.stderr


def test_progress_does_not_wait_for_a_terminal_that_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        progress = Progress("recording", 0, "messages")
        termios.tcflow(slave, termios.TCOOFF)  # as Ctrl-S
        progress._next_sec = 0.0
        progress.at(1)  # would wait for ever
        termios.tcflow(slave, termios.TCOON)
        progress._next_sec = 0.0
        progress.at(2)
        assert b"recording 2 messages" in screen.read(1000)
        with progress:
            pass


@pytest.mark.parametrize(("term", "drawn"), [("xterm", b"\r\x1b[Krecording 12."), ("dumb", b"")])
def test_progress_has_one_line_of_a_narrow_terminal_and_none_of_a_dumb_one(
    monkeypatch: pytest.MonkeyPatch, term: str, drawn: bytes
) -> None:
    monkeypatch.setenv("TERM", term)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 14))
    with os.fdopen(slave, "w") as terminal, os.fdopen(master, "rb", buffering=0) as screen:
        monkeypatch.setattr(sys, "stderr", terminal)
        with Progress("recording", 0, "messages") as progress:
            progress._next_sec = 0.0
            progress.at(12345)
            terminal.write("|")
            terminal.flush()
            assert screen.read(1000).partition(b"|")[0] == drawn


def test_a_files_name_forges_no_line(nowhere: Place, tmp_path: Path) -> None:
    name = str(tmp_path / "a\x1b[2J\n[FAKE] line.mcap")
    done = nowhere.run("bag", "info", name)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert "\n[FAKE]" not in done.stderr
    undecodable = os.fsdecode(b"\xff.yaml")
    assert "Traceback" not in nowhere.run("check", undecodable).stderr


def test_names_are_no_syntax_of_a_diagram() -> None:
    names = ("/a_b", "/a/b", "end", 'x"] --> y;<b>', "node/n")
    ends = [EndpointModel(node="/n")]
    topics = [TopicModel(name=name, type='t"', publishers=ends) for name in names]
    boxes = [line.split("[", 1) for line in mermaid(topics) if line.endswith('"]')]
    assert len({box for box, _ in boxes}) == len(names)
    assert "end" not in {box.strip() for box, _ in boxes}
    assert all(label.count('"') == 2 for _, label in boxes)
    assert '    "x\\"] --> y;<b>" [shape=box, tooltip="t\\""];' in dot(topics)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pin", "-1"], "pin is read-only"),
        (["period", "-.5"], "got -0.5"),
        (["period", "-1e-3"], "got -0.001"),
        (["period", "-.inf"], "got -inf"),
        (["--", "period", "-2"], "got -2"),
        (["period", "--", "-2"], "got -2"),
        (["period", "[1, [2]]"], "it is to be double, not [1, [2]]"),
        (["pin", "1" + "0" * 30], "64 bits"),
        (["period", "{a: 1}"], "not {'a': 1}"),
    ],
)
def test_what_begins_with_a_dash_is_a_value(mall: Place, words: list[str], told: str) -> None:
    at = words.index("--") if words[0] == "--" else None
    given = ["--", "/mall/shop", *words[1:]] if at is not None else ["/mall/shop", *words]
    _, errors, status = mall.here("param", "set", *given)
    assert (status, told in errors, errors.count("\n")) == (1, True, 1), errors


def test_a_text_may_begin_with_a_dash_and_a_word_may_be_an_option(mall: Place) -> None:
    for text in ("-left", "-h1", "'-'", "!!str off"):
        assert mall.here("param", "set", "/mall/shop", "text", text)[2] == 0
    assert mall.here("param", "get", "/mall/shop", "text")[0] == "String value is: off\n"
    assert "Usage" in mall.here("param", "set", "-h")[0]
    assert mall.here("param", "set", "/mall/shop", "text", "--left")[2] == 2
    assert mall.here("param", "set", "/mall/shop", "text", "--broker", mall.broker, "hello")[2] == 0


def test_a_field_from_the_end_and_one_that_cannot_be_meant(place: Place) -> None:
    place.latch("/ranges", json.dumps({"ranges": [1.0, 2.5]}), "pkg/msg/Scan")
    echo = ("topic", "echo", "/ranges", "--once", "--field")
    assert place.here(*echo, "ranges[-1]")[0] == "2.5\n---\n"
    for path in ("ranges[", "ranges[a]", "]"):
        _, errors, status = place.here(*echo, path)
        assert (status, errors.count("\n")) == (1, 1)
        assert "write it as header.stamp, ranges[3] or ranges[-1]" in errors


def test_commands_know_how_wide_the_terminal_is() -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 61))
    program = (
        "import shutil\n"
        "from dsmq_nodes.cli import command_line, main\n"
        "command_line._run = lambda: print(shutil.get_terminal_size())\n"
        "main()"
    )
    environ = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    subprocess.run([sys.executable, "-c", program], stdout=theirs, env=environ, check=True)
    assert b"columns=61" in os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)


INTERRUPTED = """
import os, signal, sys
from dsmq_nodes.cli import command_line, main

def run():
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except SystemExit:
        raise ValueError("as pydantic does while it builds a class") from None

command_line._run, sys.argv = run, ["dsmq-nodes", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("check x.yaml", 130),
        ("service call /dock", 130),
        ("param set /x speed 1", 130),
        ("lifecycle set /x activate", 130),
        ("node stop x", 130),
        ("doctor", 130),
        ("bag rerun run --node a:A", 130),
        ("servo set-id 1 2", 130),
        ("topic pub -1 /x Bool", 130),
        ("topic pub -t3 /x Bool", 130),
        ("topic echo --once /x", 130),
        ("topic echo /x", 0),
        ("param list", 0),
        ("launch x.yaml", 0),
    ],
)
def test_ctrl_c_is_no_error_of_a_library_that_it_met(words: str, status: int) -> None:
    """It is success only where the command goes on until then."""
    command = [sys.executable, "-c", INTERRUPTED, *words.split()]
    done = processes.run(command, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False)
    assert (done.returncode, done.stderr) == (status, "")


DROPPED = """
import os, signal, sys, time, weakref
from dsmq_nodes.cli import command_line, main

class Thing: pass

def run():
    thing = Thing()
    dropping = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGNAL))
    del thing
    time.sleep(300)

command_line._run, sys.argv = run, ["dsmq-nodes", "topic", "list"]
main()
"""


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_where_python_drops_exceptions_ends_it(number: str) -> None:
    """As in the code with which each import ends."""
    command = [sys.executable, "-c", DROPPED.replace("SIGNAL", number)]
    done = processes.run(command, capture_output=True, text=True, timeout=PATIENCE_SEC, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "slow", "status"),
    [
        (["topic", "list"], "typing_extensions", 0),
        (["topic", "list"], "typer", 0),
        (["run", "--quiet", "program.py"], "slow_library", -signal.SIGINT),
        (["run", "--quiet", "program:A"], "slow_library", -signal.SIGINT),
    ],
)
def test_ctrl_c_in_an_import_ends_it_without_a_word(
    tmp_path: Path, words: list[str], slow: str, status: int
) -> None:
    begun = tmp_path / "begun"
    (tmp_path / f"{slow}.py").write_text(
        f"open({str(begun)!r}, 'w').close()\nimport time\ntime.sleep(60)\n"
    )
    (tmp_path / "rclpy.py").write_text("")  # as where a ROS is installed: no broker is asked for
    (tmp_path / "program.py").write_text("import slow_library\nclass A: pass\n")
    command = subprocess.Popen(
        [sys.executable, "-m", "dsmq_nodes", *words],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(begun.exists)
    command.send_signal(signal.SIGINT)
    assert (command.communicate(timeout=PATIENCE_SEC)[1], command.returncode) == ("", status)
