"""Measures a launch: `python -m tests.bench.launch`, some five minutes; `--quick`, seconds.

Prints a table: 20 nodes until all are ready, and until all have ended; what is left of a launch
whose launcher was killed, with a process that has hidden itself; a node that crashes at once;
`check` of a file of 50 nodes; what 50 nodes at 50 Hz take of the CPU.
"""

import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.bench.harness import table
from tests.bench.harness.row import Row
from tests.bench.rows import checking, crowd
from tests.launcher.running import NODES, gone, launched, write_launch

_WITHIN_SEC: Final = 2.0
_PATIENCE_SEC: Final = 20.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    nodes: int = 20
    kills: int = 50
    crash_sec: float = 60.0
    restart_delay_sec: float = 1.0
    checks: int = 10
    checked_nodes: int = 50
    crowd: int = 50
    crowd_sec: float = 30.0


FULL: Final = Scale()
QUICK: Final = Scale(
    nodes=3,
    kills=1,
    crash_sec=3.0,
    restart_delay_sec=0.02,
    checks=1,
    checked_nodes=6,
    crowd=4,
    crowd_sec=1.0,
)


def many(scale: Scale) -> Row:
    row = Row(f"{scale.nodes} nodes: all ready, and all ended", "< 6 s, < 2 s")
    with tempfile.TemporaryDirectory() as folder:
        path = write_launch(Path(folder), {f"n{n}": "robot:Talker" for n in range(scale.nodes)})
        began_sec = time.monotonic()
        with launched(path) as launch:
            launch.wait_for("all nodes ready")
            ready_sec = time.monotonic() - began_sec
            pids = launch.pids()
            began_sec = time.monotonic()
            launch.process.send_signal(signal.SIGINT)
            row.expect(abs(launch.end()), "as exit status")
            ended_sec = time.monotonic() - began_sec
            row.expect(sum(map(psutil.pid_exists, pids)), "processes left")
    row.measured = f"{ready_sec:.1f} s, {ended_sec:.1f} s"
    row.met = row.met and ready_sec < 6.0 and ended_sec < 2.0
    return row


def killed(scale: Scale) -> Row:
    row = Row(f"launcher killed -9, {scale.kills} times: processes left after 2 s", "0, each time")
    slowest_sec, late = 0.0, 0
    for _ in range(scale.kills):
        with tempfile.TemporaryDirectory() as folder:
            nodes = {"hider": "robot:Daemon", "talker": "robot:Talker", "parent": "robot:Parent"}
            with launched(write_launch(Path(folder), nodes)) as launch:
                launch.wait_for("all nodes ready")
                # Broker, three nodes, and what two of them have started; the guard.
                pids = launch.pids() | {launch.guard_pid()}
                row.expect(7 - len(pids), "processes that were not there to be left")
                began_sec = time.monotonic()
                launch.process.kill()
                left = not gone(pids, _PATIENCE_SEC)
                took_sec = time.monotonic() - began_sec
                row.expect(int(left), "launches that have left something for good")
                slowest_sec, late = max(slowest_sec, took_sec), late + (took_sec > _WITHIN_SEC)
    row.measured = f"0 in {scale.kills - late} of {scale.kills}, all gone after {slowest_sec:.2f} s"
    row.met = row.met and not late
    return row


def crash_loop(scale: Scale) -> Row:
    row = Row(
        f"a node that crashes at once, for {scale.crash_sec:g} s: its starts, then",
        "<= 8, FAILED, the others undisturbed",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = _crash_file(Path(folder), scale)
        with launched(path) as launch:
            launch.wait_for("listening on")
            until_sec = time.monotonic() + scale.crash_sec
            launch.wait_for("bad: FAILED", scale.crash_sec + _PATIENCE_SEC)
            threading.Event().wait(until_sec - time.monotonic())
            launch.process.send_signal(signal.SIGINT)
            status = launch.end()
    failed = re.search(r"^\[launch\] bad: FAILED after (\d+) starts", launch.text, re.MULTILINE)
    kept = re.search(r"^/good +50 Hz +([\d.]+) Hz", launch.text, re.MULTILINE)
    told = [line for line in launch.lines if line.startswith("[launch] good")]
    disturbed = [line for line in told if " Hz of " not in line]  # a busy machine is no fault
    row.expect(int(status != 1), f"launch with exit status {status}, not 1")
    row.expect(len(disturbed), "words of the other node")
    starts, rate = failed[1] if failed else "?", kept[1] if kept else "?"
    row.measured = f"{starts}, {'FAILED' if failed else 'not'}; the other kept {rate} of 50 Hz"
    row.met = row.met and failed is not None and int(failed[1]) <= 8
    return row


def _crash_file(folder: Path, scale: Scale) -> Path:
    (folder / "robot.py").write_text(NODES)
    path = folder / "crash.yaml"
    path.write_text(f"""
broker: {{port: 0}}
nodes:
  - name: bad
    node: robot:Broken
    restart: {{policy: on-failure, delay: {scale.restart_delay_sec}}}
  - {{name: good, node: robot:Talker}}
""")
    return path


def check(scale: Scale) -> Row:
    return checking.measure(scale.checks, scale.checked_nodes)


ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "many": many,
    "killed": killed,
    "crash_loop": crash_loop,
    "check": check,
    "crowd": lambda scale: crowd.measure(scale.crowd, scale.crowd_sec, shm=True),
    "crowd_no_shm": lambda scale: crowd.measure(scale.crowd, scale.crowd_sec, shm=False),
}

if __name__ == "__main__":
    sys.exit(table.run("tests.bench.launch", __doc__, ROWS, (FULL, QUICK), "peer"))
