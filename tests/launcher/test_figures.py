"""The tables of nodes and topics, where there is little room; and the summary in the end."""

import gc
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import psutil
import pytest
from rich.console import Console
from rich.text import Text

from dsmq_nodes.cli.show.live_table import LiveTables
from dsmq_nodes.launcher.watch.figures import Figures, Row, tables
from dsmq_nodes.launcher.watch.summary import summary
from dsmq_nodes.messages import Time
from dsmq_nodes.messages.dsmq_msgs import (
    Edge,
    Graph,
    NodeStatistics,
    Peer,
    Source,
    SubscriptionStatistics,
    TimerStatistics,
    TopicStatistics,
)

LONG = "/robot1/" + "a_name_that_nobody_can_read_at_once_" * 2


def row(name: str, state: str, rate: Text | str = "-") -> Row:
    return (name, Text(state), "12345", "", "3 %", "40 MiB", rate, "-", "0")


def shown(rows: list[Row], columns: int = 79, lines: int = 18) -> list[str]:
    console = Console(width=columns, height=lines)
    with console.capture() as capture:
        for table in tables(rows, [], [], columns, lines):
            console.print(table)
    return [line.split()[0] for line in capture.get().splitlines()[1:]]


def test_who_needs_looking_after_is_not_among_those_left_out() -> None:
    rows = [row(f"well{number}", "ready") for number in range(14)]
    rows += [row("slow", "ready", Text("7.1 / 10 Hz", "red")), row("late", "starting")]
    rows += [row("both", "restarting"), row("  /b", ""), row("  /c", "")]
    rows += [row("bad", "failed"), row("broker", "ready")]
    assert shown(rows, lines=9) == ["bad", "both", "/b", "/c", "late", "slow", "well0", "..."]
    # With room for all, each stays where it is.
    assert shown(rows, lines=30)[0] == "well0"


def test_a_long_name_is_cut_and_its_state_is_not() -> None:
    console = Console(width=79)
    with console.capture() as capture:
        for table in tables([row(LONG, "failed"), row("b", "ready")], [], [], 79, 10):
            console.print(table)
    head, long, _ = capture.get().splitlines()
    assert {"state", "restarts", "rate", "dropped", "latency"} <= set(head.split())
    assert long.split()[0].startswith("/robot1/a_")
    assert long.split()[0].endswith("_once_")
    assert long.split()[1] == "failed"


def test_the_latency_of_a_shared_topic_is_what_its_readers_have_felt() -> None:
    topic = TopicStatistics(name="/scan", messages=9, shared=True, edges=[Edge(subscriber="/a")])
    felt = [("/a", "/scan", 0.002), ("/b", "/scan", 0.003), ("/b", "/odom", 0.1)]
    nodes = [
        NodeStatistics(
            name=name, subscriptions=[SubscriptionStatistics(topic=of, latency_p50_sec=sec)]
        )
        for name, of, sec in felt
    ]
    console = Console(width=79)
    with console.capture() as capture:
        for table in tables([], [topic], nodes, 79, 20):
            console.print(table)
    assert "3.0 ms" in capture.get()


def test_what_has_no_rate_has_no_rate_of_0_hz() -> None:
    source = [Source(node="/a")]
    topics = [
        TopicStatistics(name="/latched", messages=1, publishers=source),
        TopicStatistics(name="/nobodys", messages=9, edges=[Edge(subscriber="/a")]),
        TopicStatistics(name="/stalled", messages=9, publishers=source),
    ]
    console = Console(width=79)
    with console.capture() as capture:
        for table in tables([], topics, [], 79, 20):
            console.print(table)
    rows = [line.split() for line in capture.get().splitlines() if line.strip()]
    rates = {row[0]: " ".join(row[4:6]) for row in rows}
    assert (rates["/latched"], rates["/nobodys"]) == ("- -", "- -")
    assert rates["/stalled"] == "0.0 Hz"


def test_a_graph_that_is_replaced_by_a_newer_one_is_not_dropped() -> None:
    lost = [SubscriptionStatistics(topic=name, dropped=2) for name in ("/dsmq/graph", "/scan")]
    _, row = summary([NodeStatistics(name="/b", subscriptions=lost)])
    assert row.split() == ["/b", "0", "0", "2"]


def test_the_summary_has_no_column_without_a_value() -> None:
    head, row = summary([NodeStatistics(name="/plant1/controller")])
    assert head.split() == ["node", "sent", "received", "dropped"]
    assert len(head) == len(row)
    head, *_ = summary([NodeStatistics(name="/a"), NodeStatistics(name="/b", rate_hz=10.0)])
    assert head.split() == ["node", "declared", "sent", "received", "dropped"]


def test_a_long_name_is_cut_in_the_summary() -> None:
    head, first, second = summary([NodeStatistics(name="/b"), NodeStatistics(name=LONG)])
    assert first.split()[0] == "/b"
    assert len(second.split()[0]) == 40
    assert len(head) == len(second) < 112


def test_a_clock_that_was_ahead_once_does_not_stop_the_rate() -> None:
    figures = Figures()

    def told(sec: int, ticks: int) -> str:
        timers = [TimerStatistics(name="t", rate_hz=10.0, ticks=ticks)]
        node = NodeStatistics(name="/b", stamp=Time(sec=sec), rate_hz=10.0, timers=timers)
        return str(figures.node(node)[0])

    stamps = [100, 2**31 - 1, 102, 103]
    assert [told(sec, 10 * number) for number, sec in enumerate(stamps)][-1] == "10.0 / 10 Hz"


def test_of_processes_that_come_and_go_a_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: WeakSet[Any] = WeakSet()

    class GoneProcess:
        def __init__(self, _: int) -> None:
            kept.add(self)

        def cpu_percent(self) -> float:
            raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "Process", GoneProcess)
    figures = Figures()
    assert {figures.used(pid) for pid in range(1, 3000)} == {("-", "-")}
    gc.collect()
    assert len(kept) <= 1000


def test_top_forgets_nodes_that_have_gone() -> None:
    session: Any = SimpleNamespace(subscribe=lambda *_, **__: None)
    shown = LiveTables(session)
    for number in range(10):
        name = f"/short_lived_{number}"
        shown._take_node(NodeStatistics(name=name).to_json())
        shown._take_graph(Graph(peers=[Peer(name=name), Peer(name="/other")]).to_json())
    assert list(shown._nodes) == ["/short_lived_9"]
