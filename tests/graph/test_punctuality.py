"""Timers that do not keep their rate are told, once in ten seconds."""

import re

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.testing import Graph, VirtualClock


class Slow(Node):
    """Every second tick takes 2.5 periods."""

    def __init__(self) -> None:
        super().__init__("slow")
        self.timer = self.create_timer(0.1, self.tick)
        self.create_timer(1.0, self.rest)

    def tick(self) -> None:
        clock = self.get_clock()
        assert isinstance(clock, VirtualClock)
        if self.timer.ticks % 2:
            clock.set_forward(clock.monotonic_sec() + 0.25)

    def rest(self) -> None:
        pass


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_skipped_ticks_are_told_once_in_ten_seconds(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    graph.add(Slow)
    graph.run_for(9.0)
    [first] = warnings(caplog)
    assert re.match(r"timer tick skipped \d+ of its last \d+ ticks at 10 Hz: shorten", first)
    graph.run_for(21.0)
    assert len(warnings(caplog)) == 3


def test_callbacks_are_not_blamed_for_a_cpu_that_was_with_others(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Starved(Node):
        def __init__(self) -> None:
            super().__init__("starved")
            self.create_timer(0.1, lambda: None)

    clock = graph.add(Starved).get_clock()
    assert isinstance(clock, VirtualClock)
    graph.run_for(3.05)
    clock.set_forward(clock.monotonic_sec() + 1.5)
    graph.run_for(1.0)
    [warning] = warnings(caplog)
    assert "at 10 Hz: callbacks took little of that time, the CPU was with others: run" in warning


def test_a_timer_may_call_what_is_built_in(graph: Graph) -> None:
    node = graph.add(lambda: Node("n"))
    seen = graph.observe(NodeStatistics, "/dsmq/nodes")
    node.create_timer(0.5, [].clear)  # of no module
    graph.run_for(3.0)
    assert [each.timers[0].ticks for each in seen] == [1, 3, 5]


def test_one_tick_in_a_hundred_is_not_worth_a_word(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Hasty(Slow):
        def tick(self) -> None:
            clock = self.get_clock()
            assert isinstance(clock, VirtualClock)
            if self.timer.ticks % 200 == 150:
                clock.set_forward(clock.monotonic_sec() + 0.25)

    graph.add(Hasty)
    graph.run_for(60.0)
    assert not caplog.records


def test_the_longest_lateness_is_exact(graph: Graph) -> None:
    seen = graph.observe(NodeStatistics, "/dsmq/nodes")
    graph.add(Slow)
    graph.run_for(5.0)
    timer = seen[-1].timers[0]
    assert timer.lateness_max_sec == pytest.approx(0.05)
    assert timer.lateness_max_sec == pytest.approx(timer.lateness_p99_sec, rel=0.1)


def test_punctual_timers_are_not_worth_a_word(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Punctual(Node):
        def __init__(self) -> None:
            super().__init__("punctual")
            self.create_timer(0.1, lambda: None)

    graph.add(Punctual)
    graph.run_for(30.0)
    assert not caplog.records
