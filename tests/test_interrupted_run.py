"""A run of the tests that is ended in its middle leaves no process behind."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, Popen
from tests.support.waiting import until

# Its processes would outlive the runner: deaf, in a session of their own, without a mark.
UNENDING = """
import os, subprocess, sys, time
from pathlib import Path
import psutil
from tests.support.processes import Popen

DEAF = "import signal as s, time; [s.signal(n, s.SIG_IGN) for n in (1, 2, 15)]; time.sleep(600)"
UNMARKED = "import os; os.spawnvpe(os.P_WAIT, 'sleep', ['sleep', '600'], {})"

def test_that_does_not_end():
    started = [
        Popen([sys.executable, "-c", DEAF]),
        Popen(["sleep", "600"], start_new_session=True),
        subprocess.Popen([sys.executable, "-c", DEAF], start_new_session=True),
        Popen([sys.executable, "-c", UNMARKED]),
    ]
    while not (children := psutil.Process(started[-1].pid).children()):
        time.sleep(0.01)
    pids = [os.getpid(), children[0].pid, *(each.pid for each in started)]
    Path("pids.new").write_text(" ".join(map(str, pids)))
    Path("pids.new").rename("pids")
    time.sleep(600)
"""


@pytest.mark.parametrize("workers", ["0", "1"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_it_leaves_no_process_behind(tmp_path: Path, workers: str, number: signal.Signals) -> None:
    (tmp_path / "test_unending.py").write_text(UNENDING)
    (tmp_path / "pytest.toml").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.leftovers", "-n", workers]
    command += ["-p", "no:hypothesispytest", "-p", "no:anyio"]
    path = {"PYTHONPATH": str(ROOT)}
    with Popen(command, cwd=tmp_path, env={**os.environ, **path}, start_new_session=True) as run:
        until(lambda: (tmp_path / "pids").exists() or run.poll() is not None)
        started = [psutil.Process(int(pid)) for pid in (tmp_path / "pids").read_text().split()]
        until(lambda: started[0].status() == psutil.STATUS_SLEEPING)  # in the test itself
        run.send_signal(number)
    until(lambda: not any(is_running(each) for each in started), "processes that are left")


def is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it went between the two
        return False
