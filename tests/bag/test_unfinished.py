"""What `bag convert` and `bag repair` leave behind when they cannot finish: nothing."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from dsmq_nodes.bag import BagWriter
from dsmq_nodes.bag.convert.convert import Format
from tests.bag.conftest import NUMBERS, number
from tests.support import processes
from tests.support.waiting import PATIENCE_SEC, until

ROOT = Path(__file__).parents[2]
FORMATS: tuple[str, ...] = get_args(Format)
COMMAND = [sys.executable, "-m", "dsmq_nodes", "bag"]
NO_MOUNT = 77
# In a mount namespace of its own: the small disk is gone with the process.
ON_A_SMALL_DISK = f"""
import ctypes, os, runpy, subprocess, sys
size, folder, *sys.argv[1:] = sys.argv[1:]
is_alone = ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS
for command in (
    ["mount", "--make-rprivate", "/"],
    ["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder],
):
    if not is_alone or subprocess.run(command).returncode:
        sys.exit({NO_MOUNT})
try:
    runpy.run_module("dsmq_nodes", run_name="__main__")
finally:
    sys.stdout.writelines(os.listdir(folder))
"""


def bag_of(messages: int, path: Path) -> Path:
    with BagWriter(path, compression="none", chunk_bytes=10_000) as writer:
        for index in range(messages):
            writer.write(NUMBERS, index, number(index / 7), index, index)
    return writer.paths[0]


@pytest.fixture(scope="module")
def long_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag that takes seconds to convert."""
    return bag_of(100_000, tmp_path_factory.mktemp("long") / "long")


@pytest.fixture(scope="module")
def large_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of which no format is smaller than the small disk."""
    return bag_of(10_000, tmp_path_factory.mktemp("large") / "large")


@pytest.mark.slow
@pytest.mark.parametrize("to", [*FORMATS, "repair"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    to: str, large_bag: Path, tmp_path: Path
) -> None:
    arguments = ["repair"] if to == "repair" else ["convert", "--to", to]
    arguments += ["--feature", "action=/numbers", "--max-age", "1"] if to == "lerobot" else []
    size = {"npz": "32k", "parquet": "32k", "lerobot": "8k", "csv": "128k"}.get(to, "300k")
    compression = ["--compression-format", "none"]
    run = processes.run(
        [sys.executable, "-c", ON_A_SMALL_DISK, size, str(tmp_path),
         "bag", *arguments, str(large_bag), "-o", str(tmp_path / "out"), *compression],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode == NO_MOUNT:
        pytest.skip("this user may not mount a small disk")
    assert run.returncode == 1, run.stderr
    (line,) = run.stderr.splitlines()
    assert "out" in line
    assert line.endswith("No space left on device; no part of it is kept: free some space first")
    assert run.stdout == ""  # the disk is empty


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to", ["mcap", "ros1", "ros2", "csv", "npz", "repair"])
def test_what_is_interrupted_leaves_nothing_and_is_no_success(
    to: str, number: signal.Signals, long_bag: Path, tmp_path: Path
) -> None:
    arguments = ["repair"] if to == "repair" else ["convert", "--to", to]
    run = processes.Popen(
        [*COMMAND, *arguments, str(long_bag), "-o", str(tmp_path / "out")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: list(tmp_path.iterdir()), "a file that is being written")
    run.send_signal(number)
    out, errors = run.communicate(timeout=PATIENCE_SEC)
    assert run.returncode == 128 + number, errors
    assert out == ""
    assert errors == f"interrupted: nothing of {tmp_path / 'out'} is kept\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["bag", "convert"], ["bag", "repair"], ["check"]])
def test_an_interrupt_before_it_has_begun_is_no_success(words: list[str], long_bag: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from dsmq_nodes.cli import command_line, main\n"
        "command_line._run = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        f"sys.argv = ['dsmq-nodes', *{words!r}, {str(long_bag)!r}]\n"
        "main()"
    )
    run = processes.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert run.returncode == 130


@pytest.mark.parametrize("name", [".", "..", "/"])
@pytest.mark.parametrize(
    "arguments",
    [("convert",), ("convert", "--to", "npz"), ("convert", "--to", "ros1"), ("repair",)],
)
def test_names_that_are_none(
    arguments: tuple[str, ...], name: str, numbers: Callable[..., Path], tmp_path: Path
) -> None:
    command = [*COMMAND, *arguments, str(numbers(1)), "-o", name]
    run = processes.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith(f"{name!r} is not a file name: give one, such as run.")


def test_an_empty_name_is_none(numbers: Callable[..., Path], tmp_path: Path) -> None:
    command = [*COMMAND, "convert", str(numbers(1)), "-o", ""]
    run = processes.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stderr == "'.' is not a file name: give one, such as run.mcap\n"
    assert run.returncode == 1


def test_a_folder_is_not_repaired(tmp_path: Path) -> None:
    command = [*COMMAND, "repair", "."]
    run = processes.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (
        1,
        ". has no .mcap and no .db3 file: it is not a ROS 2 bag\n",
    )


def test_a_ros1_bag_has_the_suffix_that_it_is_known_by(
    numbers: Callable[..., Path], tmp_path: Path
) -> None:
    command = [*COMMAND, "convert", str(numbers(3)), "--to", "ros1", "-o", str(tmp_path / "a_ros1")]
    run = processes.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == f"{tmp_path / 'a_ros1.bag'}: 3 messages\n"
    again = [*COMMAND, "convert", str(tmp_path / "a_ros1.bag"), "-o", str(tmp_path / "back")]
    run = processes.run(again, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == f"{tmp_path / 'back.mcap'}: 3 messages\n"
