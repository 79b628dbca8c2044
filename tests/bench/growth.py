"""How cost grows: `python -m tests.bench.growth [AXIS ...] [--out DIR] [--quick]`, five minutes.

One thing grows at a time: how many topics one node publishes and another reads, how many processes
read one topic, the size of a message, its rate, and how many MiB of older messages the broker
holds. Told are the p50 from before a message is built until a callback holds it decoded, the CPU of
all processes together in cores, and their memory (PSS, of which a ring that several have mapped is
counted once). Where a line is not flat the cost a message is what to look at: the last column.
"""

import argparse
import os
import statistics
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.dsmq.client import connect_to_server
from dsmq_nodes.speedups import path
from tests.bench.harness import table
from tests.bench.harness.processes import Broker, Worker, settle
from tests.bench.peers import plot

_SECONDS: Final = 2.0
_LEAST: Final = 10  # messages, however seldom they are
_OLD: Final = "x" * (1 << 20)


@dataclass(frozen=True, slots=True)
class Load:
    """What is carried.

    Attributes:
        topics: that one node publishes.
        readers: processes that read all of them.
        size: of a message's text or picture, bytes.
        rate: of each topic, Hz.
        history: MiB of older messages, of another topic, that the broker holds.
    """

    topics: int = 1
    readers: int = 1
    size: int = 300
    rate: float = 100.0
    history: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """What it takes: p50 in us, cores, MB, and what was lost."""

    p50_us: float
    cores: float
    memory_mb: float
    messages_per_sec: float
    lost: int


AXES: Final[dict[str, tuple[Load, ...]]] = {
    "topics": tuple(Load(topics=number, rate=20.0) for number in (1, 3, 10, 30, 100)),
    "readers": tuple(Load(readers=number, rate=50.0) for number in (1, 2, 5, 10, 20, 50)),
    "size": tuple(
        Load(size=size, rate=20.0) for size in (100, 1000, 10_000, 100_000, 1_000_000, 4_000_000)
    ),
    "rate": tuple(Load(rate=rate) for rate in (1.0, 10.0, 100.0, 1000.0, 2000.0, 5000.0)),
    "history": tuple(Load(history=mib) for mib in (0, 1, 8, 32, 60)),
}


def measure(load: Load, seconds: float) -> Cost:
    """Carry it for so long."""
    with ExitStack() as stack:
        broker = stack.enter_context(Broker())
        _fill(broker.port, load.history)
        count = max(int(load.rate * seconds), _LEAST)
        given: dict[str, Any] = {
            "port": broker.port,
            "topics": load.topics,
            "readers": load.readers,
            "size": load.size,
            "rate": load.rate,
            "count": count,
        }
        sinks = [
            stack.enter_context(Worker("growing", role="sink", name=f"sink{number}", **given))
            for number in range(load.readers)
        ]
        for each in sinks:
            each.line(60.0)
        source = stack.enter_context(Worker("growing", role="source", name="source", **given))
        source.line(60.0)
        everybody = [broker, source, *sinks]
        source.settle()
        before_sec, began_sec = sum(each.cpu_sec for each in everybody), time.perf_counter()
        source.ask("go", seconds * 20 + 60.0)
        took_sec = time.perf_counter() - began_sec
        used_sec = sum(each.cpu_sec for each in everybody) - before_sec
        memory_mb = sum(each.usage.memory_full_info().pss for each in everybody) / 1e6
        sent = count * load.topics
        found = settle(sinks, sent * load.readers, patience_sec=10.0)
    return Cost(
        p50_us=statistics.median(each["p50_us"] for each in found),
        cores=used_sec / took_sec,
        memory_mb=memory_mb,
        messages_per_sec=sent * load.readers / took_sec,
        lost=sent * load.readers - sum(each["received"] for each in found),
    )


def _fill(port: int, mib: int) -> None:
    with connect_to_server("127.0.0.1", port) as client:
        for _ in range(mib):
            client.put("/old", _OLD, ack=True)


def main() -> int:
    """Measure, and print a table; the exit status is 1 when something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)}; none: all")
    parser.add_argument("--out", type=Path, help="directory for growth.md and growth.svg")
    parser.add_argument("--quick", action="store_true", help="little of everything: does it run?")
    given = parser.parse_args()
    if unknown := set(given.axes) - set(AXES):
        parser.error(f"no such axis: {', '.join(sorted(unknown))}")
    table.end_what_was_started()
    lines = [
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, {path()} path",
        "",
        "| grows | to | p50, us | CPU, cores | memory, MB | CPU a message, us |",
        "|---|---|---|---|---|---|",
    ]
    for line in lines:
        table.say(line)
    panels, lost = [], 0
    for axis in given.axes or AXES:
        loads = AXES[axis]
        if given.quick:
            loads = tuple(replace(each, rate=min(each.rate, 100.0)) for each in loads[:2])
        costs = {
            f"{getattr(load, axis):g}": measure(load, 0.2 if given.quick else _SECONDS)
            for load in loads
        }
        for value, cost in costs.items():
            each_us = cost.cores / cost.messages_per_sec * 1e6
            lines.append(
                f"| {axis} | {value} | {cost.p50_us:.0f} | {cost.cores:.2f} "
                f"| {cost.memory_mb:.0f} | {each_us:.0f} |"
            )
            table.say(lines[-1])
            if cost.lost:
                table.say(f"FAULT {axis} {value}: {cost.lost} lost")
            lost += cost.lost
        panels += [
            plot.Panel(f"{axis}: p50, us", {name: [cost.p50_us] for name, cost in costs.items()}),
            plot.Panel(f"{axis}: CPU, cores", {name: [cost.cores] for name, cost in costs.items()}),
        ]
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "growth.md").write_text("\n".join(lines) + "\n")
        (given.out / "growth.svg").write_text(plot.picture(panels))
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
