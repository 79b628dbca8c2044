"""Rate contracts as arithmetic; a real launch is in test_strict_rates.py."""

from dsmq_nodes.launcher.watch.rates import RateWatch
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.dsmq_msgs import CallbackStatistics, NodeStatistics, TimerStatistics


class Telling:
    """A node at 10 Hz that tells its statistics once a second."""

    def __init__(self, watch: RateWatch) -> None:
        self.watch = watch
        self.pid = 1
        self.clock_sec = 1000.0
        self.now_sec = 0.0
        self.ticks = 0
        self.busy = {"on_scan": 0.0, "tick": 0.0}

    def second(self, ticks: int, busy_sec: float = 0.0) -> str | None:
        """Let a second go by with so many ticks, in which `on_scan` was busy."""
        self.clock_sec += 1.0
        self.now_sec += 1.0
        self.ticks += ticks
        self.busy["on_scan"] += busy_sec
        sec, nanosec = divmod(round(self.clock_sec * 1e9), 10**9)
        msg = NodeStatistics(
            stamp=Time(sec=sec, nanosec=nanosec),
            name="/avoider",
            pid=self.pid,
            rate_hz=10.0,
            timers=[TimerStatistics(name="tick", rate_hz=10.0, ticks=self.ticks)],
            callbacks=[
                CallbackStatistics(name=name, busy_sec=each, longest_sec=each / 10)
                for name, each in self.busy.items()
            ],
        )
        return self.watch.take(msg, self.now_sec)


def seconds(node: Telling, count: int, ticks: int, busy_sec: float = 0.0) -> list[str]:
    """What was said in so many seconds."""
    told = [node.second(ticks, busy_sec) for _ in range(count)]
    return [each for each in told if each is not None]


def test_a_rate_that_is_held_is_no_matter() -> None:
    assert seconds(Telling(RateWatch()), 60, 10) == []


def test_a_rate_within_the_tolerance_is_no_matter() -> None:
    node = Telling(RateWatch(tolerance=0.25))
    assert seconds(node, 60, 8) == []


def test_a_missed_rate_is_told_once_with_the_callback_that_took_the_time() -> None:
    node = Telling(RateWatch())
    assert seconds(node, 10, 10) == []
    assert seconds(node, 30, 4, busy_sec=0.8) == [
        "8.8 Hz of 10 Hz: on_scan took 0.80 s of 5.0 s, up to 80 ms at once"
    ]


def test_a_rate_that_is_held_again_and_missed_again_is_told_again() -> None:
    node = Telling(RateWatch())
    told = [*seconds(node, 20, 4, 0.8), *seconds(node, 20, 10), *seconds(node, 20, 4, 0.8)]
    assert len(told) == 2


def test_callbacks_that_take_no_time_are_not_accused() -> None:
    (told,) = seconds(Telling(RateWatch()), 10, 4, busy_sec=0.01)
    assert told == "4.0 Hz of 10 Hz: callbacks took 0.05 s of 5.0 s, the CPU was with others"


def test_a_process_that_stood_still_is_told_as_that() -> None:
    node = Telling(RateWatch())
    assert seconds(node, 10, 10) == []
    node.now_sec += 5.0
    node.clock_sec += 5.0
    (told,) = seconds(node, 3, 10)
    assert told.endswith("it stood still for 6.0 s: its process or the machine was stopped")


def test_a_clock_that_is_set_accuses_nobody() -> None:
    node = Telling(RateWatch())
    assert seconds(node, 10, 10) == []
    node.clock_sec += 3600.0
    assert seconds(node, 10, 10) == []
    node.clock_sec -= 7200.0
    assert seconds(node, 20, 10) == []


def test_a_node_that_was_started_again_begins_anew() -> None:
    node = Telling(RateWatch())
    assert seconds(node, 10, 10) == []
    node.pid, node.ticks = 2, 0
    assert seconds(node, 20, 10) == []


def test_a_node_that_tells_nothing_any_more_is_told_once() -> None:
    watch = RateWatch()
    node = Telling(watch)
    seconds(node, 10, 10)
    assert watch.silent(node.now_sec + 9.0) == []
    assert watch.silent(node.now_sec + 11.0) == [("/avoider", 1, "no statistics for 10 s")]
    assert watch.silent(node.now_sec + 30.0) == []


def test_a_node_without_a_rate_and_one_that_never_told_anything_are_told_too() -> None:
    watch = RateWatch()
    watch.begun("/mute", 7, 1.0)
    watch.begun("/mute", 7, 5.0)  # it is still the same process
    watch.take(NodeStatistics(name="/plain", pid=8), 4.0)
    assert watch.silent(10.0) == []
    assert watch.silent(12.0) == [("/mute", 7, "no statistics for 10 s")]
    assert watch.silent(15.0) == [("/plain", 8, "no statistics for 10 s")]
    assert watch.silent(40.0) == []


def test_nobody_is_judged_by_a_time_in_which_all_stood_still() -> None:
    watch = RateWatch()
    node = Telling(watch)
    watch.begun("/mute", 7, 0.0)

    def second(ticks: int) -> str | None:
        watch.tick(node.now_sec + 1.0)
        return node.second(ticks)

    assert [second(10) for _ in range(8)] == [None] * 8
    node.now_sec += 30.0
    node.clock_sec += 30.0
    watch.tick(node.now_sec)
    assert watch.silent(node.now_sec) == []
    assert [second(10) for _ in range(8)] == [None] * 8
    told = [second(5) for _ in range(8)]
    assert any(told)  # that it is too slow from now on
    assert watch.silent(node.now_sec) == [("/mute", 7, "no statistics for 10 s")]


def test_a_node_without_a_timer_at_its_rate_is_not_judged_and_told_once() -> None:
    watch = RateWatch()
    told = []
    for second in range(20):
        msg = NodeStatistics(name="/a", rate_hz=10.0, stamp=Time(sec=second))
        assert watch.take(msg, float(second)) is None
        told.append(watch.not_measured(msg, float(second)))
    assert [each for each in told if each] == [
        "it declares 10 Hz, and has no timer of that rate: it is not measured"
    ]
