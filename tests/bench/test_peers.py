"""The peers' benchmark: that it runs, what it makes of figures, who is missing."""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from dsmq_nodes.bench.running import Case, Measured, Run
from tests.bench.harness.processes import ROOT
from tests.bench.peers import plot as peers_plot
from tests.bench.peers import systems as peers_systems
from tests.bench.peers import tables as peers_tables
from tests.support import processes


def measured(p50_us: float) -> Measured:
    run = Run(1, 1, 0, 0, 1e6 / p50_us, [p50_us], 0.001, None)
    return Measured(Case("text", "", 100.0, 1), run, run, is_shared=False)


def test_a_ratio_is_of_the_same_turn_and_a_turn_that_failed_has_none() -> None:
    ours = peers_tables.Result({0: measured(10), 1: measured(20)})
    theirs = peers_tables.Result({1: measured(30), 2: measured(50)})
    assert peers_tables.ratios(theirs, ours, peers_tables.p50_us) == [1.5]


@pytest.mark.parametrize(
    ("values", "wanted"), [([], "-"), ([5.0], "5 (5-5)"), ([3.0, 1.0, 2000.0], "3 (1-2,000)")]
)
def test_the_spread_is_median_least_and_greatest(values: list[float], wanted: str) -> None:
    assert peers_tables.spread(values) == wanted


def test_the_overview_has_medians_and_their_ratio_to_ours() -> None:
    work = peers_tables.Work("text", Case("text", "", 100.0, 1))
    results = {
        "text": {
            "dsmq_nodes": peers_tables.Result({0: measured(10), 1: measured(40)}),
            "zmq": peers_tables.Result({0: measured(20), 1: measured(20)}),
            "lcm": peers_tables.Result(failed="no"),
        }
    }
    assert peers_tables.overview([work], results)[2:5] == [
        "| dsmq_nodes | 25 (1.00) | 62,500 (1.00) |",
        "| zmq | 20 (1.25) | 50,000 (1.25) |",
        "| lcm | - | - |",
    ]


def test_who_is_missing_is_listed_with_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers_systems, "_candidates", lambda _: ["python-that-is-not"])
    monkeypatch.setattr(peers_systems, "_modules", lambda _: {"paho": "2", "zmq": "27"})
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(peers_systems, "_ALSO", "")
    found, missing = peers_systems.find([])
    assert found == []
    assert missing["redis"].startswith("no Python here has redis: pip install redis")
    assert "python-that-is-not has zmq and not pydantic" in missing["zmq"]


def test_the_plot_is_an_svg_with_a_bar_a_system_that_has_figures() -> None:
    panel = peers_plot.Panel("p50, us", {"dsmq_nodes": [10.0, 20.0], "<zmq>": [100.0], "nats": []})
    root = ET.fromstring(peers_plot.picture([panel]))
    space = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width", "")) for bar in root.findall(f"{space}rect")[1:]]
    assert len(widths) == 2
    assert 0 < widths[0] < widths[1]
    assert "<zmq>" in [text.text for text in root.findall(f"{space}text")]


def test_a_quick_run_writes_table_and_plot(tmp_path: Path) -> None:
    run = processes.run(
        [sys.executable, "-m", "tests.bench.peers", "--quick", "--work", "text", "--peer", "zmq",
         "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    table = (tmp_path / "peers.md").read_text()
    details = table.partition("### ")[2]
    rows = {line.split(" | ")[0]: line for line in details.splitlines() if line.startswith("| ")}
    ours = ["", ", pure Python", ", no shm", ", rclpy's program"]
    assert list(rows) == ["| system", *(f"| dsmq_nodes{way}" for way in ours), "| zmq"]
    assert "failed" not in table
    assert "1.00 (1.00-1.00)" in rows["| dsmq_nodes"]
    ET.fromstring((tmp_path / "peers.svg").read_text())
