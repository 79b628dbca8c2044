"""Nodes that go by `/clock`: everything is due in simulated time, whatever that does."""

import asyncio
import contextlib
import functools
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmq_nodes import Node, Parameter, Parameters, QoSProfile, Rate
from dsmq_nodes.errors import NodeConfigurationError, ParameterError
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.graph.time.sim_clock import SimClock
from dsmq_nodes.messages import (
    Clock,
    Duration,
    Header,
    Int64,
    TFMessage,
    Time,
    TransformStamped,
)
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.testing import BrokerProcess, Graph
from dsmq_nodes.tf import Buffer, TransformListener
from tests.graph.conftest import spinning
from tests.support.waiting import PATIENCE_SEC, until

EPOCH_SEC = 1_700_000_000
SIM_TIME = {"use_sim_time": True}


def at(sec: float) -> Time:
    return Time.from_nanoseconds(EPOCH_SEC * 10**9 + round(sec * 1e9))


class Robot(Node):
    """Notes when, by its clock, things happen."""

    rate_hz = 10.0

    def __init__(self) -> None:
        super().__init__("robot")
        self.log: list[tuple[float, Any]] = []
        self.timer = self.create_timer(self.period_sec, lambda: self.note("tick"))

    def note(self, what: Any) -> None:
        now_ns = self.get_clock().now_ns()
        self.log.append((round((now_ns - EPOCH_SEC * 10**9) * 1e-9, 6), what))

    def times(self, what: Any = "tick") -> list[float]:
        return [sec for sec, each in self.log if each == what]


def say(graph: Graph, *secs: float) -> None:
    """Publish these times on `/clock`, each a second of the machine's time after the one before."""
    for sec in secs:
        graph.inject("/clock", Clock(clock=at(sec)))
        graph.run_for(1.0)


# The node


def test_it_is_zero_before_the_first_message_and_nothing_is_due(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    graph.run_for(100.0)
    assert robot.get_clock().now() == Time()
    assert robot.stamp("map") == Header(frame_id="map")
    assert robot.log == []
    say(graph, 0.0)
    assert robot.get_clock().now() == at(0.0)
    assert robot.log == []


def test_timers_tick_in_simulated_time(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    say(graph, 0.0, 0.1, 0.2, 0.25, 0.3)
    assert robot.times() == [0.1, 0.2, 0.3]
    assert robot.timer.achieved_hz == pytest.approx(10.0)
    graph.run_for(100.0)  # paused
    assert robot.times() == [0.1, 0.2, 0.3]


def test_a_timer_may_be_faster_than_the_clock(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    say(graph, 0.0, 0.5, 1.0)
    assert robot.times() == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert robot.timer.overruns == 0


def test_a_recording_that_is_played_in_a_loop_does_not_stop_timers(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    say(graph, 0.0, 0.5, 0.95, 0.0, 0.5)
    assert robot.times() == [
        *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        *(0.05, 0.15, 0.25, 0.35, 0.45),
    ]


def test_a_jump_forward_skips_ticks_and_counts_them(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    say(graph, 0.0, 0.1, 3600.03)
    assert len(robot.times()) <= 3
    assert robot.timer.overruns == pytest.approx(36_000, abs=3)
    say(graph, 3600.1)
    assert robot.times()[-1] == 3600.1


def test_rates_and_sleeps_follow(graph: Graph) -> None:
    class Sleeper(Robot):
        def __init__(self) -> None:
            super().__init__()
            self.destroy_timer(self.timer)
            self.rate: Rate = self.create_rate(2.0)
            self.create_task(self.keep_rate())
            self.create_task(self.sleep())

        async def keep_rate(self) -> None:
            while True:
                await self.rate.sleep_async()
                self.note("rate")

        async def sleep(self) -> None:
            clock = self.get_clock()
            await clock.sleep_for(0.25)
            self.note("for 0.25")
            await clock.sleep_for(Duration(nanosec=250_000_000))
            self.note("for another")
            await clock.sleep_until(at(1.25))
            await clock.sleep_until(at(0.0))
            self.note("until 1.25")
            try:
                async with clock.timeout(0.25):
                    await asyncio.sleep(1000.0)
            except TimeoutError:
                self.note("timeout")

    sleeper = graph.add(Sleeper, params=SIM_TIME)
    say(graph, *(step / 4 for step in range(9)))
    assert sleeper.times("rate") == [0.5, 1.0, 1.5, 2.0]
    assert [entry for entry in sleeper.log if entry[1] != "rate"] == [
        (0.25, "for 0.25"),
        (0.5, "for another"),
        (1.25, "until 1.25"),
        (1.5, "timeout"),
    ]


def test_no_time_is_over_at_once_although_the_clock_stands_still(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    clock = robot.get_clock()

    async def wait() -> bool:
        await clock.sleep_for(0.0)
        with contextlib.suppress(TimeoutError):
            async with clock.timeout(0.0):
                await asyncio.sleep(1000.0)
        return True

    waiting = robot.create_task(wait())
    graph.run_for(0.1)
    assert waiting.result()


def test_silence_is_counted_in_simulated_time(graph: Graph) -> None:
    class Watcher(Robot):
        def __init__(self) -> None:
            super().__init__()
            self.create_subscription(
                Int64,
                "n",
                lambda _: None,
                QoSProfile(depth=1, deadline=0.3),
                timeout=0.5,
                on_timeout=lambda: self.note("timeout"),
                on_deadline=lambda: self.note("deadline"),
            )

    watcher = graph.add(Watcher, params=SIM_TIME)
    say(graph, 0.0, 0.2)
    graph.inject("/n", Int64())
    say(graph, 0.4, 0.6)
    graph.run_for(100.0)
    assert watcher.times("timeout") == []
    assert watcher.times("deadline") == [0.5]
    say(graph, 1.0)
    assert watcher.times("timeout") == [0.7]
    assert watcher.times("deadline") == [0.5, 0.8]


def test_real_time_goes_on_for_statistics_and_latency(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    robot.create_subscription(Int64, "n", lambda _: None, QoSProfile(depth=1, lifespan=5.0))
    told = graph.observe(NodeStatistics, "/dsmq/nodes")
    graph.inject("/n", Int64())
    graph.run_for(3.0)
    assert len(told) == 3
    by_topic = {each.topic: each for each in told[-1].subscriptions}
    assert by_topic["/n"].messages == 1
    assert by_topic["/n"].latency_p99_sec < 1.0
    assert told[-1].stamp.sec < EPOCH_SEC


def test_transforms_are_forgotten_when_time_goes_back(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Listener(Robot):
        def __init__(self) -> None:
            super().__init__()
            self.buffer = Buffer()
            TransformListener(self.buffer, self)
            self.create_task(self.wait())

        async def wait(self) -> None:
            try:
                await self.buffer.lookup_transform_async("odom", "mars", Time(), timeout=0.5)
            except Exception:  # noqa: BLE001  which one is another test
                self.note("given up")

    listener = graph.add(Listener, params=SIM_TIME)
    say(graph, 0.0, 10.0, 11.0)
    assert listener.times("given up") == [10.0]
    stamped = TransformStamped(header=Header(stamp=at(10.0), frame_id="odom"), child_frame_id="b")
    graph.inject("/tf", TFMessage(transforms=[stamped]))
    graph.run_for(0.1)
    assert listener.buffer.can_transform("odom", "b", at(10.0))
    say(graph, 1.0)
    assert not listener.buffer.can_transform("odom", "b", Time())
    assert "time has gone back" in caplog.text
    stamped.header.stamp = at(1.0)
    graph.inject("/tf", TFMessage(transforms=[stamped]))
    graph.run_for(0.1)
    assert listener.buffer.can_transform("odom", "b", at(1.0))


# Who asks for it


def test_a_class_may_ask_for_it_and_a_parameter_overrides_it(graph: Graph) -> None:
    class Simulated(Robot):
        use_sim_time = True

    assert graph.add(Simulated, name="a").get_clock().now() == Time()
    real = graph.add(Simulated, name="b", params={"use_sim_time": False})
    assert real.get_clock().now() != Time()
    assert not real.use_sim_time


def test_a_node_may_have_a_parameter_of_this_name_of_its_own(graph: Graph) -> None:
    class Own(Node):
        class Params(Parameters):
            use_sim_time: str = "no"

        def __init__(self) -> None:
            super().__init__("own")

    own = graph.add(Own, params={"use_sim_time": "later"})
    assert not own.use_sim_time
    assert own.params.model_dump() == {"use_sim_time": "later"}


def test_every_node_has_it_as_a_parameter(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    assert robot.has_parameter("use_sim_time")
    assert robot.get_parameter("use_sim_time").value is True
    (same,) = robot.set_parameters([Parameter("use_sim_time", value=True)])
    (other,) = robot.set_parameters([Parameter("use_sim_time", value=False)])
    assert same.successful
    assert (other.successful, other.reason) == (False, "use_sim_time is read-only")


def test_it_is_yes_or_no(graph: Graph) -> None:
    with pytest.raises(ParameterError, match="use_sim_time is true or false, not 'yes'"):
        graph.add(Robot, params={"use_sim_time": "yes"})


@pytest.mark.parametrize(
    ("text", "node", "wanted"),
    [
        ("true", "", True),
        ("1", '{"name": "x"}', True),
        ("False", "", False),
        ("", "", None),
        ("true", '{"use_sim_time": false}', False),
    ],
)
def test_the_environment_asks_for_all_nodes_of_a_process(
    monkeypatch: pytest.MonkeyPatch, text: str, node: str, wanted: bool | None
) -> None:
    monkeypatch.setenv("DSMQ_USE_SIM_TIME", text)
    monkeypatch.setenv("DSMQ_NODE", node)
    assert NodeEnvironment.take().use_sim_time is wanted
    assert NodeEnvironment.take().use_sim_time is wanted


def test_the_environment_says_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSMQ_USE_SIM_TIME", "perhaps")
    with pytest.raises(NodeConfigurationError, match="'perhaps': say true or false"):
        NodeEnvironment.load()


def test_over_a_real_broker(broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    with Node("world") as world:
        publisher = world.create_publisher(Clock, "/clock", 1)
        monkeypatch.setenv("DSMQ_USE_SIM_TIME", "1")
        robot = Robot()

        def has_come(now: Time) -> bool:
            return robot.get_clock().now() == now

        with spinning(robot):
            assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
            for step in range(11):
                now = at(step / 10)
                publisher.publish(Clock(clock=now))
                until(functools.partial(has_come, now), "for the clock")
        assert robot.times() == [step / 10 for step in range(1, 11)]


# The clock


@given(
    st.lists(st.integers(0, 100_000), min_size=1, max_size=20),
    st.lists(st.integers(0, 100_000)),
)
def test_nothing_is_lost_and_nothing_comes_early(heard_ms: list[int], due_ms: list[int]) -> None:
    clock = SimClock(lambda callback: callback())
    called: list[tuple[int, float]] = []
    for when in due_ms:
        clock.call_at(when / 1000, lambda when=when: called.append((when, clock.time())))  # type: ignore[misc]
    for ms in heard_ms:
        before_sec = clock.time()
        clock.set(at(ms / 1000))
        assert clock.now() == at(ms / 1000)
        assert clock.time() >= before_sec
    passed_ms = sum(max(0, after - before) for before, after in itertools.pairwise(heard_ms))
    assert clock.time() == pytest.approx(passed_ms / 1000)
    assert [when for when, _ in called] == sorted(when for when in due_ms if when <= passed_ms)
    assert all(now_sec >= when / 1000 - 1e-9 for when, now_sec in called)


def test_a_cancelled_call_is_not_made() -> None:
    clock = SimClock(lambda callback: callback())
    clock.call_at(0.5, lambda: pytest.fail("was cancelled")).cancel()
    clock.set(at(0.0))
    clock.set(at(0.9))


def test_what_was_cancelled_is_not_kept_until_its_time(graph: Graph) -> None:
    robot = graph.add(Robot, params=SIM_TIME)
    say(graph, 0.0)
    clock = robot.get_clock()

    async def waiting() -> None:
        for wait in (clock.sleep_for(3600.0), clock.sleep_until(at(3600.0))):
            task = asyncio.ensure_future(wait)
            await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    for _ in range(50):
        robot.create_task(waiting())
        graph.run_for(0.1)
        robot.destroy_timer(robot.create_timer(3600.0, lambda: None))
    assert isinstance(clock, SimClock)
    assert len(clock._calls) < 10
    assert len(clock._awaited) < 10
    say(graph, 1.0, 2.0)
    assert len(robot.times()) == 20
