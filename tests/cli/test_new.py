"""`dsmq-nodes new`: what it makes passes its own test, its check, and runs."""

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest
import typer
import yaml

from dsmq_nodes.cli.new import new
from tests.cli.conftest import ROOT, Done
from tests.launcher.running import launched
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    done = in_folder(folder, "-m", "dsmq_nodes", "new", "demo", "--deploy")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cd demo" in done.stdout
    return folder / "demo"


def in_folder(folder: Path, *words: str, run: Callable[..., Done] = processes.run) -> Done:
    """Run Python in a folder that knows nothing of this repository but what is installed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DSMQ_")}
    command = [sys.executable, *words]
    return run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE_SEC
    )


def test_it_is_a_whole_project_and_nothing_has_the_starters_name(project: Path) -> None:
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} == {
        ".github/workflows/test.yaml",
        ".gitignore",
        "README.md",
        "demo/__init__.py",
        "demo/controller.py",
        "demo/messages.py",
        "demo/sensor.py",
        "deploy/Dockerfile",
        "deploy/Dockerfile.dockerignore",
        "deploy/demo.service",
        "launch/demo.yaml",
        "pyproject.toml",
        "tests/test_demo.py",
    }
    for name in files:
        if "__pycache__" not in name:
            text = (project / name).read_text("utf-8")
            assert "my_robot" not in text
            assert "starter" not in text
            assert not re.search("KIT_SOURCE|PYTHON_VERSION", text)


def test_it_passes_its_own_test(project: Path) -> None:
    words = ("-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    done = in_folder(project, *words, run=subprocess.run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_it_passes_ruff_by_its_own_settings(project: Path) -> None:
    for words in (["check", "."], ["format", "--check", "."]):
        done = in_folder(project, "-m", "ruff", *words, "--no-cache")
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_it_is_deployed_with_is_right(project: Path) -> None:
    unit = configparser.ConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(project / "deploy" / "demo.service")
    assert unit["Service"]["ExecStart"].endswith("dsmq-nodes launch launch/demo.yaml")
    if shutil.which("systemd-analyze"):
        text = (project / "deploy" / "demo.service").read_text("utf-8")
        there = project / "demo_there.service"  # its program is not in /opt on this machine
        there.write_text(text.replace("/opt/demo/.venv/bin/dsmq-nodes", "/bin/true"))
        command = ["systemd-analyze", "verify", str(there)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        there.unlink()
        assert "demo_there" not in done.stderr, done.stderr
    workflow = yaml.safe_load((project / ".github" / "workflows" / "test.yaml").read_text("utf-8"))
    assert [each["run"] for each in workflow["jobs"]["test"]["steps"] if "run" in each] == [
        "pip install --find-links wheels -e '.[dev]'",
        "pytest",
        "ruff check . && ruff format --check .",
        "dsmq-nodes check launch/demo.yaml",
    ]


ENDS_WHEN_TOLD = """
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
print("asked", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="there is no systemd")
def test_systemd_asks_the_launcher_alone_to_end_and_waits_for_it(project: Path) -> None:
    unit = (project / "deploy" / "demo.service").read_text("utf-8")
    line = unit.partition("ExecStop=-")[2].partition("\n")[0]
    assert line
    for page in ("deployment.md", "first_robot.md"):
        assert f"ExecStop=-{line}\n" in (ROOT / ".github" / "guide" / page).read_text("utf-8")
    command = shlex.split(line)
    with subprocess.Popen(
        [sys.executable, "-c", ENDS_WHEN_TOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "ready\n"
        environ = {**os.environ, "MAINPID": f"{launcher.pid}"}
        with subprocess.Popen(command, env=environ) as stop:
            assert launcher.stdout.readline() == "asked\n"
            assert stop.poll() is None  # systemd would signal all processes now
            launcher.communicate("")
    assert (launcher.returncode, stop.returncode) == (0, 0)
    # The launcher has ended by itself: there is nothing to ask.
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""


def test_without_being_asked_it_is_not_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    new("demo")
    assert not {"deploy", ".github"} & {path.name for path in (tmp_path / "demo").iterdir()}
    cd, then = capsys.readouterr().out.splitlines()[1:]
    assert cd.startswith("  cd demo && ")
    assert cd.endswith("pip install -e '.[dev]'")
    assert then == "  pytest && ruff check . && dsmq-nodes launch launch/demo.yaml"


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        (["pip"], "pip install"),
        ([], "python -m pip install"),  # pipx shares one pip
        ([], "uv pip install"),  # as `uv venv` makes it
    ],
)
def test_what_it_says_installs_into_this_environment(
    programs: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own, elsewhere = tmp_path / "my robot", tmp_path / "elsewhere"
    for folder, names in ((own, ["python", *programs]), (elsewhere, ["pip", "python", "uv"])):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(f'#!/bin/sh\necho {folder.name}: {name} "$@"')
            (folder / name).chmod(0o755)
    (own / "activate").write_text(f"PATH='{own}':$PATH")
    monkeypatch.setenv("PATH", f"{elsewhere}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setattr(util, "find_spec", lambda _: None if "uv" in expected else "pip")
    monkeypatch.chdir(tmp_path)
    new("demo")
    command = capsys.readouterr().out.splitlines()[1]
    done = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True)
    place = "elsewhere" if expected.startswith("uv") else "my robot"
    assert done.stdout == f"{place}: {expected} -e .[dev]\n"


def test_its_launch_file_is_right(project: Path) -> None:
    done = in_folder(project, "-m", "dsmq_nodes", "check", "launch/demo.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "launch/demo.yaml: 2 nodes, 3 topics: nothing is wrong\n"


def test_it_runs(project: Path) -> None:
    file = project / "launch" / "free_port.yaml"
    file.write_text((project / "launch" / "demo.yaml").read_text().replace("30008", "0"))
    with launched(file) as launch:
        launch.wait_for("all nodes ready: 2 in")
        launch.process.send_signal(signal.SIGINT)
        assert launch.end() == 0, launch.text
    file.unlink()


def test_a_project_that_is_there_is_left_alone(project: Path) -> None:
    done = in_folder(project.parent, "-m", "dsmq_nodes", "new", "demo")
    assert done.returncode == 2
    assert "demo is there already" in done.stderr


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my-robot", "did you mean 'my_robot'?"),
        ("My Robot", "did you mean 'my_robot'?"),
        ("Röboter", "did you mean 'r_boter'?"),
        ("2wheels", "is no name of a Python package"),
        ("class", "is no name of a Python package"),
        ("../up", "did you mean 'up'?"),
        ("yaml", "is the name of another package"),
        ("json", "is the name of another package"),
        ("test", "is the name of another package"),  # of Python, though its list lacks it
        ("tests", "is the name of another package"),
    ],
)
def test_a_name_that_is_no_package_is_a_wrong_use(
    tmp_path: Path, name: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(typer.BadParameter) as caught:
        new(name)
    assert expected in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_starter_itself_is_right() -> None:
    """It is linted and typed with the package; here it is run as it stands."""
    tests = ROOT / "dsmq_nodes" / "cli" / "starter" / "tests"
    words = ("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider")
    done = in_folder(ROOT, *words, str(tests), run=subprocess.run)
    assert done.returncode == 0, done.stdout + done.stderr
