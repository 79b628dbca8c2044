"""The aggregator and the updater, in virtual time; and the launcher's aggregator."""

import pytest

from dsmq_nodes import Node
from dsmq_nodes.diagnostics import (
    DiagnosticAggregator,
    DiagnosticStatusWrapper,
    DiagnosticUpdater,
)
from dsmq_nodes.messages import DiagnosticArray, DiagnosticStatus, Int64
from dsmq_nodes.testing import Graph, VirtualClock


class Aggregator(Node):
    def __init__(self) -> None:
        super().__init__("aggregator")
        DiagnosticAggregator(self)


class Worker(Node):
    """Ticks at 10 Hz; when it is slow, every other tick takes 0.35 s."""

    rate_hz = 10.0
    is_slow = False

    def __init__(self) -> None:
        super().__init__("worker")
        self.timer = self.create_timer(self.period_sec, self.tick)
        self.create_subscription(Int64, "n", lambda _: None, 1)

    def tick(self) -> None:
        clock = self.get_clock()
        assert isinstance(clock, VirtualClock)
        if self.is_slow and self.timer.ticks % 2:
            clock.set_forward(clock.monotonic_sec() + 0.35)


def of_worker(array: DiagnosticArray) -> tuple[int, str]:
    return next((each.level, each.message) for each in array.status if each.name == "/worker")


def test_it_is_told_how_nodes_are(graph: Graph) -> None:
    graph.add(Aggregator)
    worker = graph.add(Worker)
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(5.0)
    assert of_worker(told[-1]) == (DiagnosticStatus.OK, "ok")
    assert told[-1].header.stamp.sec > 0
    worker.is_slow = True
    graph.run_for(1.5)
    for number in range(5):
        graph.inject("/n", Int64(data=number))
    graph.run_for(1.5)
    levels, texts = zip(*[of_worker(each) for each in told[-2:]], strict=True)
    assert min(levels) >= DiagnosticStatus.WARN
    assert all("timer tick runs at" in text and "skipped" in text for text in texts)
    assert any("too slow for /n: 4 messages lost" in text for text in texts)


def test_nothing_is_published_while_nobody_listens(graph: Graph) -> None:
    aggregator = graph.add(Aggregator)
    graph.add(Worker)
    graph.run_for(10.0)
    (publisher,) = aggregator.statistics().publishers
    assert (publisher.topic, publisher.messages) == ("/diagnostics", 0)
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(3.5)
    assert 2 <= len(told) <= 4


def test_a_node_that_has_gone_is_stale(graph: Graph) -> None:
    graph.add(Aggregator)
    worker = graph.add(Worker)
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(3.0)
    graph.remove(worker)
    graph.run_for(5.0)
    assert of_worker(told[-1])[0] == DiagnosticStatus.STALE


class Arm(Node):
    on_exception = "raise"

    def __init__(self) -> None:
        super().__init__("arm")
        self.temperature_deg = 20.0
        self.updater = DiagnosticUpdater(self)
        self.updater.hardware_id = "serial 7"
        self.updater.add("motor", self.check_motor)
        self.updater.add("gripper", lambda stat: 1 / 0)
        self.updater.add("forgotten", lambda stat: None)

    def check_motor(self, stat: DiagnosticStatusWrapper) -> None:
        level = DiagnosticStatus.OK if self.temperature_deg < 60 else DiagnosticStatus.WARN
        stat.summary(level, f"{self.temperature_deg:.0f} degrees")
        stat.add("temperature_deg", self.temperature_deg)


def test_a_node_tells_how_its_parts_are(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    arm = graph.add(Arm)
    told = graph.observe(DiagnosticArray, "/diagnostics")
    graph.run_for(1.0)
    arm.temperature_deg = 70.0
    graph.run_for(1.0)
    assert [[(s.name, s.level, s.message) for s in array.status] for array in told] == [
        [
            ("arm: motor", 0, "20 degrees"),
            ("arm: gripper", 2, "ZeroDivisionError: division by zero"),
            ("arm: forgotten", 2, "no summary was given"),
        ],
        [
            ("arm: motor", 1, "70 degrees"),
            ("arm: gripper", 2, "ZeroDivisionError: division by zero"),
            ("arm: forgotten", 2, "no summary was given"),
        ],
    ]
    motor = told[0].status[0]
    assert motor.hardware_id == "serial 7"
    assert [(each.key, each.value) for each in motor.values] == [("temperature_deg", "20.0")]
    assert "ZeroDivisionError" in caplog.text
    with pytest.raises(ValueError, match="/arm has a part 'motor' already"):
        arm.updater.add("motor", arm.check_motor)
