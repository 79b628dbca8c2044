"""The node kit's benchmark: `python -m tests.bench.nodes [ROW ...] [--quick]` prints a table.

Figures are medians of several runs. Where a peer can do the same work, pyzmq with plain pydantic
models, it does so in turns with us: on a machine that others use too, the ratio is what counts. The
exit status is 1 when a message was lost, or came twice; a slow machine is no failure.
"""

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.harness import table
from tests.bench.harness.processes import Broker, Worker, free_port, settle
from tests.bench.harness.row import Row

_OURS: Final = "our"
_PEER: Final = "zmq"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done."""

    runs: int = 5
    paced: int = 3000
    flood: int = 50_000
    timer_sec: float = 60.0
    cpu_sec: float = 10.0
    virtual_sec: float = 60.0


QUICK: Final = Scale(runs=1, paced=100, flood=500, timer_sec=0.3, cpu_sec=0.3, virtual_sec=1.0)


def imu(scale: Scale) -> Row:
    """Imu at 1 kHz."""
    row = Row("Imu 1 kHz, publish to callback, p50", "not above pyzmq + pydantic")
    ours, peers = _in_turns(row, scale.runs, scale.paced, 1000)
    (p50, p99), (peer_p50, peer_p99) = (
        [_median(runs, name) for name in ("p50_us", "p99_us")] for runs in (ours, peers)
    )
    row.met = row.met and p50 <= peer_p50
    row.measured = f"p50 {p50:.0f} us, p99 {p99:.0f} us ({p50 / peer_p50:.2f} of the peer's p50)"
    row.original = f"p50 {peer_p50:.0f} us, p99 {peer_p99:.0f} us"
    return row


def flood(scale: Scale) -> Row:
    """Imu as fast as it goes."""
    row = Row("Imu flood, end to end", "45,000/s")
    ours, peers = _in_turns(row, scale.runs, scale.flood, 0)
    rate, peer_rate = _median(ours, "per_sec"), _median(peers, "per_sec")
    cpu, peer_cpu = _median(ours, "cpu_us"), _median(peers, "cpu_us")
    row.met = row.met and rate >= 45_000
    row.measured = f"{rate:,.0f}/s ({rate / peer_rate:.2f} of the peer's), CPU {cpu:.0f} us each"
    row.original = f"{peer_rate:,.0f}/s, CPU {peer_cpu:.0f} us each"
    return row


def timer(scale: Scale) -> Row:
    """A timer at 1 kHz."""
    row = Row("timer at 1 kHz, lateness", "p50 < 200 us, p99 < 500 us, no drift")
    found = _node(scale.timer_sec, role="ticker", rate=1000.0, publishes=False)
    p50, p99, drift = found["p50_us"], found["p99_us"], found["drift_us"]
    row.met = p50 < 200 and p99 < 500 and abs(drift) < 100
    row.measured = (
        f"p50 {p50:.0f} us, p99 {p99:.0f} us, drift {drift:+.0f} us in {scale.timer_sec:g} s, "
        f"{found['ticks']} ticks, {found['overruns']} skipped"
    )
    return row


def cpu(scale: Scale) -> Row:
    """What nodes use of a core; of the peer its publisher alone, which sleeps between messages."""
    row = Row("CPU: idle node; 100 Hz with a publisher", "< 0.3 %; < 3 % of a core")
    idle, busy, peers = [], [], []
    for _ in range(scale.runs):
        idle.append(_node(scale.cpu_sec, role="idle"))
        busy.append(_node(scale.cpu_sec, role="ticker", rate=100.0, publishes=True))
        peers.append(_traffic(row, _PEER, round(scale.cpu_sec * 100), 100))
    idle_percent, busy_percent = _median(idle, "percent"), _median(busy, "percent")
    row.met = row.met and idle_percent < 0.3 and busy_percent < 3
    row.measured = f"{idle_percent:.2f} %; {busy_percent:.2f} %"
    row.original = f"-; {_median(peers, 'source_cpu_us') * 100 / 1e4:.2f} %"
    return row


def process(scale: Scale) -> Row:
    """What one node process takes."""
    row = Row("a node process: memory, all messages loaded; until ready", "< 45 MB; < 350 ms")
    found = [_node(0.0, role="idle") for _ in range(scale.runs)]
    rss_mb = _median(found, "rss_kib") * 1024 / 1e6
    ready_ms = _median(found, "ready_sec") * 1e3
    row.met = rss_mb < 45 and ready_ms < 350
    row.measured = f"{rss_mb:.1f} MB; {ready_ms:.0f} ms"
    return row


def virtual(scale: Scale) -> Row:
    """A graph in virtual time."""
    row = Row(f"virtual time: {scale.virtual_sec:g} s of 5 nodes at 100 Hz", "< 2 s")
    found = []
    for _ in range(scale.runs):
        with Worker("quiet", role="virtual", seconds=scale.virtual_sec) as worker:
            found.append(worker.answer(120.0))
    took_sec = _median(found, "took_sec")
    row.expect(sum(each["heard"] - round(scale.virtual_sec * 500) for each in found), "too many")
    row.met = row.met and took_sec < 2
    row.measured = f"{took_sec:.2f} s"
    return row


ROWS: Final[dict[str, Callable[[Scale], Row]]] = {
    "imu": imu,
    "flood": flood,
    "timer": timer,
    "cpu": cpu,
    "process": process,
    "virtual": virtual,
}


def _in_turns(
    row: Row, runs: int, count: int, rate_hz: float
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    ours, peers = [], []
    for _ in range(runs):
        ours.append(_traffic(row, _OURS, count, rate_hz))
        peers.append(_traffic(row, _PEER, count, rate_hz))
    return ours, peers


def _traffic(row: Row, system: str, count: int, rate_hz: float) -> dict[str, float]:
    """One publisher process to one subscriber process.

    Adds `cpu_us`, of all together a message, and `source_cpu_us`, of the publisher.
    """
    with ExitStack() as stack:
        broker = [stack.enter_context(Broker())] if system == _OURS else []
        port = broker[0].port if broker else free_port()
        given: dict[str, Any] = {"port": port, "count": count, "rate": rate_hz}
        reader = stack.enter_context(Worker("typed", role=f"{system} subscriber", **given))
        reader.answer()
        source = stack.enter_context(Worker("typed", role=f"{system} publisher", **given))
        source.answer()
        processes = [source, reader, *broker]
        before_sec = [each.cpu_sec for each in processes]
        source.tell("go")
        source.answer(120.0)
        found: dict[str, float] = settle([reader], count)[0]
        used_us = [
            (each.cpu_sec - before) / count * 1e6
            for each, before in zip(processes, before_sec, strict=True)
        ]
    row.expect(count - round(found["received"]), f"lost or repeated by {system}")
    return found | {"cpu_us": sum(used_us), "source_cpu_us": used_us[0]}


def _node(seconds: float, **given: object) -> dict[str, float]:
    """A node's own report after so many seconds, and what its process has used meanwhile."""
    with Broker() as broker:
        began_sec = time.perf_counter()
        with Worker("quiet", port=broker.port, **given) as worker:
            worker.line()
            ready_sec = time.perf_counter() - began_sec
            found: dict[str, float] = {"ready_sec": ready_sec}
            before_sec = worker.cpu_sec
            if seconds:
                time.sleep(seconds)
                found["percent"] = (worker.cpu_sec - before_sec) / seconds * 100
            found.update(worker.ask())
            found["rss_kib"] = worker.rss_kib
    return found


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


if __name__ == "__main__":
    sys.exit(table.run("tests.bench.nodes", __doc__, ROWS, (Scale(), QUICK), "pyzmq + pydantic"))
