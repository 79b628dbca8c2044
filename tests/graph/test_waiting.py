"""Waiting in a script, in a thread, in somebody's own asyncio program; and where it is refused."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from dsmq_nodes import (
    Node,
    QoSProfile,
    run,
    spin,
    spin_once,
    spin_until_future_complete,
    wait_for_message,
)
from dsmq_nodes.errors import SpinError
from dsmq_nodes.messages import Int64, SetBool
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until

pytestmark = pytest.mark.usefixtures("broker")
LATCHED = QoSProfile(depth=1, durability="transient_local")


def spun(node: Node, result: list[int]) -> list[int]:
    spin_once(node, 0.01)
    return result


class TestSpinOnce:
    def test_it_returns_after_one_callback(self) -> None:
        got: list[int] = []
        with Node("a") as node:
            node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
            publisher = node.create_publisher(Int64, "n", 10)
            for number in range(3):
                publisher.publish(Int64(data=number))
            for number in range(3):
                spin_once(node, timeout_sec=10.0)
                assert got == list(range(number + 1))

    def test_it_returns_when_the_time_is_up(self) -> None:
        with Node("a") as node:
            node.create_timer(3600.0, lambda: None)
            began = time.monotonic()
            spin_once(node, timeout_sec=0.05)
            spin_once(node, timeout_sec=0)
            assert 0.05 <= time.monotonic() - began < PATIENCE_SEC

    def test_a_thread_that_spins_the_node_goes_on_afterwards(self) -> None:
        got: list[int] = []
        node = Node("a")
        node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
        publisher = node.create_publisher(Int64, "n", 10)
        with spinning(node):
            for number in range(3):
                spin_once(node, timeout_sec=0.01)
                publisher.publish(Int64(data=number))
                until(lambda number=number: got == list(range(number + 1)))  # type: ignore[misc]

    def test_timers_go_on_between_the_calls(self) -> None:
        ticks: list[float] = []
        with Node("a") as node:
            timer = node.create_timer(0.05, lambda: ticks.append(time.monotonic()))
            deadline = time.monotonic() + 10
            while len(ticks) < 3 and time.monotonic() < deadline:
                spin_once(node, timeout_sec=0.001)  # each far shorter than the period
            assert timer.ticks == 3

    def test_an_interrupt_before_anything_has_run_leaves_no_coroutine_behind(self) -> None:
        loops: list[asyncio.AbstractEventLoop] = []

        def interrupt() -> None:
            raise KeyboardInterrupt

        with Node("n") as node:
            node.create_timer(0.001, lambda: loops.append(asyncio.get_running_loop()))
            spin_once(node)
            loops[0].call_soon(interrupt)  # runs before the next call's first step
            with pytest.raises(KeyboardInterrupt):
                spin_once(node)
            gc.collect()  # a coroutine that was never awaited says so, and that is an error here
            spin_once(node)

    def test_a_coroutine_goes_on_in_the_next_calls(self) -> None:
        done: list[int] = []

        async def tick() -> None:
            timer.cancel()
            await asyncio.sleep(0.01)
            done.append(1)

        with Node("a") as node:
            timer = node.create_timer(0.01, tick)
            spin_once(node)
            assert not done
            until(lambda: spun(node, done))

    def test_an_exception_is_raised(self) -> None:
        def fail() -> None:
            raise RuntimeError("the motor is hot")

        with Node("a") as node:
            node.create_timer(0.01, fail)
            with pytest.raises(RuntimeError, match="the motor is hot"):
                spin_once(node)

    def test_a_node_can_be_spun_afterwards(self) -> None:
        node = Node("a")
        timer = node.create_timer(0.01, lambda: None)
        spin_once(node)
        with spinning(node):
            until(lambda: timer.ticks > 3)


class TestInACallback:
    @pytest.mark.parametrize(
        ("wait", "instead"),
        [
            (spin_once, r"await asyncio\.sleep"),
            (lambda node: node.create_rate(1.0).sleep(), r"await rate\.sleep_async\(\)"),
            (lambda node: wait_for_message(Int64, node, "n"), "wait_for_message_async"),
            (
                lambda node: node.create_publisher(Int64, "n", 1).wait_for_subscribers(),
                "wait_for_subscribers_async",
            ),
        ],
    )
    def test_waiting_is_refused_and_says_what_to_write(
        self, wait: Callable[[Node], object], instead: str
    ) -> None:
        with Node("a") as node:

            def tick() -> None:
                wait(node)

            node.create_timer(0.01, tick)
            with pytest.raises(SpinError, match=rf"/a: .*{instead}"):
                spin_once(node)

    def test_a_node_is_spun_in_one_place(self) -> None:
        node = Node("a")
        timer = node.create_timer(0.01, lambda: None)
        with spinning(node):
            until(lambda: timer.ticks)
            with pytest.raises(SpinError, match="/a is being spun already"):
                asyncio.run(node.spin_async())
            before = timer.ticks
            until(lambda: timer.ticks > before)


@pytest.mark.usefixtures("broker")
def test_a_loop_may_wait_for_a_node_that_a_thread_spins() -> None:
    """A cell of a notebook awaits what the node gets; nothing else wakes its loop."""
    got: list[object] = []
    node = Node("a")
    publisher = node.create_publisher(Int64, "n", 1)
    client = node.create_client(SetBool, "s")

    async def wait() -> None:
        await client.wait_for_service_async()
        got.append(await node.wait_for_message_async(Int64, "n"))

    with spinning(node):
        waiting = threading.Thread(target=asyncio.run, args=(wait(),), daemon=True)
        waiting.start()
        node.create_service(SetBool, "s", lambda _, response: response)
        until(publisher.get_subscription_count)
        publisher.publish(Int64(data=5))
        waiting.join(PATIENCE_SEC)
    assert got == [Int64(data=5)]


@pytest.mark.usefixtures("broker")
def test_another_library_s_event_loop_is_told() -> None:
    with Node("a") as node, pytest.raises(SpinError, match=r"/a is spun by asyncio.*under trio"):
        node.spin_async().send(None)  # as trio runs a coroutine: no loop of asyncio is there


class TestInANotebook:
    """A cell is run in a loop: what would block it says what to write, and begins nothing."""

    @pytest.mark.parametrize(
        ("call", "instead"),
        [
            (spin, r"write `await node\.spin_async\(\)`"),
            (spin_once, r"await asyncio\.sleep.*while `node\.spin_async\(\)` is a task"),
            (lambda node: node.create_rate(1.0).sleep(), r"await rate\.sleep_async\(\)"),
            (lambda node: wait_for_message(Int64, node, "n"), "await node.wait_for_message_async"),
            (
                lambda node: spin_until_future_complete(
                    node, node.create_client(SetBool, "s").call_async(SetBool.Request())
                ),
                "await future",
            ),
        ],
    )
    def test_it_is_refused_and_the_node_can_be_spun_afterwards(
        self, call: Callable[[Node], object], instead: str
    ) -> None:
        async def cells() -> None:
            node = Node("a")
            timer = node.create_timer(0.01, node.shutdown)
            with pytest.raises(SpinError, match=instead):
                call(node)
            await node.spin_async()
            assert timer.ticks
            node.destroy_node()

        asyncio.run(cells())

    def test_run_makes_no_node(self) -> None:
        made: list[Node] = []
        before = signal.getsignal(signal.SIGINT)

        def make() -> Node:
            made.append(Node("a"))
            return made[0]

        async def cell() -> None:
            with pytest.raises(SpinError, match=r"`node = \.\.\.` and `await node\.spin_async"):
                run(make)

        asyncio.run(cell())
        assert not made
        assert signal.getsignal(signal.SIGINT) is before

    def test_virtual_time_has_a_loop_of_its_own(self, graph: Graph) -> None:
        async def cell() -> None:
            with pytest.raises(SpinError, match="virtual time runs an event loop of its own"):
                graph.run_for(1.0)

        asyncio.run(cell())
        graph.run_for(1.0)


class TestInAScript:
    def test_rate_sleep_keeps_its_rate_and_runs_callbacks(self) -> None:
        got: list[int] = []
        with Node("a") as node:
            node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
            publisher = node.create_publisher(Int64, "n", 10)
            rate = node.create_rate(100.0)
            began = time.monotonic()
            for number in range(20):
                publisher.publish(Int64(data=number))
                rate.sleep()
            assert time.monotonic() - began >= 0.2 - 1e-3
            until(lambda: spun(node, got) and len(got) == 20)
            assert got == list(range(20))

    def test_wait_for_message_in_rclpys_shape(self) -> None:
        with Node("a") as node, Node("sender") as sender:
            publisher = sender.create_publisher(Int64, "map", LATCHED)
            assert wait_for_message(Int64, node, "map", time_to_wait=0.01) == (False, None)
            publisher.publish(Int64(data=7))
            assert wait_for_message(Int64, node, "map", time_to_wait=10) == (True, Int64(data=7))
            assert wait_for_message(Int64, node, "/map") == (True, Int64(data=7))

    def test_wait_for_subscribers_and_their_count(self) -> None:
        with Node("a") as node, Node("sender") as sender:
            publisher = sender.create_publisher(Int64, "n", 10)
            assert publisher.get_subscription_count() == 0
            assert publisher.wait_for_subscribers(1, timeout_sec=0.02) is False
            got: list[int] = []
            subscription = node.create_subscription(Int64, "n", lambda m: got.append(m.data), 1)
            assert publisher.wait_for_subscribers(1, timeout_sec=10.0) is True
            publisher.publish(Int64(data=1))
            spin_once(node, 10.0)
            assert got == [1]
            assert publisher.get_subscription_count() == 1
            node.destroy_subscription(subscription)
            until(lambda: publisher.get_subscription_count() == 0)

    def test_a_node_sees_the_graph(self) -> None:
        with Node("a", namespace="arm") as node, Node("sender") as sender:
            publisher = sender.create_publisher(Int64, "/n", 10)
            # A broker that gets no time of the CPU answers late; the node's view is old till then.
            until(lambda: node.count_publishers("/n") == 1)
            assert node.count_publishers("n") == 0
            subscription = node.create_subscription(Int64, "/n", lambda _: None, 10)
            until(lambda: subscription.get_publisher_count() == 1)
            until(lambda: sender.count_subscribers("n") == 1)
            until(lambda: node.count_subscribers("/n") == 1)
            assert ("/n", ["std_msgs/msg/Int64"]) in node.get_topic_names_and_types()
            assert node.get_fully_qualified_node_names() == ["/arm/a", "/sender"]
            assert node.get_node_names() == ["a", "sender"]
            assert node.get_node_names_and_namespaces() == [("a", "/arm"), ("sender", "/")]
            (end,) = sender.get_subscriptions_info_by_topic("n")
            assert (end.node_name, end.node_namespace, end.pid) == ("a", "/arm", os.getpid())
            (end,) = node.get_publishers_info_by_topic("/n")
            assert (end.node_name, end.node_namespace) == ("sender", "/")
            assert end.topic_type == "std_msgs/msg/Int64"
            assert node.get_publishers_info_by_topic("nothing") == []
            sender.destroy_publisher(publisher)
            until(lambda: subscription.get_publisher_count() == 0)

    def test_from_another_thread_than_the_one_that_spins(self) -> None:
        node, sender = Node("a"), Node("sender")
        publisher = sender.create_publisher(Int64, "n", 10)
        sender.create_timer(0.01, lambda: publisher.publish(Int64(data=1)))
        rate = node.create_rate(50.0)
        with spinning(node, sender):
            assert wait_for_message(Int64, node, "n", time_to_wait=10) == (True, Int64(data=1))
            rate.sleep()

    def test_a_node_that_was_shut_down_waits_no_more(self) -> None:
        with Node("a") as node:
            node.create_timer(0.02, node.shutdown)
            assert wait_for_message(Int64, node, "n", time_to_wait=60) == (False, None)
            spin_once(node)

    def test_a_node_that_was_destroyed_waits_for_nothing(self) -> None:
        node = Node("a")
        publisher = node.create_publisher(Int64, "n", 1)
        client = node.create_client(SetBool, "s")
        node.destroy_node()
        assert publisher.get_subscription_count() == 0
        assert not client.wait_for_service(60.0)
        assert not publisher.wait_for_subscribers()

    def test_publishing_goes_on_without_a_broker_and_without_spinning(
        self, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Node("a") as node:
            publisher = node.create_publisher(Int64, "n", 10)

            def lost() -> bool:
                publisher.publish(Int64())
                return "lost the broker" in caplog.text

            broker.kill()
            until(lost)
            broker.start()

            def found() -> bool:
                publisher.publish(Int64())
                return "the broker is back" in caplog.text

            until(found)
            dropped = publisher.dropped
            publisher.publish(Int64())
            assert publisher.dropped == dropped > 0


class TestInSomebodysAsyncioProgram:
    def test_beside_their_own_tasks(self) -> None:
        async def program() -> list[int]:
            with Node("a") as node, Node("sender") as sender:
                subscription = node.create_subscription(Int64, "n", None, 10)
                publisher = sender.create_publisher(Int64, "n", 10)
                got: list[int] = []
                async with asyncio.TaskGroup() as group:
                    group.create_task(node.spin_async())
                    group.create_task(sender.spin_async())
                    assert await publisher.wait_for_subscribers_async(1, 10.0)
                    for number in range(3):
                        publisher.publish(Int64(data=number))
                    async for msg in subscription:
                        got.append(msg.data)
                        if len(got) == 3:
                            break
                    node.shutdown()
                    sender.shutdown()
                return got

        assert asyncio.run(program()) == [0, 1, 2]

    def test_cancelling_it_leaves_the_node_usable(self) -> None:
        async def program(node: Node) -> None:
            task = asyncio.create_task(node.spin_async())
            before = timer.ticks
            while timer.ticks == before:
                await asyncio.sleep(0.001)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        with Node("a") as node:
            timer = node.create_timer(0.01, lambda: None)
            asyncio.run(program(node))
            asyncio.run(program(node))
            assert timer.ticks >= 2

    def test_an_exception_comes_out_of_spin_async(self) -> None:
        def fail() -> None:
            raise RuntimeError("the motor is hot")

        with Node("a") as node:
            node.create_timer(0.01, fail)
            with pytest.raises(RuntimeError, match="the motor is hot"):
                asyncio.run(node.spin_async())


class TestSafety:
    def test_the_safe_state_is_entered_when_the_broker_is_lost_for_too_long(
        self, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Robot(Node):
            broker_timeout_sec = 0.1
            safe = 0

            def enter_safe_state(self) -> None:
                self.safe += 1

        robot = Robot("robot")
        with spinning(robot):
            broker.kill()
            until(lambda: robot.safe)
            assert "/robot" in caplog.text or "broker has been lost for 0.1 s" in caplog.text
            broker.start()
            until(lambda: "the broker is back" in caplog.text)
            assert robot.safe == 1
            broker.kill()
            until(lambda: robot.safe == 2)
        assert robot.safe == 3

    def test_not_for_a_short_outage(
        self, broker: BrokerProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Robot(Node):
            broker_timeout_sec = 60.0
            safe = 0

            def enter_safe_state(self) -> None:
                self.safe += 1

        robot = Robot("robot")
        with spinning(robot):
            broker.kill()
            broker.start()
            until(lambda: "the broker is back" in caplog.text)
            assert robot.safe == 0

    def test_a_script_that_just_ends_ends_in_the_safe_state(
        self, programs: Callable[[str], Program]
    ) -> None:
        program = programs(
            "from dsmq_nodes import Node\n"
            "class Robot(Node):\n"
            "    def enter_safe_state(self): print('safe')\n"
            "    def on_shutdown(self): print('shutdown')\n"
            "robot = Robot('robot')\n"
            "raise SystemExit('stop')\n"
        )
        assert program.wait() == 1
        assert sorted(program.lines) == ["safe", "shutdown", "stop"]


def test_shutdown_from_a_thread_ends_spinning() -> None:
    node = Node("a")
    thread = threading.Timer(0.05, node.shutdown)
    thread.start()
    asyncio.run(node.spin_async())
    thread.join()
    node.destroy_node()


def test_a_spin_that_begins_while_somebody_waits_takes_over_afterwards() -> None:
    node = Node("a")
    publisher = node.create_publisher(Int64, "n", 10)
    timer = node.create_timer(0.02, lambda: publisher.publish(Int64(data=1)))
    with spinning(node):
        assert wait_for_message(Int64, node, "n", time_to_wait=10)[0]
        before = timer.ticks
        until(lambda: timer.ticks > before + 2)
