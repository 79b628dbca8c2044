"""Exceptions of callbacks: whole once, then counted, and told on /dsmq/nodes."""

from typing import Literal

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.testing import Graph


class Clumsy(Node):
    on_exception: Literal["raise", "log"] = "log"

    def __init__(self) -> None:
        super().__init__("clumsy")
        self.timer = self.create_timer(0.01, self.tick)

    def tick(self) -> None:
        if self.timer.ticks % 2:
            raise RuntimeError(f"number {self.timer.ticks}")
        self.stumble()

    def stumble(self) -> None:
        raise ValueError("again")


class Proud(Clumsy):
    on_exception = "raise"


def test_each_is_shown_whole_once_and_then_counted(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    graph.add(Clumsy)
    graph.run_for(3.005)
    told = [record.getMessage() for record in caplog.records]
    first, second, *later = told
    assert first.startswith("exception in Clumsy.tick:\nTraceback")
    assert first.endswith("RuntimeError: number 1")
    assert second.endswith("ValueError: again")
    assert later == [
        "exception in Clumsy.tick: RuntimeError: number 19 (so far 10 times)",
        "exception in Clumsy.tick: ValueError: again (so far 10 times)",
        "exception in Clumsy.tick: RuntimeError: number 199 (so far 100 times)",
        "exception in Clumsy.tick: ValueError: again (so far 100 times)",
    ]


def test_a_new_kind_is_told_to_others_at_once_and_all_are_counted(graph: Graph) -> None:
    seen = graph.observe(NodeStatistics, "/dsmq/nodes")
    graph.add(Clumsy)
    graph.run_for(0.025)
    assert [(each.exceptions, each.last_exception) for each in seen] == [
        (1, "Clumsy.tick: RuntimeError: number 1"),
        (2, "Clumsy.tick: ValueError: again"),
    ]
    graph.run_for(1.0)
    assert seen[-1].exceptions >= 99


def test_the_one_that_ends_a_node_is_in_its_last_words(graph: Graph) -> None:
    seen = graph.observe(NodeStatistics, "/dsmq/nodes")
    graph.add(Proud)
    with pytest.raises(RuntimeError, match="number 1"):
        graph.run_for(1.0)
    graph.run_for(0.0)
    assert (seen[-1].exceptions, seen[-1].last_exception) == (
        1,
        "Clumsy.tick: RuntimeError: number 1",
    )
