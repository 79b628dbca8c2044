"""A run of the tests that is ended in its middle leaves no process behind.

All that a run starts has its mark in the environment. A process beside the run waits for the end of
the run, whichever way it comes (Ctrl-C, kill -9), and kills what has the mark, and the children of
what has it. This file is that process as well: `python leftovers.py PID MARK`.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARK = "DSMQ_TESTS_RUN"
CHECKS = 50
CHECK_SEC = 0.1


def pytest_configure(config: "pytest.Config") -> None:
    """Start the process that waits, from the main process of pytest only."""
    if hasattr(config, "workerinput") or not hasattr(os, "pidfd_open"):
        return
    os.environ[MARK] = mark = f"{os.getpid()}-{time.monotonic_ns()}"
    watch = subprocess.Popen(
        # It shall begin at once and hold nothing of the run.
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), mark],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    watch.returncode = 0  # it outlives this process, which is no fault of it


def remaining(mark: str) -> set[int]:
    """Return the processes with the mark, and their descendants."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(folder.name)
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
            if state != "Z":
                parents[pid] = int(parent)
                if f"{MARK}={mark}\0".encode() in (folder / "environ").read_bytes():
                    found.add(pid)
    for _ in parents:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            break
        found |= more
    return found - {os.getpid()}


def main() -> None:
    """Wait for the end of the run, then kill the processes that it left."""
    runner, mark = int(sys.argv[1]), sys.argv[2]
    with contextlib.suppress(ProcessLookupError):
        select.select([os.pidfd_open(runner)], [], [])
    for _ in range(CHECKS):  # one that was just being started is seen by a later look
        if not (pids := remaining(mark)):
            return
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(CHECK_SEC)


if __name__ == "__main__":
    main()
