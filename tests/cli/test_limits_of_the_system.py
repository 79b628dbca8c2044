"""A system that gives no more files, processes, memory or space: a command says which limit."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsmq_nodes.dsmq.exhausted import exhausted
from tests.support import processes
from tests.support.processes import ROOT
from tests.support.waiting import PATIENCE_SEC

ROBOT = "broker: {port: 0}\nnodes: [{name: talker, node: 'examples.talker:Talker'}]\n"
# Another user has limits that root has not, and may read as root does.
RIGHTS = "+dac_override,+dac_read_search"
ANOTHER_USER = (
    *("setpriv", "--reuid", "4711", "--regid", "4711", "--clear-groups"),
    *("--inh-caps", RIGHTS, "--ambient-caps", RIGHTS),
)
FILES = "files open that it may have: raise the limit (`ulimit -Hn`, LimitNOFILE= in systemd), or"
PROCESSES = "the system gives no more threads and processes: raise the limit (`ulimit -u`, TasksMax"


def limited(limit: str, *words: str, prefix: tuple[str, ...] = (), **env: str) -> str:
    """Run a command that ends with status 1; return what it writes."""
    command = [*prefix, "prlimit", limit, sys.executable, "-m", "dsmq_nodes", *words]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **env},
        timeout=PATIENCE_SEC,
        check=False,
    )
    if "setpriv:" in done.stdout or "PermissionError" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture
def robot() -> Iterator[Path]:
    """A launch file that every user may read."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "robot.yaml")
        file.write_text(ROBOT)
        yield file


@pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit")
@pytest.mark.parametrize("files", [7, 8, 9])
def test_too_few_files_are_no_traceback(robot: Path, files: int) -> None:
    limit = f"--nofile={files}:{files}"
    for words in (("broker", "--port", "0"), ("launch", str(robot))):
        assert FILES in limited(limit, *words)


@pytest.mark.skipif(os.getuid() != 0, reason="root alone may be another user")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="there is no setpriv")
# With 9 it starts in some runs: a thread comes sooner or later.
@pytest.mark.parametrize("most", [2, 3, 4, 5, 7])
def test_a_launch_with_too_few_processes_says_so_and_ends(robot: Path, most: int) -> None:
    limit = f"--nproc={most}:{most}"
    shared = {"TMPDIR": "/tmp", "XDG_RUNTIME_DIR": "", "HOME": "/nowhere"}
    assert PROCESSES in limited(limit, "launch", str(robot), prefix=ANOTHER_USER, **shared)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (MemoryError(), "`ulimit -v`"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "`ulimit -v`"),
        (ImportError("zenoh.abi3.so: failed to map segment from shared object"), "`ulimit -v`"),
        (OSError(errno.ENOSPC, "No space left on device", "/tmp/a"), "no space is left for /tmp/a"),
        (RuntimeError("can't start new thread"), "`ulimit -u`"),
        (RuntimeError("another"), ""),
        (BlockingIOError(errno.EAGAIN, "of a socket"), ""),
        (OSError(errno.ENOENT, "another"), ""),
    ],
)
def test_an_error_names_the_limit_that_it_comes_from(error: Exception, advice: str) -> None:
    found = exhausted(error)
    assert advice in found
    assert bool(found) == bool(advice)


NAME = 300 * "x"  # no file can have it: to ask for one raises, before Python 3.14


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (f"new {NAME}", f"{NAME}.*: File name too long"),
        (f"bag info {NAME}", f"{NAME}: (File name too long|there is no such file)"),
        (f"bag repair {NAME}", f"{NAME}: File name too long"),
        (f"interface import /{NAME}.msg", f"/{NAME}.msg"),
        ("web --host=", "'' is not a host"),
        ("web --host=a/b", "'a/b' is not a host"),
        ("broker --port 0 --store=", "cannot use . as a store"),
        ("uplink router --tls=", "tls: the ca ca.pem cannot be read"),
    ],
)
def test_a_value_that_cannot_be_is_no_traceback(tmp_path: Path, words: str, complaint: str) -> None:
    command = [sys.executable, "-m", "dsmq_nodes", *words.split()]
    done = processes.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode in {1, 2}  # 2: a wrong use of the command line
    assert re.search(complaint, done.stderr)
    assert "Traceback" not in done.stderr
