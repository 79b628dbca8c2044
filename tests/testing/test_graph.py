"""A graph in virtual time: nodes, messages, faults, and that every run is the same."""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dsmq_nodes import Node, Parameters, QoSProfile
from dsmq_nodes.errors import (
    ConnectionFailedError,
    InvalidNameError,
    MessageError,
    NodeNameTakenError,
    ParameterError,
    SpinError,
)
from dsmq_nodes.messages import Float64, Header, Int64, SetBool, String
from dsmq_nodes.messages.dsmq_msgs import Graph as GraphMessage
from dsmq_nodes.testing import Graph

LATCHED = QoSProfile(depth=1, durability="transient_local")


class Source(Node):
    class Params(Parameters):
        step: int = 1

    params: Params
    rate_hz = 10.0

    def __init__(self) -> None:
        super().__init__("source")
        self.publisher = self.create_publisher(Int64, "n", 10)
        self.create_timer(self.period_sec, self.tick)
        self.count = 0
        self.log: list[str] = []

    def tick(self) -> None:
        self.publisher.publish(Int64(data=self.count))
        self.count += self.params.step

    def enter_safe_state(self) -> None:
        self.log.append("safe")

    def on_shutdown(self) -> None:
        self.log.append("shutdown")


class Relay(Node):
    """Passes on what it hears, and adds noise from `random`."""

    def __init__(self) -> None:
        super().__init__("relay")
        self.publisher = self.create_publisher(Float64, "out", 10)
        self.create_subscription(Int64, "n", self.on_n, 10)

    def on_n(self, msg: Int64) -> None:
        self.publisher.publish(Float64(data=msg.data + random.random()))


@pytest.mark.slow
def test_time_is_virtual_and_exact(graph: Graph) -> None:
    source = graph.add(Source)
    seen = graph.observe(Int64, "n")
    graph.run_for(600.0)
    assert graph.now_sec == 600.0
    assert [m.data for m in seen] == list(range(6_000))
    assert seen.at_sec == pytest.approx([(n + 1) * 0.1 for n in range(6_000)], abs=1e-6)
    (timer,) = source.statistics().timers
    assert (timer.ticks, timer.overruns) == (6_000, 0)
    assert timer.achieved_hz == pytest.approx(10.0)


def test_stamps_are_virtual_too(graph: Graph) -> None:
    class Stamper(Node):
        def __init__(self) -> None:
            super().__init__("stamper")
            publisher = self.create_publisher(Header, "stamps", 10)
            self.create_timer(0.5, lambda: publisher.publish(self.stamp("base")))

    graph.add(Stamper)
    seen = graph.observe(Header, "/stamps")
    graph.run_for(1.0)
    first, second = (m.stamp.to_nanoseconds() for m in seen)
    assert second - first == 500_000_000


def test_what_a_launch_file_says_is_an_argument(graph: Graph) -> None:
    node = graph.add(
        Source, name="left", namespace="/r", rate_hz=2.0, params={"step": 3}, remap={"n": "/m"}
    )
    seen = graph.observe(Int64, "/m")
    graph.run_for(1.0)
    assert node.name == "/r/left"
    assert [m.data for m in seen] == [0, 3]
    other = graph.add(Source)
    assert other.name == "/source"
    with pytest.raises(ParameterError, match="stop"):
        graph.add(Source, name="wrong", params={"stop": 1})
    with pytest.raises(
        NodeNameTakenError, match="/source' is taken by this process: call destroy_node"
    ):
        graph.add(Source)


def test_inject_and_observe(graph: Graph) -> None:
    graph.add(Relay)
    seen = graph.observe(Float64, "out")
    graph.inject("n", Int64(data=5))
    assert not seen
    graph.run_for(0)
    assert len(seen) == 1
    graph.at(2.0, lambda: graph.inject("n", Int64(data=7)))
    graph.run_for(3.0)
    assert [int(m.data) for m in seen] == [5, 7]
    assert seen.at_sec == [0.0, 2.0]
    with pytest.raises(InvalidNameError):
        graph.inject("no name", Int64())


def test_a_node_that_cannot_be_destroyed_keeps_no_other_from_its_end(graph: Graph) -> None:
    class Stuck(Node):
        def destroy_node(self) -> None:
            raise OSError("stuck")

    class Other(Node):
        def on_shutdown(self, *_: object) -> None:
            ended.append(self.name)

    ended: list[str] = []
    for node in (graph.add(lambda: Stuck("stuck")), graph.add(lambda: Other("other"))):
        node.shutdown()
    with pytest.raises(OSError, match="stuck"):
        graph.run_for(0.0)
    assert ended == ["/other"]


def test_two_observers_and_a_latched_topic(graph: Graph) -> None:
    class Map(Node):
        def __init__(self) -> None:
            super().__init__("map")
            publisher = self.create_publisher(String, "map", replace(LATCHED, depth=2))
            publisher.publish(String(data="walls"))
            publisher.publish(String(data="doors"))

    graph.add(Map)
    first = graph.observe(String, "map")
    graph.run_for(1.0)
    second = graph.observe(String, "map")
    graph.run_for(1.0)
    assert [m.data for m in first] == [m.data for m in second] == ["walls", "doors"]


def test_observing_the_wrong_type_is_an_error(graph: Graph) -> None:
    graph.add(Source)
    graph.observe(String, "n")
    with pytest.raises(MessageError, match="String"):
        graph.run_for(1.0)


def test_what_the_test_itself_calls_may_fail(graph: Graph) -> None:
    def check() -> None:
        raise AssertionError("not yet there")

    graph.at(1.0, check)
    with pytest.raises(AssertionError, match="not yet there"):
        graph.run_for(2.0)
    assert graph.now_sec == 1.0


def test_run_until(graph: Graph) -> None:
    source = graph.add(Source)
    graph.run_until(lambda: source.count == 7)
    assert graph.now_sec == pytest.approx(0.7)
    with pytest.raises(TimeoutError, match="2 s of virtual time"):
        graph.run_until(lambda: False, timeout_sec=2.0)
    assert graph.now_sec == pytest.approx(2.7)


def test_an_exception_in_a_callback_is_raised_and_its_node_ended(graph: Graph) -> None:
    class Fragile(Source):
        def tick(self) -> None:
            if self.count == 3:
                raise RuntimeError("the motor is hot")
            super().tick()

    fragile = graph.add(Fragile)
    other = graph.add(Source, name="other")
    with pytest.raises(RuntimeError, match="the motor is hot"):
        graph.run_for(10.0)
    assert graph.now_sec == pytest.approx(0.4)
    assert fragile.log == ["safe", "shutdown"]
    graph.run_for(1.0)
    assert (fragile.count, other.count) == (3, 14)


def test_an_exception_in_a_constructor_is_raised(graph: Graph) -> None:
    class Broken(Node):
        def __init__(self) -> None:
            super().__init__("broken")
            raise RuntimeError("no motor")

    with pytest.raises(RuntimeError, match="no motor"):
        graph.add(Broken)


def test_nodes_end_properly() -> None:
    with Graph() as graph:
        first = graph.add(Source, name="first")
        second = graph.add(Source, name="second")
        graph.run_for(1.0)
        graph.remove(first)
        assert first.log == ["safe", "shutdown"]
        graph.run_for(1.0)
        assert (first.count, second.count) == (10, 20)
        graph.add(Source, name="first")  # the name is free again
        assert second.log == []
    assert second.log == ["safe", "shutdown"]


class Slow(Node):
    def __init__(self) -> None:
        super().__init__("slow")
        self.create_service(SetBool, "switch", self.on_switch)

    async def on_switch(self, _: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        await asyncio.sleep(60.0)
        return response


class Caller(Node):
    def __init__(self) -> None:
        super().__init__("caller")
        self.switch = self.create_client(SetBool, "switch")
        self.create_timer(0.1, self.call)

    async def call(self) -> None:
        await self.switch.call(SetBool.Request(data=True))


def test_a_graph_that_ends_in_the_middle_of_a_call_is_no_error() -> None:
    with Graph() as graph:
        graph.add(Slow)
        graph.add(Caller)
        graph.run_for(1.0)


def test_a_node_that_shuts_itself_down_is_ended(graph: Graph) -> None:
    class Short(Source):
        def tick(self) -> None:
            super().tick()
            if self.count == 2:
                self.shutdown()

    node = graph.add(Short)
    graph.run_for(5.0)
    assert node.count == 2
    assert node.log == ["safe", "shutdown"]


def run_with(seed: int) -> list[tuple[float, float]]:
    with Graph(seed) as graph:
        graph.add(Source)
        graph.add(Relay)
        graph.faults("n", drop=0.1, duplicate=0.1, reorder=0.1, delay_sec=(0.0, 0.25))
        seen = graph.observe(Float64, "out")
        graph.run_for(60.0)
        return [(at, m.data) for at, m in zip(seen.at_sec, seen, strict=True)]


def test_the_same_seed_is_the_same_run_and_another_is_not() -> None:
    state = random.getstate()
    first = run_with(1)
    assert run_with(1) == first
    assert run_with(2) != first
    assert random.getstate() == state


def test_many_changes_at_once_are_one_graph(graph: Graph) -> None:
    class Many(Node):
        def __init__(self) -> None:
            super().__init__("many")
            for number in range(100):
                self.create_publisher(Float64, f"t{number}", 1)

    told = graph.observe(GraphMessage, "/dsmq/graph")
    graph.add(Many)
    graph.run_for(0.1)
    assert {f"/t{number}" for number in range(100)} <= {each.name for each in told[-1].topics}
    assert len(told) < 10


@pytest.mark.slow
def test_sixty_seconds_of_five_nodes_at_100_hz_take_less_than_that() -> None:
    class Stage(Node):
        def __init__(self, number: int) -> None:
            super().__init__(f"stage{number}")
            self.heard = 0
            self.publisher = self.create_publisher(Float64, f"t{number}", 10)
            self.create_subscription(Float64, f"t{(number - 1) % 5}", self.on_t, 10)
            self.create_timer(0.01, self.tick)

        def tick(self) -> None:
            self.publisher.publish(Float64(data=float(self.heard)))

        def on_t(self, _: Float64) -> None:
            self.heard += 1

    with Graph() as graph:
        stages = [graph.add(lambda number=number: Stage(number)) for number in range(5)]  # type: ignore[misc]
        began = time.process_time()
        graph.run_for(60.0)
        took_sec = time.process_time() - began
    assert [stage.heard for stage in stages] == [6000] * 5
    assert took_sec < 60.0, "virtual time runs faster than time"


class TestFaults:
    def numbers(self, graph: Graph, count: int = 1000) -> list[int]:
        graph.add(Source)
        seen = graph.observe(Int64, "n")
        graph.run_for(count / 10 + 1e-6)
        return [m.data for m in seen]

    def test_none(self, graph: Graph) -> None:
        graph.faults("n", drop=1.0)
        graph.faults("n")
        assert self.numbers(graph) == list(range(1000))

    def test_drop(self, graph: Graph) -> None:
        graph.faults("n", drop=np.float32(0.3))  # type: ignore[arg-type]
        seen = self.numbers(graph)
        assert 600 < len(seen) < 800
        assert seen == sorted(set(seen))

    def test_duplicate(self, graph: Graph) -> None:
        graph.faults("n", duplicate=0.3)
        seen = self.numbers(graph)
        assert sorted(set(seen)) == list(range(1000))
        assert 1200 < len(seen) < 1400

    def test_reorder(self, graph: Graph) -> None:
        graph.faults("n", reorder=0.3)
        seen = self.numbers(graph)
        assert seen != sorted(seen)
        assert sorted(seen) == list(range(len(seen)))
        assert len(seen) >= 995

    def test_what_is_held_back_comes_when_the_faults_are_over(self, graph: Graph) -> None:
        seen = graph.observe(Int64, "n")
        graph.faults("n", reorder=1.0)
        graph.inject("n", Int64(data=1))
        graph.run_for(0.1)
        graph.faults("n")
        graph.inject("n", Int64(data=2))
        graph.run_for(0.1)
        assert [each.data for each in seen] == [2, 1]

    def test_delay(self, graph: Graph) -> None:
        graph.faults("/n", delay_sec=0.25)
        graph.add(Source)
        seen = graph.observe(Int64, "n")
        graph.run_for(1.0)
        assert seen.at_sec == pytest.approx([0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])
        graph.faults("/n", delay_sec=(0.0, 0.05))
        graph.run_for(60.0)
        both = zip(seen.at_sec, seen, strict=True)
        late = [at - 0.1 * (m.data + 1) for at, m in both if m.data >= 10]
        assert all(-1e-6 < each < 0.05 + 1e-6 for each in late)
        assert max(late) - min(late) > 0.03

    @pytest.mark.parametrize(
        "wrong", [{"drop": 1.5}, {"reorder": -0.1}, {"delay_sec": -1.0}, {"delay_sec": (2.0, 1.0)}]
    )
    def test_what_is_no_fault(self, graph: Graph, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            graph.faults("n", **wrong)

    def test_only_their_own_topic(self, graph: Graph) -> None:
        graph.faults("n", drop=1.0)
        graph.add(Source)
        graph.add(Source, name="other", remap={"n": "m"})
        lost, kept = graph.observe(Int64, "n"), graph.observe(Int64, "m")
        graph.run_for(1.0)
        assert (len(lost), len(kept)) == (0, 10)


@pytest.mark.slow
def test_coroutines_sleep_in_virtual_time(graph: Graph) -> None:
    class Sleeper(Node):
        def __init__(self) -> None:
            super().__init__("sleeper")
            self.woke_at: list[float] = []
            self.create_timer(1.0, self.tick)

        async def tick(self) -> None:
            await asyncio.sleep(0.25)
            self.woke_at.append(self.get_clock().monotonic_sec())

    sleeper = graph.add(Sleeper)
    graph.run_for(3600.0)
    assert sleeper.woke_at == pytest.approx([n + 1.25 for n in range(3599)])


def test_a_node_that_outlives_its_graph_ends_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    with Graph() as graph:
        made = Source()  # not by `graph.add`, which would end it with the graph
        graph.run_for(5.0)
    made.destroy_node()
    assert made.log == ["safe", "shutdown"]
    assert not caplog.records


class Beacon(Node):
    def __init__(self) -> None:
        super().__init__("beacon")
        self.light = self.create_publisher(Float64, "light", 1)
        self.create_publisher(Float64, "dark", 1)
        self.create_timer(0.1, lambda: self.light.publish(Float64(data=1.0)))


def test_an_empty_list_of_messages_says_why_it_is_empty() -> None:
    with Graph() as graph:
        graph.add(Beacon)
        wrong, right = graph.observe(Float64, "lihgt"), graph.observe(Float64, "light")
        assert repr(right) == "[] (no time has passed: `graph.run_for(1.0)` lets it pass)"
        graph.run_for(1.0)
        assert repr(wrong) == "[] (nobody publishes /lihgt; did you mean '/light'?)"
        with pytest.raises(IndexError, match=r"out of range; nobody publishes /lihgt; did you"):
            wrong[-1]
        with pytest.raises(IndexError, match=r"out of range$"):
            right[100]
        assert repr(right).startswith("[Float64(")
        silent = graph.observe(Float64, "dark")
        graph.run_for(1.0)
        assert repr(silent) == "[]"
        graph.inject("swich", Float64())
        graph.add(lambda: Node("n")).create_subscription(Float64, "switch", lambda msg: None, 1)
        why = "nobody subscribes /swich, which the test injects; did you mean '/switch'?"
        assert repr(silent) == f"[] ({why})"
    assert repr(silent) == "[]"


def test_what_is_injected_is_a_message() -> None:
    with Graph() as graph, pytest.raises(TypeError, match=r"as Float64\(data=1.0\), not 1.0"):
        graph.inject("light", 1.0)  # type: ignore[arg-type]


def test_a_graph_is_refused_in_a_running_loop_and_changes_nothing() -> None:
    """As in a notebook: later nodes were made in the graph that had failed."""

    async def cell() -> None:
        with pytest.raises(SpinError, match="a graph in virtual time"), Graph() as graph:
            graph.add(Beacon)
        with pytest.raises(ConnectionFailedError):
            Node("lonely", broker=("127.0.0.1", 9))

    asyncio.run(cell())


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda g: g.run_for(-1), "the time that passes is at least 0 s and finite, not -1"),
        (lambda g: g.run_for(float("nan")), "at least 0 s and finite, not nan"),
        (lambda g: g.run_for("1 s"), "at least 0 s and finite, not '1 s'"),
        (lambda g: g.run_until(True), "the condition of run_until.. is a function, not True"),
        (lambda g: g.at(float("nan"), g.close), "the time of at.. is at least 0 s"),
        (lambda g: g.set_wall_clock(float("inf")), "a step of the clock is a number of s"),
        (lambda g: g.observe("String", "x"), "is a subclass of Message, not 'String'"),
        (lambda g: g.remove("source"), "what is removed is a Node, not 'source'"),
        (lambda g: g.faults("x", drop="1"), "drop is a share from 0 to 1, not '1'"),
        (lambda g: g.faults("x", delay_sec=float("inf")), "delay_sec is at least 0 s and finite"),
        (lambda g: Graph(on_type_mismatch="no"), "on_type_mismatch is 'raise' or 'warn', not 'no'"),  # type: ignore[arg-type]
        (lambda g: Graph(start_ns="now"), "start_ns is a number of ns and finite, not 'now'"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_of_a_graph_that_is_not_meant(graph: Graph, mistake: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told):
        mistake(graph)


def test_any_thread_may_publish_when_the_broker_has_its_work_of_each_second() -> None:
    """Publishing raised, and what reads the topic looked for the message again and again."""
    with Graph() as graph, ThreadPoolExecutor(1) as threads:
        publisher = graph.add(Relay).create_publisher(Int64, "/other", 1)
        seen = graph.observe(Int64, "/other")
        for number in range(30):
            graph.run_for(0.35)
            threads.submit(publisher.publish, Int64(data=number)).result()
        graph.run_for(0.1)
        assert [msg.data for msg in seen] == [*range(30)]
