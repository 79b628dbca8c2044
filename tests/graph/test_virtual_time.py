"""What depends on time, in virtual time: exact, and done at once."""

import asyncio
import logging
import re
from typing import Any

import pytest

from dsmq_nodes import Message, MessageInfo, Node, QoSProfile, Subscription, Timer
from dsmq_nodes.messages import Duration, Int64
from dsmq_nodes.testing import Graph, VirtualClock

LATCHED = QoSProfile(depth=1, durability="transient_local")


class Stamped(Node):
    """A node that notes when things happen."""

    def __init__(self, name: str = "a") -> None:
        super().__init__(name)
        self.log: list[tuple[float, Any]] = []

    def note(self, what: Any) -> None:
        self.log.append((round(self.now_sec, 6), what))

    @property
    def now_sec(self) -> float:
        return self.get_clock().monotonic_sec()

    def block(self, seconds: float) -> None:
        """As a callback does that calculates for so long."""
        clock = self.get_clock()
        assert isinstance(clock, VirtualClock)
        clock.set_forward(self.now_sec + seconds)


class TestTimers:
    def test_a_slow_callback_skips_ticks_and_stays_on_the_grid(self, graph: Graph) -> None:
        class Slow(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.timer = self.create_timer(0.1, self.tick)

            def tick(self) -> None:
                self.note("tick")
                if len(self.log) == 2:
                    self.block(0.35)

        node = graph.add(Slow)
        graph.run_for(1.0)
        # 0.3 and 0.4 are gone; the one of 0.5 comes as soon as it can, the others when due.
        assert [at for at, _ in node.log] == [0.1, 0.2, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0]
        assert node.timer.overruns == 2
        assert node.timer.ticks == 8

    def test_rclpys_view_of_a_timer(self, graph: Graph) -> None:
        class Two(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.timer = self.create_timer(0.25, lambda: self.note("tick"))
                self.waiting = self.create_timer(0.25, lambda: self.note("late"), autostart=False)

        node = graph.add(Two)
        assert node.timer.timer_period_ns == 250_000_000
        graph.run_for(0.6)
        assert node.timer.time_since_last_call() == pytest.approx(100_000_000)
        assert node.timer.time_until_next_call() == pytest.approx(150_000_000)
        assert node.waiting.is_canceled()
        assert node.waiting.time_until_next_call() is None
        node.waiting.reset()
        graph.run_for(0.3)
        assert node.log == [(0.25, "tick"), (0.5, "tick"), (0.75, "tick"), (0.85, "late")]

    def test_a_coroutine_that_is_still_at_it_is_not_started_again(self, graph: Graph) -> None:
        class Long(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.timer = self.create_timer(0.1, self.tick)

            async def tick(self) -> None:
                self.note("in")
                await asyncio.sleep(0.25)
                self.note("out")

        node = graph.add(Long)
        graph.run_for(0.75)
        assert node.log == [(0.1, "in"), (0.35, "out"), (0.4, "in"), (0.65, "out"), (0.7, "in")]
        assert node.timer.overruns == 4

    def test_cancel_and_reset(self, graph: Graph) -> None:
        class Canceler(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.never = self.create_timer(0.1, lambda: self.note("never"))
                self.never.cancel()
                self.thrice = self.create_timer(0.1, self.tick)

            def tick(self) -> None:
                self.note("tick")
                if len(self.log) == 3:
                    self.thrice.cancel()

        node = graph.add(Canceler)
        graph.run_for(1.0)
        assert node.log == [(0.1, "tick"), (0.2, "tick"), (0.3, "tick")]
        assert node.never.is_canceled()
        assert node.thrice.is_canceled()
        node.never.reset()
        graph.run_for(0.15)
        assert node.log[3:] == [(1.1, "never")]
        assert not node.never.is_canceled()

    def test_reset_in_its_own_callback_starts_over_once(self, graph: Graph) -> None:
        class Resetter(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.timer: Timer = self.create_timer(0.1, self.tick)

            def tick(self) -> None:
                self.note("tick")
                self.block(0.05)
                self.timer.reset()

        node = graph.add(Resetter)
        graph.run_for(0.5)
        assert node.log == [(0.1, "tick"), (0.25, "tick"), (0.4, "tick")]
        assert node.timer.overruns == 0

    @pytest.mark.slow
    def test_hours_without_drift(self, graph: Graph) -> None:
        class Ticker(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.count = 0
                self.create_timer(1 / 3, self.tick)

            def tick(self) -> None:
                self.count += 1

        node = graph.add(Ticker)
        graph.run_for(7200.001)
        assert node.count == 21_600


class Watcher(Stamped):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        qos = options.pop("qos", 10)
        self.subscription: Subscription[Int64] = self.create_subscription(
            Int64, "n", self.on_n, qos, **options
        )

    def on_n(self, msg: Int64) -> None:
        self.note(msg.data)


class TestTimeout:
    @staticmethod
    def watcher(graph: Graph, timeout: float = 0.5) -> Watcher:
        def make() -> Watcher:
            return Watcher(timeout=timeout, on_timeout=lambda: node[0].note("silence"))

        node: list[Watcher] = []
        node.append(graph.add(make))
        return node[0]

    def test_once_a_silence(self, graph: Graph) -> None:
        node = self.watcher(graph)
        for at_sec in (0.4, 0.8, 2.0):
            graph.at(at_sec, lambda: graph.inject("n", Int64()))
        graph.run_for(10.0)
        assert node.log == [(0.4, 0), (0.8, 0), (1.3, "silence"), (2.0, 0), (2.5, "silence")]

    def test_it_counts_from_the_start_of_spinning(self, graph: Graph) -> None:
        node = self.watcher(graph)
        graph.run_for(10.0)
        assert node.log == [(0.5, "silence")]

    def test_what_is_not_valid_is_no_sign_of_life(self) -> None:
        class Text(Message):
            data: str = "many"

        with Graph(on_type_mismatch="warn") as graph:
            node = self.watcher(graph)
            graph.at(0.3, lambda: graph.inject("n", Text()))
            graph.run_for(1.0)
            assert node.log == [(0.5, "silence")]
            assert node.subscription.invalid == 1

    def test_none_after_destroy(self, graph: Graph) -> None:
        node = self.watcher(graph)
        node.destroy_subscription(node.subscription)
        graph.run_for(1.0)
        assert node.log == []


class TestDeadline:
    def test_a_subscription_tells_each_time(self, graph: Graph) -> None:
        def make() -> Watcher:
            return Watcher(
                qos=QoSProfile(depth=1, deadline=0.2), on_deadline=lambda: node[0].note("missed")
            )

        node: list[Watcher] = []
        node.append(graph.add(make))
        graph.at(0.1, lambda: graph.inject("n", Int64(data=1)))
        graph.run_for(0.75)
        assert node[0].log == [(0.1, 1), (0.3, "missed"), (0.5, "missed"), (0.7, "missed")]

    def test_a_publisher_tells_too(self, graph: Graph) -> None:
        class Late(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.publisher = self.create_publisher(
                    Int64,
                    "n",
                    QoSProfile(depth=1, deadline=0.2),
                    on_deadline=lambda: self.note("missed"),
                )
                self.timer = self.create_timer(0.15, self.tick)

            def tick(self) -> None:
                self.publisher.publish(Int64())
                if self.now_sec > 0.5:
                    self.timer.cancel()

        node = graph.add(Late)
        graph.run_for(1.1)
        assert node.log == [(0.8, "missed"), (1.0, "missed")]
        node.destroy_publisher(node.publisher)
        graph.run_for(1.0)
        assert len(node.log) == 2

    def test_without_a_callback_it_is_a_warning(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        graph.add(lambda: Watcher(qos=QoSProfile(depth=1, deadline=Duration(seconds=0.2))))
        graph.run_for(11.0)
        first, more = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert first == "/n: no message within its deadline of 0.2 s"
        assert re.fullmatch(re.escape(first) + ", 5[01] times since the last line", more)

    def test_on_deadline_needs_a_deadline(self, graph: Graph) -> None:
        with pytest.raises(TypeError, match="deadline in the QoSProfile"):
            graph.add(lambda: Watcher(on_deadline=print))


def test_lifespan_skips_what_is_old(graph: Graph) -> None:
    node = graph.add(lambda: Watcher(qos=QoSProfile(depth=10, lifespan=0.1)))
    graph.inject("n", Int64(data=1))
    graph.run_for(0.5)
    graph.faults("n", delay_sec=0.05)
    graph.inject("n", Int64(data=2))
    graph.run_for(0.5)
    graph.faults("n", delay_sec=0.2)
    graph.inject("n", Int64(data=3))
    graph.run_for(0.5)
    assert [what for _, what in node.log] == [1, 2]
    assert (node.subscription.messages, node.subscription.late) == (2, 1)


class TestBlocking:
    def test_a_callback_that_blocks_is_named(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Heavy(Watcher):
            def on_n(self, msg: Int64) -> None:
                self.block(0.9 if msg.data == 0 else 1.5)

        graph.add(Heavy)
        graph.inject("n", Int64(data=0))
        graph.inject("n", Int64(data=1))
        graph.run_for(5.0)
        (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert "Heavy.on_n blocked the node for 1.5 s" in warning

    def test_a_coroutine_too_and_not_when_it_waits(
        self, graph: Graph, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Heavy(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.create_timer(10.0, self.tick)

            async def tick(self) -> None:
                await asyncio.sleep(3.0)
                self.block(2.0)
                await asyncio.sleep(3.0)
                self.note("done")

        node = graph.add(Heavy)
        graph.run_for(19.0)
        assert node.log == [(18.0, "done")]
        (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
        assert "Heavy.tick blocked the node for 2.0 s" in warning


class TestCoroutines:
    def test_async_for(self, graph: Graph) -> None:
        class Reader(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.subscription = self.create_subscription(Int64, "n", None, 10)
                self.create_task(self.read())

            async def read(self) -> None:
                async for msg in self.subscription:
                    self.note(msg.data)
                    await asyncio.sleep(0.5)
                self.note("end")

        node = graph.add(Reader)
        for number in range(3):
            graph.inject("n", Int64(data=number))
        graph.run_for(5.0)
        graph.inject("n", Int64(data=3))
        graph.run_for(5.0)
        node.destroy_subscription(node.subscription)
        graph.run_for(0)
        assert node.log == [(0.0, 0), (0.5, 1), (1.0, 2), (5.0, 3), (10.0, "end")]
        assert node.subscription.messages == 4

    def test_async_for_keeps_the_newest(self, graph: Graph) -> None:
        class Slow(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.subscription = self.create_subscription(Int64, "n", None, 1)
                self.create_task(self.read())

            async def read(self) -> None:
                async for msg in self.subscription:
                    self.note(msg.data)
                    await asyncio.sleep(1.0)

        node = graph.add(Slow)
        for number in range(10):
            graph.at(number * 0.1, lambda number=number: graph.inject("n", Int64(data=number)))  # type: ignore[misc]
        graph.run_for(5.0)
        assert [what for _, what in node.log] == [0, 9]
        assert node.subscription.dropped == 8

    def test_two_readers_share_a_subscription(self, graph: Graph) -> None:
        class Pair(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.subscription = self.create_subscription(Int64, "n", None, 10)
                for _ in range(2):
                    self.create_task(self.read())

            async def read(self) -> None:
                async for msg in self.subscription:
                    self.note(msg.data)
                    await asyncio.sleep(1.0)
                self.note("end")

        node = graph.add(Pair)
        graph.inject("n", Int64(data=0))
        graph.run_for(0.5)
        graph.inject("n", Int64(data=1))  # the first is busy for half a second yet
        graph.run_for(5.0)
        node.destroy_subscription(node.subscription)
        graph.run_for(0)
        assert node.log == [(0.0, 0), (0.5, 1), (5.5, "end"), (5.5, "end")]

    def test_async_for_needs_a_subscription_without_a_callback(self, graph: Graph) -> None:
        node = graph.add(Watcher)
        with pytest.raises(TypeError, match="has a callback"):
            aiter(node.subscription)

    def test_wait_for_message(self, graph: Graph) -> None:
        class Waiter(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.create_task(self.wait())

            async def wait(self) -> None:
                self.note(await self.wait_for_message_async(Int64, "n", timeout_sec=1.0))
                self.note(await self.wait_for_message_async(Int64, "n"))
                self.note(await self.wait_for_message_async(Int64, "map"))
                self.note(await self.wait_for_message_async(Int64, "map"))

        class Map(Node):
            def __init__(self) -> None:
                super().__init__("map")
                self.create_publisher(Int64, "map", LATCHED).publish(Int64(data=7))

        graph.add(Map)
        node = graph.add(Waiter)
        graph.at(3.0, lambda: graph.inject("n", Int64(data=1)))
        graph.run_for(10.0)
        seven = (3.0, Int64(data=7))
        assert node.log == [(1.0, None), (3.0, Int64(data=1)), seven, seven]
        assert not node.statistics().subscriptions

    def test_wait_for_subscribers(self, graph: Graph) -> None:
        class Waiter(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.publisher = self.create_publisher(Int64, "n", 10)
                self.create_task(self.wait())

            async def wait(self) -> None:
                self.note(await self.publisher.wait_for_subscribers_async(1, 1.0))
                self.note(await self.publisher.wait_for_subscribers_async(2))
                self.note(self.publisher.get_subscription_count())

        node = graph.add(Waiter)
        graph.run_for(2.0)
        graph.observe(Int64, "n")
        graph.run_for(1.0)
        graph.add(lambda: Named("b"))
        graph.run_for(1.0)
        assert node.log == [(1.0, False), (3.0, True), (3.0, 2)]

    def test_create_rate(self, graph: Graph) -> None:
        class Looper(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.rate = self.create_rate(10.0)
                self.create_task(self.loop())

            async def loop(self) -> None:
                for number in range(6):
                    await self.rate.sleep_async()
                    self.note(number)
                    if number == 2:
                        self.block(0.25)
                    if number == 3:
                        await asyncio.sleep(0.05)

        node = graph.add(Looper)
        graph.run_for(2.0)
        assert node.log == [(0.1, 0), (0.2, 1), (0.3, 2), (0.6, 3), (0.7, 4), (0.8, 5)]
        assert node.rate.overruns == 2

    def test_a_task_that_raises_ends_the_node(self, graph: Graph) -> None:
        class Failing(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.create_task(self.fail())

            async def fail(self) -> None:
                await asyncio.sleep(1.0)
                raise RuntimeError("lost the way")

        graph.add(Failing)
        with pytest.raises(RuntimeError, match="lost the way"):
            graph.run_for(2.0)
        assert graph.now_sec == 1.0

    def test_a_callback_may_wait_for_others(self, graph: Graph) -> None:
        """What deadlocks elsewhere: an answer is awaited in the callback of a message."""

        class Asker(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.ask = self.create_publisher(Int64, "question", 10)
                self.create_subscription(Int64, "n", self.on_n, 10)

            async def on_n(self, msg: Int64) -> None:
                answer = asyncio.ensure_future(self.wait_for_message_async(Int64, "answer"))
                await asyncio.sleep(0)
                self.ask.publish(msg)
                self.note(await answer)

        class Answerer(Node):
            def __init__(self) -> None:
                super().__init__("answerer")
                self.answer = self.create_publisher(Int64, "answer", 10)
                self.create_subscription(Int64, "question", self.on_question, 10)

            def on_question(self, msg: Int64) -> None:
                self.answer.publish(Int64(data=-msg.data))

        graph.add(Answerer)
        node = graph.add(Asker)
        graph.inject("n", Int64(data=5))
        graph.run_for(1.0)
        assert node.log == [(0.0, Int64(data=-5))]


class TestTheEnd:
    """Nothing more runs once a node has been told to end, however much is due."""

    def test_by_shutdown(self, graph: Graph) -> None:
        class Ending(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.create_timer(0.1, self.tick)
                self.create_timer(0.1, self.tick)
                self.create_subscription(Int64, "n", self.on_n, 10)

            def tick(self) -> None:
                self.note("tick")
                self.block(1.0)
                self.shutdown()

            def on_n(self, msg: Int64) -> None:
                self.note(msg.data)

        node = graph.add(Ending)
        graph.at(0.1, lambda: graph.inject("n", Int64(data=1)))
        graph.run_for(1.0)
        assert [what for _, what in node.log if what == "tick"] == ["tick"]

    def test_by_an_exception(self, graph: Graph) -> None:
        class Failing(Stamped):
            def __init__(self) -> None:
                super().__init__()
                self.create_timer(0.1, self.tick)
                self.create_timer(0.1, self.tick)

            def tick(self) -> None:
                self.note("tick")
                raise RuntimeError("the motor is hot")

        nodes: list[Failing] = []

        def make() -> Failing:
            nodes.append(Failing())
            return nodes[0]

        graph.add(make)
        with pytest.raises(RuntimeError, match="the motor is hot"):
            graph.run_for(1.0)
        assert len(nodes[0].log) == 1


class Named(Node):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.create_subscription(Int64, "n", print, 10)


def test_info_of_a_message(graph: Graph) -> None:
    got: list[MessageInfo] = []

    class Informed(Node):
        def __init__(self) -> None:
            super().__init__("informed")
            self.create_subscription(Int64, "n", self.on_n, 10)

        def on_n(self, msg: Int64, info: MessageInfo) -> None:
            got.append(info)

    graph.add(Informed)
    graph.faults("n", delay_sec=0.25)
    graph.inject("n", Int64())
    graph.run_for(1.0)
    (info,) = got
    assert info.received_timestamp - info.source_timestamp == 250_000_000
    assert (info.topic_name, info.publisher_name, info.message_id) == ("/n", "", 1)


def test_throttled_logs_go_by_the_nodes_clock(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Chatty(Node):
        def __init__(self) -> None:
            super().__init__("chatty")
            self.create_timer(0.1, self.tick)

        def tick(self) -> None:
            self.get_logger().warning("low battery", throttle_duration_sec=10.0)

    graph.add(Chatty)
    graph.run_for(35.0)
    assert caplog.messages == ["low battery"] * 4


def test_a_callback_that_floods_does_not_grow_without_bound(graph: Graph) -> None:
    """A subscriber that is far too slow keeps the newest `depth`, and counts the rest."""

    class Slow(Stamped):
        def __init__(self) -> None:
            super().__init__()
            self.subscription = self.create_subscription(Int64, "n", self.on_n, 5)

        async def on_n(self, msg: Int64) -> None:
            self.note(msg.data)
            await asyncio.sleep(1.0)

    node = graph.add(Slow)

    def flood() -> None:
        for number in range(5000):
            graph.inject("n", Int64(data=number))

    graph.at(0.0, lambda: graph.inject("n", Int64(data=-1)))
    graph.at(0.5, flood)
    graph.run_for(100.0)
    assert [what for _, what in node.log] == [-1, *range(4995, 5000)]
    assert node.subscription.dropped == 4995
