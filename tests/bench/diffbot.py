"""Measures the diffbot: `python -m tests.bench.diffbot`, some two minutes; `--quick`, seconds.

Prints a table: 60 s of `launch/diffbot.yaml` as processes (rates, latency, collisions, odometry,
CPU), then twice 60 s of the same file on the virtual clock.
"""

import hashlib
import json
import math
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, Final

import psutil

from dsmq_nodes.dsmq import wire
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.messages import Odometry
from dsmq_nodes.testing import Graph
from tests.bench.servo import row

ROOT: Final = Path(__file__).parents[2]
FILE: Final = ROOT / "launch" / "diffbot.yaml"
_TOPICS: Final = ("/scan", "/obstacle", "/ground_truth", "/odom", "/bumper", "/dsmq/nodes")
_PATIENCE_SEC: Final = 60.0

Pose = tuple[float, float]


@dataclass
class Drive:
    """What was heard while the robot drove.

    Attributes:
        rates: of each node with a rate: what it kept and what it declares, Hz.
        latencies_sec: from the moment the lidar looks to the command that answers it.
        truth: where it was, by stamp.
        odom: where its odometry had it, by stamp.
        bumps: how often it touched something.
        dropped: messages that subscriptions skipped, by node.
        cpu: cores that the launch used, all of its processes together.
        output: what the launch said.
        status: its exit status.
    """

    rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    latencies_sec: list[float] = field(default_factory=list)
    truth: dict[int, Pose] = field(default_factory=dict)
    odom: dict[int, Pose] = field(default_factory=dict)
    bumps: int = 0
    cpu: float = 0.0
    output: str = ""
    status: int | None = None

    def hear(self, topic: str, text: str, published_ns: int) -> None:
        """Take a message."""
        msg = json.loads(text)
        if topic == "/ground_truth":
            self.truth[stamp_ns(msg)] = place(msg)
        elif topic == "/odom":
            self.odom[stamp_ns(msg)] = place(msg)
        elif topic == "/obstacle":
            # It carries its scan's stamp, and is published after the command.
            self.latencies_sec.append((published_ns - stamp_ns(msg)) * 1e-9)
        elif topic == "/bumper":
            self.bumps += bool(msg["data"])
        elif topic == "/dsmq/nodes" and msg["rate_hz"]:
            self.rates[msg["name"]] = msg["timers"][0]["achieved_hz"], msg["rate_hz"]

    @property
    def driven_m(self) -> float:
        """The length of the true path."""
        places = [self.truth[stamp] for stamp in sorted(self.truth)]
        return sum(map(math.dist, places, places[1:]))

    @property
    def off_m(self) -> float:
        """How far off the odometry was in the end."""
        last_ns = max(self.odom)
        true_ns = min(self.truth, key=lambda stamp: abs(stamp - last_ns))
        return math.dist(self.odom[last_ns], self.truth[true_ns])

    def latency_sec(self, percent: float) -> float:
        """A percentile of the latencies."""
        return sorted(self.latencies_sec)[int((len(self.latencies_sec) - 1) * percent / 100)]


def stamp_ns(msg: dict[str, Any]) -> int:
    stamp = msg["header"]["stamp"]
    return int(stamp["sec"]) * 1_000_000_000 + int(stamp["nanosec"])


def place(msg: dict[str, Any]) -> Pose:
    at = msg["pose"]["pose"]["position"]
    return at["x"], at["y"]


def drive(seconds: float, picture: Path) -> Drive:
    """Launch the robot as processes and listen for so long, from when all nodes are ready."""
    command = [sys.executable, "-m", "dsmq_nodes", "launch", str(FILE), "port:=0"]
    found = Drive()
    lines: list[str] = []
    launch = subprocess.Popen(
        [*command, f"picture:={picture}"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert launch.stdout is not None
    try:
        while "all nodes ready" not in "".join(lines[-1:]):
            lines.append(launch.stdout.readline())
            if not lines[-1]:
                raise RuntimeError("the launch has ended:\n" + "".join(lines))
        port = re.search(r"listening on \S+:(\d+)", "".join(lines))
        assert port is not None, lines
        family = [psutil.Process(launch.pid), *psutil.Process(launch.pid).children(recursive=True)]
        cpu_sec, began_sec = used_sec(family), time.monotonic()
        listen(ClientConnection("127.0.0.1", int(port[1])), began_sec + seconds, found)
        found.cpu = (used_sec(family) - cpu_sec) / (time.monotonic() - began_sec)
    finally:
        launch.send_signal(signal.SIGINT)
        rest, _ = launch.communicate(timeout=_PATIENCE_SEC)
    found.output, found.status = "".join(lines) + rest, launch.returncode
    return found


def listen(channel: ClientConnection, until_sec: float, found: Drive) -> None:
    """Hear all there is until it is time."""
    channel.socket.settimeout(_PATIENCE_SEC)
    for topic in _TOPICS:
        request = {"action": "subscribe", "topic": topic, "depth": 1000}
        channel.send(wire.encode_object(request))
    while time.monotonic() < until_sec:
        reply = channel.receive()
        if reply.event == "message" and reply.text is not None:
            found.hear(reply.topic, reply.text, reply.stamp)
    channel.close()


def used_sec(processes: list[psutil.Process]) -> float:
    """The CPU time of processes that still run."""
    times = [process.cpu_times() for process in processes if process.is_running()]
    return sum(each.user + each.system for each in times)


def virtual(seconds: float) -> tuple[float, str]:
    """CPU seconds that a run on the virtual clock takes, from reading the file on, and its path.

    The path is a digest of every true pose, to the last bit.
    """
    began_sec = time.process_time()
    with redirect_stdout(StringIO()), Graph.from_launch(FILE, args={"picture": ""}) as graph:
        graph.run_for(seconds)
    used = time.process_time() - began_sec
    with redirect_stdout(StringIO()), Graph.from_launch(FILE, args={"picture": ""}) as graph:
        truth = graph.observe(Odometry, "ground_truth")
        graph.run_for(seconds)
    return used, hashlib.sha256("".join(msg.to_json() for msg in truth).encode()).hexdigest()


def main() -> None:
    seconds = 5.0 if "--quick" in sys.argv else 60.0
    row("load of the machine, 1 min, before", f"{psutil.getloadavg()[0]:.1f}", "idle: < 0.3")
    with tempfile.TemporaryDirectory() as folder:
        found = drive(seconds, Path(folder, "diffbot.svg"))
    for name, (kept, declared) in sorted(found.rates.items()):
        off = abs(kept / declared - 1)
        row(f"{name}: rate kept of {declared:g} Hz", f"{kept:.2f} Hz, {off:.2%} off", "< 1 %")
    p50, p99 = (found.latency_sec(percent) * 1e3 for percent in (50, 99))
    row(
        f"lidar to command, p50 / p99 of {len(found.latencies_sec)}",
        f"{p50:.2f} / {p99:.2f} ms",
        "p99 < 20 ms",
    )
    row("collisions", f"{found.bumps}", "0")
    share = found.off_m / found.driven_m
    row("odometry off by", f"{found.off_m:.3f} m of {found.driven_m:.2f} m, {share:.2%}", "< 5 %")
    row("CPU of broker and all nodes", f"{found.cpu:.2f} cores", "")
    row("exit status after Ctrl-C", f"{found.status}", "0")
    (first_sec, path), (second_sec, same) = virtual(seconds), virtual(seconds)
    what = f"virtual clock: CPU time of {seconds:g} s"
    row(what, f"{first_sec:.2f} and {second_sec:.2f} s", "< 5 s")
    row("  trajectories of two runs", "identical" if path == same else "DIFFER", "identical")
    row("load of the machine, 1 min, after", f"{psutil.getloadavg()[0]:.1f}", "")


if __name__ == "__main__":
    main()
