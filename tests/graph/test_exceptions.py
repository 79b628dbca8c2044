"""Exceptions of callbacks: whole once, then counted, and told on /dsmq/nodes."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import pytest

from dsmq_nodes import Node, spin_once
from dsmq_nodes.graph.spin import exceptions, shutdown
from dsmq_nodes.messages import Float64
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


class OddError(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize("error", [OddError(), ValueError("\ud800"), ValueError("x" * 100_000)])
def test_an_exception_with_an_odd_text_is_counted_and_published(
    graph: Graph, error: Exception
) -> None:
    class Robot(Node):
        on_exception = "log"

        def __init__(self) -> None:
            super().__init__("robot")
            self.create_timer(0.1, self.tick)

        def tick(self) -> None:
            raise error

    robot = graph.add(Robot)
    told = graph.observe(NodeStatistics, "/dsmq/nodes")
    graph.run_for(2.5)
    last = [each for each in told if each.name == "/robot"][-1]
    assert last.exceptions >= 15
    assert f"Robot.tick: {type(error).__name__}: " in last.last_exception
    assert len(last.last_exception) < 3000
    assert robot.statistics().exceptions >= last.exceptions


@pytest.mark.parametrize("by_message", [True, False])
def test_the_end_of_an_iterator_in_a_callback_ends_the_node(graph: Graph, by_message: bool) -> None:
    """A future refuses a StopIteration, so that the node stood there and was never made safe."""
    ended: list[str] = []

    class Player(Node):
        def __init__(self) -> None:
            super().__init__("player")
            self.waypoints = iter([1.0])
            self.publisher = self.create_publisher(Float64, "x", 1)
            if by_message:
                self.create_subscription(Float64, "x", lambda _: self.step(), 1)
            self.create_timer(0.1, self.tick)

        def tick(self) -> None:
            self.publisher.publish(Float64())
            if not by_message:
                self.step()

        def step(self) -> None:
            next(self.waypoints)

        def enter_safe_state(self) -> None:
            ended.append("safe")

    graph.add(Player)
    with pytest.raises(RuntimeError, match="the callback raised StopIteration"):
        graph.run_for(1.0)
    assert ended == ["safe"]


@pytest.mark.parametrize("has_memory", [True, False])
def test_an_exception_whose_text_fails_ends_the_node_too(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, has_memory: bool
) -> None:
    def tick() -> None:
        raise OddError

    def note(_: object, error: BaseException) -> int:
        raise MemoryError from error

    node = graph.add(lambda: Node("robot"))
    if not has_memory:
        monkeypatch.setattr(node._kit.dispatcher.exceptions, "note", note)
    node.create_timer(0.1, tick)
    with pytest.raises(OddError):
        graph.run_for(1.0)


def test_the_memory_that_an_exception_needs_to_end_the_node_is_reserved(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A future without memory for its callbacks is done all the same: nothing ended the node."""
    node = graph.add(lambda: Node("robot"))

    def tick() -> None:
        loop = node._kit.dispatcher.loop
        assert loop is not None
        call_soon = loop.call_soon

        def call_with_memory(*args: Any, **kwargs: Any) -> Any:
            if shutdown.memory_reserve:
                raise MemoryError
            return call_soon(*args, **kwargs)

        monkeypatch.setattr(loop, "call_soon", call_with_memory)
        raise MemoryError("of the callback")

    node.create_timer(0.1, tick)
    with pytest.raises(MemoryError, match="of the callback"):
        graph.run_for(1.0)


@pytest.mark.usefixtures("broker")
def test_a_node_that_is_spun_again_after_an_exception_has_its_reserve() -> None:
    reserves: list[int] = []

    def tick() -> None:
        reserves.append(len(shutdown.memory_reserve))
        raise ValueError("of the callback")

    with Node("robot") as node:
        node.create_timer(0.01, tick)
        for _ in range(2):
            with pytest.raises(ValueError, match="of the callback"):
                spin_once(node)
    assert reserves == [1, 1]


async def _forgotten(node: Node) -> None:
    task = asyncio.ensure_future(node.spin_async())
    await asyncio.wait({asyncio.create_task(_is_over(node))})
    assert task.done()


async def _awaited(node: Node) -> None:
    with contextlib.suppress(RuntimeError):
        await asyncio.ensure_future(node.spin_async())
    await _is_over(node)


async def _within(node: Node) -> None:
    async def work() -> None:
        with contextlib.suppress(RuntimeError):
            await node.spin_async()

    await asyncio.create_task(work())
    await _is_over(node)


async def _is_over(node: Node) -> None:
    """Long enough for it to be told: what is due first is called first."""
    while not node.statistics().exceptions:
        await asyncio.sleep(0.01)
    for _ in range(3):
        await asyncio.sleep(exceptions._UNAWAITED_SEC)


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("spun", "times"), [(_forgotten, 1), (_awaited, 0), (_within, 0)])
def test_one_that_ends_a_task_which_nothing_awaits_is_told(
    spun: Callable[[Node], Coroutine[Any, Any, None]],
    times: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A notebook keeps the task in a variable: asyncio would tell of it when it is garbage."""
    monkeypatch.setattr(exceptions, "_UNAWAITED_SEC", 0.02)
    node = Proud()
    asyncio.run(spun(node))
    node.destroy_node()
    told = [each for each in caplog.messages if "/clumsy is not spun any longer, and noth" in each]
    assert len(told) == times
    assert all(each.endswith("RuntimeError: number 1") for each in told)
