"""`dsmq-nodes new`: what it makes passes its own test, its check, and runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from dsmq_nodes.cli.new import new
from tests.cli.conftest import ROOT
from tests.launcher.running import launched


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    done = in_folder(folder, "-m", "dsmq_nodes", "new", "demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cd demo" in done.stdout
    return folder / "demo"


def in_folder(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python in a folder that knows nothing of this repository but what is installed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DSMQ_")}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def test_it_is_a_whole_project_and_nothing_has_the_starters_name(project: Path) -> None:
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert {name for name in files if "__pycache__" not in name} == {
        ".gitignore",
        "README.md",
        "demo/__init__.py",
        "demo/controller.py",
        "demo/messages.py",
        "demo/sensor.py",
        "launch/demo.yaml",
        "pyproject.toml",
        "tests/test_demo.py",
    }
    for name in files:
        if "__pycache__" not in name:
            text = (project / name).read_text("utf-8")
            assert "my_robot" not in text
            assert "starter" not in text


def test_it_passes_its_own_test(project: Path) -> None:
    done = in_folder(project, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_its_launch_file_is_right(project: Path) -> None:
    done = in_folder(project, "-m", "dsmq_nodes", "check", "launch/demo.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "launch/demo.yaml: 2 nodes, 2 topics: nothing is wrong\n"


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
        ("2wheels", "is no name of a Python package"),
        ("class", "is no name of a Python package"),
        ("../up", "did you mean 'up'?"),
        ("json", "is the name of another package"),
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
    done = in_folder(ROOT, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(tests))
    assert done.returncode == 0, done.stdout + done.stderr
