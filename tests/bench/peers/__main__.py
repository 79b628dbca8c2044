"""The kit beside its peers: `python -m tests.bench.peers [--out DIR]`, half an hour; `--quick`.

The same work through every system that is there, in turns, so that all have the same minutes of the
machine: what counts is the ratio to this kit of the same turn. Messages are 300 bytes of text, an
Imu, a picture of 640x480; at a rate for the latency, from before a message is built until a
callback holds it decoded, then as fast as it goes. Peers without typed messages send pydantic
models as JSON, as this kit does. Of 10 subscribers the CPU counts, of all processes together.

The programs for rclpy are measured twice, unchanged: with the real one, and with this kit.

A system that is not there is listed with how to have it. Servers are started here, on free ports.
The clients may be installed for another Python: `--python PATH`; those on PATH are tried too.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dsmq_nodes.bench.processes import Started, start
from dsmq_nodes.bench.running import BenchProcesses, Case, Measured, Setup
from dsmq_nodes.errors import BenchError
from tests.bench.harness import table
from tests.bench.harness.processes import ROOT, free_port
from tests.bench.peers import plot as peers_plot
from tests.bench.peers import systems as peers_systems
from tests.bench.peers.systems import RCLPY_HERE, Found
from tests.bench.peers.tables import (
    OURS,
    OURS_AS_RCLPY,
    OURS_BY_BROKER,
    OURS_PURE,
    Result,
    Results,
    Work,
    cores,
    flood_per_sec,
    markdown,
    overview,
    p50_us,
)

_PATIENCE_SEC: Final = 20.0
_FACADE: Final = ("-m", "dsmq_nodes.rclpy", str(ROOT / "tests/bench/peers/worker.py"))

Measure = Callable[[Case], Measured]


def works(*, quick: bool) -> list[Work]:
    """What is done."""
    share = 0.03 if quick else 1.0

    def work(name: str, kind: str, rate_hz: float, seconds: float, subscribers: int = 1) -> Work:
        count = max(int(rate_hz * seconds * share), 3)
        return Work(name, Case(kind, "", rate_hz, count, max(share, 0.1), subscribers))

    return [
        work("text", "text", 1000, 3.0),
        work("imu", "imu", 1000, 3.0),
        work("image", "image", 30, 3.0),
        work("fan", "imu", 200, 5.0, subscribers=2 if quick else 10),
    ]


class Server(Started):
    """A peer's server."""

    def close(self) -> None:
        """End it: it does not mind its input."""
        self.process.terminate()
        super().close()


class Peer:
    """Measures one peer system."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        found: Found,
        runs: Sequence[str] = ("-m", "tests.bench.peers.worker"),
        broker: Setup | None = None,
    ) -> None:
        """Start its server, if it has one.

        Args:
            stack: ends it.
            found: the system.
            runs: how its Python runs the worker.
            broker: which broker of ours it uses.
        """
        self._found, self._runs = found, runs
        self._server: Started | None = None
        self._environment = dict(os.environ)
        if broker is not None:
            self._server = broker.own
            self._environment["DSMQ_BROKER"] = f"{broker.host}:{broker.port}"
        self._port = free_port()
        if found.server:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            command = [part.format(port=self._port) for part in found.server]
            server = Server(f"server of {found.system.name}", command, cwd=folder)
            self._server = stack.enter_context(server)
            _wait_for_port(self._port, server)

    def measure(self, case: Case) -> Measured:
        """Run a case.

        Raises:
            BenchError: a process of it ended, or nothing comes through.
        """
        given = {
            "system": self._found.system.name,
            "kind": case.kind,
            "port": free_port(),
            "server": self._port,
        }

        def worker(role: str) -> Started:
            options = json.dumps({"role": role, **given})
            command = [self._found.python, *self._runs, options]
            name = f"{self._found.system.name} {role}"
            return start(stack, name, command, cwd=str(ROOT), env=self._environment)

        with contextlib.ExitStack() as stack:
            subscribers = [worker("subscriber") for _ in range(case.subscribers)]
            for each in subscribers:
                each.line()
            publisher = worker("publisher")
            publisher.line()
            _wait_for_all(publisher, subscribers)
            pair = BenchProcesses(publisher, subscribers, self._server)
            paced = pair.run({"rate": case.rate_hz, "count": case.count})
            flood = pair.run({"seconds": case.flood_sec})
        return Measured(case, paced, flood, is_shared=False)


def _wait_for_port(port: int, server: Server) -> None:
    until_sec = time.monotonic() + _PATIENCE_SEC
    while time.monotonic() < until_sec and server.process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.05)
    raise BenchError(f"{server.process.args!r} does not listen on {port}")


def _wait_for_all(publisher: Started, subscribers: Sequence[Started]) -> None:
    """Send until every subscriber has found its publisher."""
    until_sec = time.monotonic() + _PATIENCE_SEC
    while time.monotonic() < until_sec:
        publisher.ask({"rate": 100, "count": 20})
        if all(each.ask("seen") for each in subscribers):
            time.sleep(0.3)  # what is still on its way is not counted
            return
    raise BenchError("nothing comes through")


def run(
    systems: dict[str, Measure], wanted: Sequence[Work], repeats: int, say: Callable[[str], None]
) -> Results:
    """Every work by every system, in turns."""
    results: Results = {work.name: {name: Result() for name in systems} for work in wanted}
    for turn in range(repeats):
        for work in wanted:
            for name, measure in systems.items():
                result = results[work.name][name]
                if result.failed:
                    continue
                say(f"{turn + 1}/{repeats} {work.name}: {name}")
                try:
                    result.runs[turn] = measure(work.case)
                except BenchError as error:
                    result.failed = str(error).splitlines()[-1]
    return results


# --- the program


def _systems(
    stack: contextlib.ExitStack, found: Sequence[Found], missing: dict[str, str]
) -> dict[str, Measure]:
    compiled = stack.enter_context(Setup(None))
    pure = stack.enter_context(Setup(None, {"DSMQ_NODES_PURE": "1"}))

    def ours(setup: Setup, way: str) -> Measure:
        return lambda case: setup.measure(
            Case(case.kind, way, case.rate_hz, case.count, case.flood_sec, case.subscribers)
        )

    systems: dict[str, Measure] = {
        OURS: ours(compiled, "shm"),
        OURS_PURE: ours(pure, "shm"),
        OURS_BY_BROKER: ours(compiled, "unix"),
        OURS_AS_RCLPY: Peer(stack, RCLPY_HERE, _FACADE, compiled).measure,
    }
    for each in found:
        try:
            systems[each.system.name] = Peer(stack, each).measure
        except BenchError as error:
            missing[each.system.name] = str(error)
    return systems


def _only(names: Sequence[str], offered: Sequence[str], parser: argparse.ArgumentParser) -> None:
    if unknown := set(names) - set(offered):
        parser.error(f"no such {'/'.join(sorted(unknown))}: there are {', '.join(offered)}")


def main() -> int:
    """Run it; the exit status is 1 when this kit could not do some of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--python", action="append", default=[], help="has clients of peers")
    parser.add_argument("--out", type=Path, help="directory for peers.md and peers.svg")
    parser.add_argument("--repeats", type=int, help="turns; at least 5 for a figure to quote")
    parser.add_argument("--work", action="append", help="only this; may be said again")
    parser.add_argument("--peer", action="append", help="only this; may be said again")
    parser.add_argument("--quick", action="store_true", help="little of everything: does it run?")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    all_works = works(quick=given.quick)
    _only(given.work or [], [work.name for work in all_works], parser)
    _only(given.peer or [], [each.name for each in peers_systems.SYSTEMS], parser)
    found, missing = peers_systems.find(given.python)
    found = [each for each in found if each.system.name in (given.peer or [each.system.name])]
    wanted = [work for work in all_works if work.name in (given.work or [work.name])]
    repeats = given.repeats or (1 if given.quick else 5)
    with contextlib.ExitStack() as stack:
        systems = _systems(stack, found, missing)
        results = run(systems, wanted, repeats, _progress)
    report = [
        *_heading(found, missing, repeats),
        *overview(wanted, results),
        *markdown(wanted, results),
    ]
    for line in report:
        table.say(line)
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "peers.md").write_text("\n".join(report))
        picture = peers_plot.picture(_panels(wanted, results))
        (given.out / "peers.svg").write_text(picture)
    ours = (OURS, OURS_BY_BROKER, OURS_AS_RCLPY)
    return int(any(of[name].failed for of in results.values() for name in ours))


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _heading(found: Sequence[Found], missing: dict[str, str], repeats: int) -> list[str]:
    versions = ", ".join(f"{each.system.name} {each.version}" for each in found)
    return [
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end, "
        f"Python {platform.python_version()}, {platform.system()} {platform.release()}",
        f"Command: `{' '.join(['python -m tests.bench.peers', *sys.argv[1:]])}`",
        f"Peers: {versions or 'none'}",
        *(f"- missing: {name}: {why}" for name, why in missing.items()),
        "",
        f"Medians of {repeats} turns (least-greatest); `x ours`: by {OURS} of the same turn.",
        "",
    ]


def _panels(wanted: Sequence[Work], results: Results) -> list[peers_plot.Panel]:
    figures = [("p50", "us", p50_us), ("flood", "messages/s", flood_per_sec), ("CPU", "", cores)]
    return [
        peers_plot.Panel(
            f"{work.name}: {name}" + (f", {unit}" if unit else ", cores"),
            {
                system: [figure(each) for each in result.runs.values()]
                for system, result in results[work.name].items()
            },
        )
        for work in wanted
        for name, unit, figure in (figures[2:] if work.name == "fan" else figures[:2])
    ]


if __name__ == "__main__":
    sys.exit(main())
