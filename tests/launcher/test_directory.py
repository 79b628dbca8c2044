"""A working directory or a home that is not there, or that may not be used: one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsmq_nodes.launcher import load_plan
from dsmq_nodes.launcher.supervise.child import search

FILE = "broker: {port: 0}\nnodes: [{name: t, exec: [echo, hello], output: both}]\n"


def run(words: list[str], directory: Path, before: str, **env: str | None) -> list[str]:
    """Run a command in a directory to which something is done first; the lines it writes."""
    environ = {key: value for key, value in {**os.environ, **env}.items() if value is not None}
    done = subprocess.run(
        ["/bin/sh", "-c", f'{before}; exec "$@"', "sh", sys.executable, "-m", "dsmq_nodes", *words],
        cwd=directory,
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return [f"{done.returncode}", *done.stdout.splitlines(), *done.stderr.splitlines()]


@pytest.mark.parametrize("command", [["launch"], ["check"], ["launch", "--dry-run"]])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_a_deleted_working_directory_is_one_line(
    tmp_path: Path, command: list[str], *, is_absolute: bool
) -> None:
    (tmp_path / "robot.yaml").write_text(FILE)
    directory = tmp_path / "gone"
    directory.mkdir()
    file = str(tmp_path / "robot.yaml") if is_absolute else "robot.yaml"
    lines = run([*command, file], directory, f"rmdir {directory}")
    assert lines == [
        "1",
        "the working directory cannot be used (No such file or directory): "
        "change to another one (cd)",
    ]


@pytest.mark.parametrize("hidden", ["types", "bisect"])  # the guard needs one, the broker the other
def test_a_file_that_hides_a_module_which_the_kit_needs_is_named(
    tmp_path: Path, hidden: str
) -> None:
    (tmp_path / "robot.yaml").write_text(FILE)
    (tmp_path / f"{hidden}.py").touch()
    command = [f"{Path(sys.executable).parent}/dsmq-nodes", "launch", "robot.yaml"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{tmp_path}/{hidden}.py hides the module" in done.stderr.splitlines()[-1]


def test_the_modules_of_a_package_hide_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["/site"])
    monkeypatch.chdir("/")
    search(str(tmp_path))
    assert sys.path == ["/", str(tmp_path), "/site"]
    (tmp_path / "__init__.py").touch()
    search(str(tmp_path))
    assert sys.path == ["/", "/site", str(tmp_path)]


def test_a_system_without_proc_is_told_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text(FILE)
    command = f"umount -l /proc && exec {sys.executable} -m dsmq_nodes launch robot.yaml"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    if "unshare:" in done.stderr or "umount:" in done.stderr:
        pytest.skip("needs the right to unmount /proc for itself")
    assert done.returncode == 1
    assert done.stderr == "a launch finds its processes in /proc: run `mount -t proc proc /proc`\n"
    assert not done.stdout


def test_the_schema_needs_a_working_directory_too(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    lines = run(["launch", "schema"], directory, f"rmdir {directory}")
    assert lines[0] != "0"
    assert any("working directory" in line for line in lines)


def test_a_user_without_a_home_has_the_logs_beside_the_launch_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    (tmp_path / "robot.yaml").write_text(FILE)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    (node,) = load_plan(tmp_path / "robot.yaml").nodes
    assert node.log is not None
    assert node.log.path == tmp_path / "log" / "t.log"


def test_a_working_directory_that_may_not_be_written_or_read_is_no_hindrance(
    tmp_path: Path,
) -> None:
    (tmp_path / "robot.yaml").write_text(FILE.replace(", output: both", ""))
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o100)
    lines = run(["launch", str(tmp_path / "robot.yaml")], directory, ":")
    assert lines[0] == "0"
    assert "[t] hello" in lines
