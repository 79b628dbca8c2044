"""The benchmark runs, and where little is asked nothing is lost or repeated; no time is judged."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import bag, faults, fuzz_requests, fuzz_ring, fuzz_values, launch, nodes, queue
from tests.bench.harness.processes import ROOT
from tests.dsmq.sharer import needs_shared_memory
from tests.support import processes

MODULES: dict[str, Any] = {
    module.__name__.rpartition(".")[2]: module for module in (queue, nodes, launch, faults, bag)
}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        *(("queue", row) for row in queue.ROWS),
        *(("nodes", row) for row in nodes.ROWS),
        *(("launch", row) for row in launch.ROWS),
        *(("faults", row) for row in faults.OWN_ROWS),
        *(("bag", row) for row in bag.ROWS),
    ],
)
def test_nothing_is_lost_or_repeated_in_a_row(name: str, row: str) -> None:
    assert MODULES[name].ROWS[row](MODULES[name].QUICK).faults == []


@pytest.mark.parametrize(
    ("name", "row"),
    [("queue", "get"), ("nodes", "process"), ("launch", "check"), ("faults", "half_open"),
     ("bag", "info"), ("uplink", "lossy_udp_20")],
)  # fmt: skip
def test_a_row_is_printed(name: str, row: str) -> None:
    run = processes.run(
        [sys.executable, "-m", f"tests.bench.{name}", "--quick", row],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    rows = re.findall(r"^\| (\w+) \|.*\| (?:met|MISSED) \|", run.stdout, re.MULTILINE)
    assert rows == [row], run.stdout


def test_how_cost_grows_is_measured_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run = processes.run(
        [sys.executable, "-m", "tests.bench.growth", "--quick", "readers", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"^\| readers \| (\d+) \|", run.stdout, re.MULTILINE) == ["1", "2"]
    assert "<svg" in (out / "growth.svg").read_text()


@pytest.mark.slow
def test_values_are_read_and_written_as_the_same() -> None:
    assert fuzz_values.main(1.0, seed=1) == 0


@pytest.mark.slow
def test_odd_requests_harm_no_honest_peer() -> None:
    assert fuzz_requests.main(3.0, seed=1) == 0


@pytest.mark.slow
@needs_shared_memory
def test_a_damaged_ring_harms_nobody() -> None:
    assert fuzz_ring.main(3.0, seed=1) == 0


def test_the_benchmark_of_services_runs() -> None:
    run = processes.run(
        [sys.executable, "-m", "tests.bench.services", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert re.search(r"round trip, p50 / p99: \d+ / \d+ us of 200\n", run.stdout), run.stderr
