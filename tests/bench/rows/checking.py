"""Measures how long `dsmq-nodes check` takes.

A file of many nodes, of 20 classes in 10 modules, with parameters, remapping and topics that fit,
and three mistakes: it is a fault when one of them is not found, or another one is.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.harness.processes import ROOT
from tests.bench.harness.row import Row

_MODULE: Final = """
from dsmq_nodes import Node, Parameters
from dsmq_nodes.messages import Imu, LaserScan, Twist


class Sensor(Node):
    class Params(Parameters):
        gain: float = 1.0

    def __init__(self):
        super().__init__("sensor")
        self.create_publisher(LaserScan, "scan", 5)
        self.create_publisher(Imu, "imu", 5)
        self.create_subscription(Twist, "cmd_vel", lambda msg: None, 5)


class Driver(Node):
    def __init__(self):
        super().__init__("driver")
        self.create_publisher(Twist, "cmd_vel", 5)
        self.create_subscription(LaserScan, "scan", lambda msg: None, 5)
        self.create_subscription(Imu, "imu", lambda msg: None, 5)
"""
_MISTAKES: Final = {"gain: fast": "parameter 'gain'", "skan: s": "'skan'", ":Drivr": "class"}
_MODULES: Final = 10


def measure(runs: int, nodes: int) -> Row:
    """Check a file with mistakes, again and again."""
    row = Row(f"check of a {nodes}-node file", "< 1.5 s")
    took_sec = []
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder), nodes)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(runs):
            began_sec = time.perf_counter()
            found = _check(path)
            took_sec.append(time.perf_counter() - began_sec)
            missed = [what for what in _MISTAKES.values() if what not in " ".join(found)]
            row.expect(len(missed), f"mistakes not found: {missed}")
            row.expect(abs(len(found) - len(_MISTAKES)), f"mistakes too many or too few: {found}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_sec = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    median_sec = statistics.median(took_sec)
    row.met = median_sec < 1.5
    row.measured = (
        f"median {median_sec:.2f} s, {min(took_sec):.2f} to {max(took_sec):.2f} s, "
        f"CPU {cpu_sec / runs:.2f} s"
    )
    return row


def _write(folder: Path, nodes: int) -> Path:
    for number in range(_MODULES):
        (folder / f"part{number}.py").write_text(_MODULE)
    lines = ["nodes:"]
    for number in range(nodes // 2):
        remap = f"remap: {{scan: s{number}, imu: i{number}, cmd_vel: c{number}}}"
        part = f"part{number % _MODULES}"
        lines += [
            f"- {{name: s{number}, node: {part}:Sensor, params: {{gain: 2}}, {remap}}}",
            f"- {{name: d{number}, node: {part}:Driver, rate: 10, {remap}}}",
        ]
    lines[1] = lines[1].replace("gain: 2", "gain: fast")
    lines[3] = lines[3].replace("scan: s1", "scan: s1, skan: s")
    lines[6] = lines[6].replace(":Driver", ":Drivr")
    path = folder / "robot.yaml"
    path.write_text("\n".join(lines))
    return path


def _check(path: Path) -> list[str]:
    command = [sys.executable, "-m", "dsmq_nodes", "check", "--json", str(path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if not done.stdout:
        return [done.stderr]
    return [each["message"] for each in json.loads(done.stdout)["errors"]]
