"""Measures many small nodes, each in its own process: `python -m tests.bench.launch crowd`.

Each publishes an Imu at 50 Hz, every second one hears its neighbour. Rates and drops are the
broker's own counters, the CPU is that of everything: broker, launcher, guard, nodes. Beside it, in
the same run, is what a user would write without us: as many plain loops with pyzmq and pydantic,
which is this module as a program.
"""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from dsmq_nodes.tools.graph_model import BrokerCounters
from dsmq_nodes.tools.session import Session
from tests.bench.diffbot import used_sec
from tests.bench.harness.processes import ROOT
from tests.bench.harness.row import Row
from tests.bench.peers.models import codec
from tests.launcher.running import Launch, launched

_HZ: Final = 50.0
_OFF: Final = 0.01  # a rate is held within this share of it
_MOST_CORES: Final = 1.5
_START_SEC: Final = 120.0  # for all of them, on a machine of two cores
_MODULE: Final = """
from dsmq_nodes import Node
from dsmq_nodes.messages import Imu, Vector3


class Sensor(Node):
    rate_hz = 50.0

    def __init__(self):
        super().__init__("sensor")
        self.publisher = self.create_publisher(Imu, "~/imu", 10)
        self.create_timer(self.period_sec, self.look)

    def look(self):
        self.publisher.publish(
            Imu(
                header=self.stamp("base_link"),
                angular_velocity=Vector3(x=0.1),
                linear_acceleration=Vector3(z=9.81),
            )
        )


class Neighbour(Sensor):
    def __init__(self):
        super().__init__()
        self.create_subscription(Imu, "heard", self.hear, 10)

    def hear(self, msg):
        self.last = msg
"""


def measure(nodes: int, seconds: float, *, shm: bool) -> Row:
    """Run so many nodes for so long, and then as many plain loops."""
    how = "shared memory" if shm else "through the broker"
    row = Row(
        f"{nodes} nodes at {_HZ:g} Hz in {nodes} processes, {how}",
        f"all rates held, < {_MOST_CORES} cores",
    )
    with tempfile.TemporaryDirectory() as folder, launched(_write(Path(folder), nodes, shm)) as it:
        port = int(it.wait_for("listening on").partition(" (")[0].rpartition(":")[2])
        it.wait_for("all nodes ready", _START_SEC)
        time.sleep(seconds / 10)  # what they do only once is done
        family = _family(it)
        before, began_sec = _statistics(port), time.monotonic()
        used = {name: used_sec(each) for name, each in family.items()}
        time.sleep(seconds)
        span_sec = time.monotonic() - began_sec
        cores = {name: (used_sec(each) - used[name]) / span_sec for name, each in family.items()}
        after = _statistics(port)
        it.process.send_signal(signal.SIGINT)
        row.expect(abs(it.end()), "as exit status")
    rates = _rates(before, after)
    row.expect(nodes - len(rates), "nodes without a rate")
    edges = [edge for each in after.topics if _is_theirs(each.name) for edge in each.edges]
    row.expect(nodes // 2 - len(edges), "edges missing")
    dropped = sum(edge.dropped for edge in edges)
    total, parts = sum(cores.values()), ", ".join(f"{n} {c:.2f}" for n, c in cores.items())
    low, high = min(rates, default=0.0), max(rates, default=0.0)
    row.measured = f"{low:.2f} to {high:.2f} Hz, {dropped} dropped, {total:.2f} cores ({parts})"
    held = low >= _HZ * (1 - _OFF) and high <= _HZ * (1 + _OFF)
    row.met = row.met and held and not dropped and total < _MOST_CORES
    if find_spec("zmq"):
        peers = _cores_of_loops(nodes, seconds)
        row.original = f"loops with pyzmq and pydantic: {peers:.2f}, ours {total / peers:.1f} times"
    return row


def _write(folder: Path, nodes: int, shm: bool) -> Path:
    (folder / "crowd.py").write_text(_MODULE)
    entries: list[dict[str, object]] = []
    for number in range(nodes):
        entry: dict[str, object] = {"name": f"n{number}", "node": "crowd:Sensor"}
        if number % 2:
            entry |= {"node": "crowd:Neighbour", "remap": {"heard": f"/n{number - 1}/imu"}}
        entries.append(entry)
    path = folder / "crowd.yaml"
    path.write_text(yaml.safe_dump({"broker": {"port": 0, "shm": shm}, "nodes": entries}))
    return path


def _family(launch: Launch) -> dict[str, list[psutil.Process]]:
    guard, broker = launch.guard_pid(), launch.broker_pid()
    nodes = launch.pids() - {broker}
    pids = {"broker": {broker}, "launcher": {launch.process.pid, guard}, "nodes": nodes}
    return {name: [psutil.Process(pid) for pid in sorted(each)] for name, each in pids.items()}


def _statistics(port: int) -> BrokerCounters:
    """The broker's counters; nobody listens to them in between, which would cost it something."""
    with contextlib.closing(Session(f"127.0.0.1:{port}")) as session:
        return next(session.statistics())


def _rates(before: BrokerCounters, after: BrokerCounters) -> list[float]:
    """What each publisher of an Imu has published, Hz."""
    known = {topic.name: topic.messages for topic in before.topics}
    span_sec = after.at_sec - before.at_sec
    return [
        (topic.messages - known.get(topic.name, 0)) / span_sec
        for topic in after.topics
        if _is_theirs(topic.name)
    ]


def _is_theirs(topic: str) -> bool:
    return topic.endswith("/imu")


def _cores_of_loops(count: int, seconds: float) -> float:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        loops = list(_started_loops(stack, Path(folder), count))
        time.sleep(seconds / 10)
        before, began_sec = used_sec(loops), time.monotonic()
        time.sleep(seconds)
        return (used_sec(loops) - before) / (time.monotonic() - began_sec)


def _started_loops(
    stack: contextlib.ExitStack, folder: Path, count: int
) -> Iterator[psutil.Process]:
    for number in range(count):
        heard = str(folder / str(number - 1)) if number % 2 else ""
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.rows.crowd", str(folder / str(number)), heard],
                cwd=ROOT,
                stdout=subprocess.PIPE,
            )
        )
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield psutil.Process(process.pid)


def _loop(own: str, heard: str) -> None:
    """Publish and hear as a node of the crowd does, with pyzmq and pydantic."""
    import zmq  # noqa: PLC0415  not everybody has it

    encode, decode = codec("imu")
    sock: Any = zmq.Context.instance().socket(zmq.PUB)
    sock.bind(f"ipc://{own}")
    neighbour: Any = zmq.Context.instance().socket(zmq.SUB)
    if heard:
        neighbour.subscribe("")
        neighbour.connect(f"ipc://{heard}")
    print("ready", flush=True)
    due_sec = time.monotonic()
    while True:
        due_sec += 1 / _HZ
        while (left_sec := due_sec - time.monotonic()) > 0:
            if not heard:
                time.sleep(left_sec)
            elif neighbour.poll(left_sec * 1000):
                decode(neighbour.recv())
        sock.send_string(encode(time.time_ns()))


if __name__ == "__main__":
    _loop(*sys.argv[1:])
