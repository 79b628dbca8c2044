"""Timers of a node that runs on the real clock. Nothing here asks how late a tick was."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dsmq_nodes import Node
from dsmq_nodes.graph.time.timer import Timer
from dsmq_nodes.testing import Graph
from tests.graph.conftest import spinning
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("broker")


def test_ticks_are_never_early() -> None:
    ticks: list[float] = []
    node = Node("a")
    began = time.monotonic()
    timer = node.create_timer(0.01, lambda: ticks.append(time.monotonic()))
    with spinning(node):
        until(lambda: len(ticks) >= 100)
    # Whatever the machine does, tick n (skipped ones counted) is not before n periods.
    assert timer.ticks == len(ticks)
    slots = [int((tick - began) / 0.01 + 1e-6) for tick in ticks]
    assert all(slot >= number for number, slot in enumerate(slots, start=1))


def test_missed_ticks_are_counted_and_not_made_up_for() -> None:
    ticks: list[float] = []
    node = Node("a")

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            time.sleep(0.105)  # the callback under test is one that blocks

    timer = node.create_timer(0.01, tick)
    with spinning(node):
        until(lambda: len(ticks) >= 6)
    assert timer.overruns >= 9
    assert ticks[3] - ticks[2] >= 0.105
    # In a burst the ones after it would follow at once.
    assert ticks[5] - ticks[3] > 0.01


def test_a_timer_made_while_spinning_ticks() -> None:
    ticks: list[int] = []
    node = Node("a")

    def first() -> None:
        node.destroy_timer(timer)
        node.create_timer(0.01, lambda: ticks.append(1))

    timer = node.create_timer(0.01, first)
    with spinning(node):
        until(lambda: len(ticks) >= 3)
    assert timer.ticks == 1


def test_timers_and_tasks_begin_from_any_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")  # asyncio refuses calls from another thread
    seen: set[str] = set()
    node = Node("a")
    node.create_timer(0.01, lambda: seen.add("timer"))
    stopped = node.create_timer(0.01, lambda: seen.add("reset"), autostart=False)

    async def work() -> None:
        seen.add("task")

    with spinning(node):
        until(lambda: seen)
        node.create_timer(0.01, lambda: seen.add("another timer"))
        node.create_task(work())
        stopped.reset()
        until(lambda: len(seen) == 4)


def test_a_period_may_be_a_number_of_numpy(graph: Graph) -> None:
    node = graph.add(lambda: Node("n"))
    period: Any = np.float32(0.5)
    assert node.create_timer(period, lambda: None).period_sec == 0.5


def test_a_period_that_is_no_number_is_refused(graph: Graph) -> None:
    node = graph.add(lambda: Node("timed"))
    with pytest.raises(
        TypeError, match="a timer's period is more than 0 s and finite, not '100ms'"
    ):
        node.create_timer("100ms", lambda: None)  # type: ignore[arg-type]


def test_one_that_another_thread_cancels_while_it_ticks_does_not_tick_on() -> None:
    class Steps:
        """Time by steps; the other thread cancels while the next tick is scheduled."""

        def __init__(self) -> None:
            self.now_sec = 0.0
            self.due: list[Callable[[], object]] = []

        def time(self) -> float:
            if timer.ticks == 1:
                timer.cancel()
            return self.now_sec

        def call_at(self, when: float, callback: Callable[[], object]) -> "Steps":
            self.now_sec = when
            self.due.append(callback)
            return self

        def cancel(self) -> None:
            self.due.clear()

    steps = Steps()
    timer = Timer(1.0, lambda: None, lambda call: call(), lambda _: None)
    timer.attach(steps)
    while steps.due and timer.ticks < 10:
        steps.due.pop()()
    assert timer.ticks == 1
