"""The bags' benchmark: `python -m tests.bench.bag [ROW ...] [--quick]` prints a table.

The rows `imu`, `lidar` and `husky` need the recordings of real robots beside the checkout, and say
so where they are absent. The exit status is 1 when a message was lost, however slow the machine is.
"""

import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.convert.convert import convert
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.messages import Float64, Image
from dsmq_nodes.tools.session import Session
from tests.bench.harness import table
from tests.bench.harness.processes import ROOT, Broker, Started, Worker, settle
from tests.bench.harness.row import Row

DATA: Final = ROOT.parent / "shared" / "data"
_PATIENCE_SEC: Final = 120.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    sec: float = 10.0
    small_hz: int = 50_000
    image_hz: int = 60
    play_hz: int = 1000
    file_bytes: int = 1_000_000_000
    real: bool = True


QUICK: Final = Scale(0.3, 2000, 10, 200, 5_000_000, real=False)


@dataclass(frozen=True, slots=True)
class _Load:
    """What is published: `burst` messages at once, `bursts_hz` times a second."""

    type_name: str
    message: str  # empty: an image
    bursts_hz: float
    burst: int


def small(scale: Scale) -> Row:
    """Small messages."""
    target = f"{scale.small_hz:,}/s without a drop"
    message = '{"data":1.2345678901234567,"name":"a small message of some eighty bytes in all"}'
    row = Row("record small messages to disk", target)
    burst = max(1, scale.small_hz // 1000)
    load = _Load(Float64.type_name, message, scale.small_hz / burst, burst)
    return _record(row, scale, load)


def images(scale: Scale) -> Row:
    """Camera images."""
    row = Row("record 640x480 rgb8 to disk", f"{scale.image_hz}/s without a drop")
    load = _Load(Image.type_name, "", scale.image_hz, 1)
    return _record(row, scale, load, "--compression-format=lz4")


def _record(row: Row, scale: Scale, load: _Load, *options: str) -> Row:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        broker = stack.enter_context(Broker())
        count = max(1, round(load.bursts_hz * scale.sec))
        source = stack.enter_context(_source(broker, load, count))
        recorder = stack.enter_context(_recorder(broker, folder, *options))
        before_sec = recorder.cpu_sec
        source.tell("go")
        report = source.answer(_PATIENCE_SEC)
        cpu_sec = recorder.cpu_sec - before_sec
        found = _end(recorder)
        bag = Bag(folder / "run.mcap")
        size_bytes = sum(each.stat().st_size for each in bag.paths)
        row.expect(report["sent"] - len(bag), "messages not recorded")
        row.expect(found["dropped"], "dropped, as the recorder says")
    rate = report["per_sec"]
    row.met = row.met and rate >= 0.99 * load.bursts_hz * load.burst
    row.measured = (
        f"{rate:,.0f}/s, {found['dropped']} dropped, {size_bytes / scale.sec / 1e6:.1f} MB/s, "
        f"recorder's CPU {cpu_sec / report['sent'] * 1e6:.1f} us each"
    )
    return row


def _source(broker: Broker, load: _Load, count: int) -> Worker:
    """Who publishes so many bursts, when it is told to go."""
    given = {"type": load.type_name, "message": load.message, "bursts_hz": load.bursts_hz}
    source = Worker("recorded", port=broker.port, count=count, burst=load.burst, **given)
    source.line()
    return source


def _recorder(broker: Broker, folder: Path, *options: str) -> Started:
    command = ("-u", "-m", "dsmq_nodes", "bag", "record", "/load", "-o", str(folder / "run"))
    recorder = Started(*command, "--broker", f"127.0.0.1:{broker.port}", *options)
    while "Subscribed" not in recorder.line():
        pass
    return recorder


def _end(recorder: Started) -> dict[str, int]:
    recorder.send(signal.SIGINT)
    while not (found := re.search(r"Recorded (\d+) messages, (\d+) dropped", recorder.line(60.0))):
        pass
    return {"messages": int(found[1]), "dropped": int(found[2])}


def effect(scale: Scale) -> Row:
    """What the recorder costs nodes: at 1 kHz, to the return of publish(), and to the callback."""
    row = Row(
        "Imu at 1 kHz with a recorder: p99 of publish(), of the callback",
        "both under 1.10 of without",
    )
    without, with_ = _effect(row, scale, _latency_of_nodes)
    ratios = [b / a for a, b in zip(without, with_, strict=True)]
    row.met = row.met and max(ratios) < 1.1
    row.measured = (
        f"{with_[0]:.0f} us, {ratios[0]:.2f} of without; {with_[1]:.0f} us, {ratios[1]:.2f}"
    )
    row.original = f"without: {without[0]:.0f} us; {without[1]:.0f} us"
    return row


def effect_sockets(scale: Scale) -> Row:
    """What the recorder costs those who share no memory: from the put to a reader."""
    row = Row("1 kHz through the broker's sockets with a recorder: p99 to a reader", "-")
    (without,), (with_,) = _effect(row, scale, _latency_of_sockets)
    row.measured = f"{with_:.0f} us, {with_ / without:.2f} of without"
    row.original = f"without: {without:.0f} us"
    return row


def _effect(
    row: Row, scale: Scale, latency: Callable[[int, Broker, Callable[[], None]], list[float]]
) -> tuple[list[float], list[float]]:
    """Medians without and with a recorder, in turns."""
    count = max(10, round(1000 * min(scale.sec, 5.0)))
    without, with_ = [], []
    for _ in range(11 if scale.real else 1):
        with Broker() as broker:
            without.append(latency(count, broker, lambda: None))
        with Broker() as broker, _Recording(broker) as recording:
            with_.append(latency(count, broker, recording.begin))
            recording.expect(row, count)
    medians = [np.median(runs, axis=0).tolist() for runs in (without, with_)]
    return medians[0], medians[1]


class _Recording:
    """A recorder that is begun when there is something to record."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stack = ExitStack()

    def begin(self) -> None:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._recorder = self._stack.enter_context(_recorder(self._broker, self._folder))
        self._recorder.settle()

    def expect(self, row: Row, count: int) -> None:
        """See that it is all there."""
        found = _end(self._recorder)
        row.expect(count - len(Bag(self._folder / "run.mcap")), "messages not recorded")
        row.expect(found["dropped"], "dropped, as the recorder says")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _latency_of_nodes(count: int, broker: Broker, begin: Callable[[], None]) -> list[float]:
    """The p99 of publish() in one node, and to the callback of another, in us."""
    given: dict[str, Any] = {"port": broker.port, "count": count, "rate": 1000, "topic": "/load"}
    with ExitStack() as stack:
        reader = stack.enter_context(Worker("typed", role="our subscriber", **given))
        reader.answer()
        source = stack.enter_context(Worker("typed", role="our publisher", **given))
        source.answer()
        begin()
        source.tell("go")
        sent = source.answer(_PATIENCE_SEC)
        found = settle([reader], count)[0]
    return [sent["p99_us"], found["p99_us"]]


def _latency_of_sockets(count: int, broker: Broker, begin: Callable[[], None]) -> list[float]:
    """The p99, in us, of what one reader sees through the broker."""
    load = _Load(Float64.type_name, '{"data":1.5}', 1000, 1)
    reader = Session(("127.0.0.1", broker.port), lasting=True)
    with reader, _source(broker, load, count) as source:
        reader.subscribe("/load")
        reader.graph()  # the broker answers in order: it has the subscription
        begin()
        source.tell("go")
        late_us: list[float] = []
        while len(late_us) < count:
            if (reply := reader.next_message(timeout_sec=0.05)) is not None:
                late_us.append((time.time_ns() - reply.stamp) * 1e-3)
    return [float(np.percentile(late_us, 99))]


def play(scale: Scale) -> Row:
    """Spacing."""
    row = Row(f"play {scale.play_hz} Hz as recorded: p99 error of the spacing", "2 ms")
    count = max(20, round(scale.play_hz * scale.sec))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with BagWriter(folder / "run") as writer:
            for index in range(count):
                at_ns = 1 + index * 1_000_000_000 // scale.play_hz
                writer.write(Channel("/load", "std_msgs/msg/Float64"), at_ns, b'{"data":1}', 0)
        broker = stack.enter_context(Broker())
        reader = stack.enter_context(Session(("127.0.0.1", broker.port), lasting=True))
        reader.subscribe("/load")
        command = ("-m", "dsmq_nodes", "bag", "play", str(writer.paths[0]), "-w", "1")
        stack.enter_context(Started(*command, "--broker", f"127.0.0.1:{broker.port}"))
        stamps: list[int] = []
        while len(stamps) < count:
            if (reply := reader.next_message(timeout_sec=0.05)) is not None:
                row.expect(reply.gap, "lost")
                stamps.append(reply.stamp)
    error_ms = np.abs(np.diff(stamps) - 1e9 / scale.play_hz) * 1e-6
    drift_ms = (stamps[-1] - stamps[0] - (count - 1) * 1e9 / scale.play_hz) * 1e-6
    p50, p99 = np.percentile(error_ms, [50, 99])
    row.met = bool(p99 < 2)
    row.measured = f"p50 {p50:.3f} ms, p99 {p99:.3f} ms; at the end {drift_ms:+.3f} ms"
    return row


def info(scale: Scale) -> Row:
    """A large file."""
    row = Row(f"info on {scale.file_bytes / 1e9:g} GB, the whole command", "0.5 s")
    data = b'{"data":"%b"}' % (b"x" * 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        with BagWriter(Path(folder) / "run", compression="none") as writer:
            for index in range(max(1, scale.file_bytes // len(data))):
                writer.write(Channel("/load", "std_msgs/msg/String"), index, data, index)
        took, out = [], ""
        for _ in range(3):
            began = time.perf_counter()
            command = [sys.executable, "-m", "dsmq_nodes", "bag", "info", str(writer.paths[0])]
            out = subprocess.run(
                command, check=True, capture_output=True, text=True, cwd=ROOT
            ).stdout
            took.append(time.perf_counter() - began)
        row.expect(f"Count: {writer.messages} " not in out, "wrong counts")
    row.met = row.met and statistics.median(took) < 0.5
    row.measured = f"{statistics.median(took):.2f} s"
    return row


def imu(scale: Scale) -> Row:
    """A real IMU through broker and processes."""
    row = Row("53,240 IMU samples, filter, score: RMSE", "1.67045 degrees")
    path = DATA / "broad_imu" / "broad_02_f32.npz"
    paces = (
        ("as fast as filtered", "0", "500"),
        ("x 10", "10", "500"),
        ("as recorded", "1", "500"),
    )
    measured = []
    for name, speed, ahead in paces if _has(row, scale, path) else ():
        out, took_sec = _launch("imu_replay", f"path:={path}", f"speed:={speed}", f"ahead:={ahead}")
        found = re.search(r"53240 samples, (\d+) out of order, RMSE ([\d.]+) deg", out)
        row.expect(found is None or int(found[1]), f"out of order or missing ({name})")
        row.met = row.met and found is not None and found[2] == "1.67045"
        measured.append(f"{name} {found[2] if found else 'none'} in {took_sec:.0f} s")
    row.measured = "; ".join(measured) or row.measured
    return row


def lidar(scale: Scale) -> Row:
    """A real laser scanner through broker and processes."""
    row = Row("7,374 scans before the avoider: stops", "11 in 3 episodes")
    path = DATA / "radish_carmen" / "aces.clf.bz2"
    measured = []
    paces = (("as fast as answered", "0", "1"), ("x 20", "20", "1"))
    for name, speed, ahead in paces if _has(row, scale, path) else ():
        given = (f"path:={path}", f"speed:={speed}", f"ahead:={ahead}")
        out, took_sec = _launch("carmen_replay", *given)
        found = re.search(r"(\d+) scans, (\d+) stops in (\d+) episodes", out)
        right = found is not None and found.groups() == ("7374", "11", "3")
        row.expect(not right, f"wrong counts ({name})")
        measured.append(f"{name}: {found[0] if found else 'none'} in {took_sec:.0f} s")
    row.measured = "; ".join(measured) or row.measured
    return row


def husky(scale: Scale) -> Row:
    """A real bag, there and back."""
    row = Row("Husky, 16,806 messages: ROS 1, ours, ROS 1 and ROS 2, ours", "nothing lost")
    path = DATA / "husky_bag" / "test1.bag"
    if not _has(row, scale, path):
        return row
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "ours.mcap"
        convert(open_source([path]), ours, "mcap")
        read_sec = time.perf_counter() - began
        before = _messages(ours)
        row.expect(len(before) - 16_806, "missing")
        for to, out in (("ros1", Path(folder) / "x.bag"), ("ros2", Path(folder) / "x")):
            convert(open_source([ours]), out, "ros1" if to == "ros1" else "ros2")
            differ = sum(a != b for a, b in zip(before, _messages(out), strict=True))
            row.expect(differ, f"changed by {to}")
    row.measured = f"nothing lost; ROS 1 to ours {16_806 / read_sec:,.0f} messages/s"
    return row


def _messages(path: Path) -> list[tuple[str, int, Any]]:
    records = open_source([path]).records()
    return [(each.channel.topic, each.log_time_ns, json.loads(each.data)) for each in records]


def _has(row: Row, scale: Scale, path: Path) -> bool:
    if scale.real and path.exists():
        return True
    row.measured = "not run: little was asked for" if path.exists() else f"not run: no {path.name}"
    return False


def _launch(name: str, *given: str) -> tuple[str, float]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "dsmq_nodes", "launch", f"launch/{name}.yaml", "port:=0"]
    done = subprocess.run(
        [*command, *given], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    return done.stdout, time.perf_counter() - began


ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "small": small,
    "images": images,
    "effect": effect,
    "effect_sockets": effect_sockets,
    "play": play,
    "info": info,
    "imu": imu,
    "lidar": lidar,
    "husky": husky,
}


if __name__ == "__main__":
    sys.exit(table.run("tests.bench.bag", __doc__, ROWS, (Scale(), QUICK), "beside"))
