"""What counters mean."""

from typing import Any

import pytest

from dsmq_nodes.diagnostics import Judge
from dsmq_nodes.messages import DiagnosticStatus, Time
from dsmq_nodes.messages.dsmq_msgs import (
    NodeStatistics,
    PublisherStatistics,
    SubscriptionStatistics,
    TimerStatistics,
)

OK, WARN, ERROR, STALE = range(4)


def told(sec: int, pid: int = 1, **counters: Any) -> NodeStatistics:
    """What a node that declares 10 Hz tells at a second of its life."""
    given: dict[str, Any] = {
        "ticks": 10 * sec,
        "overruns": 0,
        "sent": 0,
        "got": 0,
        "invalid": 0,
        "raised": 0,
        "to": "/in",
    } | counters
    return NodeStatistics(
        name="/robot/driver",
        stamp=Time(sec=sec),
        pid=pid,
        rate_hz=10.0,
        exceptions=given["raised"],
        last_exception="D.tick: ValueError: no",
        timers=[
            TimerStatistics(
                name="tick",
                rate_hz=10.0,
                ticks=given["ticks"],
                overruns=given["overruns"],
                achieved_hz=9.5,
            ),
            TimerStatistics(name="slow", rate_hz=0.5, ticks=0),
        ],
        publishers=[PublisherStatistics(topic="/out", messages=7, dropped=given["sent"])],
        subscriptions=[
            SubscriptionStatistics(topic="/in", type="std_msgs/msg/Bool", latency_p99_sec=0.002),
            SubscriptionStatistics(
                topic=given["to"],
                type="std_msgs/msg/Bool",
                dropped=given["got"],
                invalid=given["invalid"],
            ),
        ],
    )


def judged(*messages: NodeStatistics, now_sec: float | None = None) -> DiagnosticStatus:
    judge = Judge()
    for message in messages:
        judge.heard(message, float(message.stamp.sec))
    (status,) = judge.statuses(float(messages[-1].stamp.sec) if now_sec is None else now_sec)
    return status


@pytest.mark.parametrize(
    ("counters", "level", "text"),
    [
        ({}, OK, "ok"),
        ({"ticks": 19}, OK, "ok"),
        ({"ticks": 18}, WARN, "timer tick runs at 8.0 Hz, not 10 Hz"),
        ({"ticks": 15}, WARN, "timer tick runs at 5.0 Hz, not 10 Hz"),
        ({"ticks": 14}, ERROR, "timer tick runs at 4.0 Hz, not 10 Hz"),
        ({"overruns": 1}, WARN, "timer tick skipped 1 tick"),
        ({"sent": 2}, WARN, "2 messages on /out could not be sent"),
        ({"got": 3}, WARN, "too slow for /in: 3 messages lost"),
        ({"got": 3, "to": "/clock"}, OK, "ok"),  # its newest message is all that counts
        ({"raised": 2}, ERROR, "2 exceptions, last D.tick: ValueError: no"),
        ({"invalid": 1}, ERROR, "1 message on /in not of type std_msgs/msg/Bool"),
        (
            {"ticks": 10, "got": 1},
            ERROR,
            "timer tick runs at 0.0 Hz, not 10 Hz; too slow for /in: 1 message lost",
        ),
    ],
)
def test_what_happened_in_the_last_second(counters: Any, level: int, text: str) -> None:
    first = told(1, to=counters.get("to", "/in"))
    status = judged(first, told(2, **counters))
    assert (status.level, status.message) == (level, text)
    later = judged(first, told(2, **counters), told(3, **{**counters, "ticks": 30}))
    if "ticks" not in counters:
        assert (later.level, later.message) == (OK, "ok")


def test_values_are_since_the_start() -> None:
    status = judged(told(1, overruns=4, sent=1, got=2, invalid=3))
    assert (status.level, status.name) == (OK, "/robot/driver")
    assert {each.key: each.value for each in status.values} == {
        "rate_hz": "10",
        "achieved_hz": "9.50",
        "overruns": "4",
        "published": "7",
        "received": "0",
        "dropped": "3",
        "exceptions": "0",
        "invalid": "3",
        "latency_p99_ms": "2.00",
        "pid": "1",
    }


def test_a_node_that_was_started_again_is_a_new_one() -> None:
    assert judged(told(10, got=50), told(11, pid=2, ticks=0)).level == OK


def test_a_node_that_was_made_again_in_its_process_is_a_new_one() -> None:
    assert judged(told(10, got=50, raised=5), told(11, ticks=3)).message == "ok"
    assert judged(told(10, raised=5), told(11)).message == "ok"


def test_a_node_that_tells_nothing_is_stale_and_then_forgotten() -> None:
    status = judged(told(1), told(2), now_sec=7.0)
    assert (status.level, status.message) == (STALE, "no statistics for 5 s")
    judge = Judge()
    judge.heard(told(1), 1.0)
    assert judge.statuses(62.0) == []


def test_nodes_that_come_and_go_are_forgotten_though_nobody_reads_diagnostics() -> None:
    judge = Judge()
    for sec in range(1, 1001):
        statistics = told(sec)
        statistics.name = f"/short_lived_{sec}"
        judge.heard(statistics, float(sec))
        judge.heard(told(sec), float(sec))
    assert len(judge._reports) < 70
    assert "/robot/driver" in judge._reports


@pytest.mark.parametrize("stamps", [(2**31 - 1, 2**31 - 1), (5000, 1400), (100, 5000)])
def test_a_clock_that_stands_or_is_set_hides_no_slow_timer(stamps: tuple[int, int]) -> None:
    judge = Judge()
    for sec, stamp, ticks in ((1.0, stamps[0], 10), (2.0, stamps[1], 12)):
        statistics = told(1, ticks=ticks)
        statistics.stamp = Time(sec=stamp)
        judge.heard(statistics, sec)
    (status,) = judge.statuses(2.0)
    assert "timer tick runs at 2.0 Hz, not 10 Hz" in status.message
