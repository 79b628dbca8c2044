"""Callbacks that are called straight from the wake keep every promise of those that wait."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from dsmq_nodes import Node, Subscription, spin, spin_once
from dsmq_nodes.messages import Int64, String
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.programs import Program
from tests.support.waiting import PATIENCE_SEC, until


@pytest.fixture
def source(broker: BrokerProcess) -> Iterator[Node]:
    with Node("source") as node:
        yield node


@pytest.fixture
def sink(source: Node) -> Iterator[Node]:
    with Node("sink") as node:
        yield node


def send(source: Node, topic: str, numbers: range) -> None:
    publisher = source.create_publisher(Int64, topic, 1000)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    for number in numbers:
        publisher.publish(Int64(data=number))


def test_a_callback_counts_itself_among_the_messages(source: Node, sink: Node) -> None:
    seen: list[tuple[int, int]] = []

    def on_number(msg: Int64) -> None:
        seen.append((msg.data, subscription.messages))

    subscription = sink.create_subscription(Int64, "/n", on_number, 1000)
    with spinning(sink):
        send(source, "/n", range(1, 201))
        until(lambda: len(seen) == 200)
    assert seen == [(number, number) for number in range(1, 201)]
    assert (subscription.dropped, subscription.latency.count) == (0, 200)
    [busy] = [each for each in sink.statistics().callbacks if "on_number" in each.name]
    assert busy.calls == 200


def test_spin_once_calls_one_callback_and_the_others_later(source: Node, sink: Node) -> None:
    seen: list[int] = []
    sink.create_subscription(Int64, "/n", lambda msg: seen.append(msg.data), 1000)
    send(source, "/n", range(1, 6))
    for number in range(1, 6):
        spin_once(sink, timeout_sec=10.0)
        assert seen == [*range(1, number + 1)]


def test_spin_once_costs_the_same_however_often_it_was_called(source: Node, sink: Node) -> None:
    seen: list[int] = []
    sink.create_subscription(Int64, "/n", lambda msg: seen.append(msg.data), 1000)
    send(source, "/n", range(300))
    link, drains = sink._kit.link, 0
    drain = link.drain

    def counted() -> None:
        nonlocal drains
        drains += 1
        drain()

    link.drain = counted  # type: ignore[method-assign]
    for _ in range(300):
        spin_once(sink, timeout_sec=10.0)
    assert seen == [*range(300)]
    assert drains < 300 * 10


def test_a_subscription_that_destroys_itself_gets_nothing_more(source: Node, sink: Node) -> None:
    seen: list[int] = []
    others: list[int] = []

    def on_number(msg: Int64) -> None:
        seen.append(msg.data)
        if msg.data == 3:
            sink.destroy_subscription(subscription)

    subscription = sink.create_subscription(Int64, "/n", on_number, 1000)
    sink.create_subscription(Int64, "/o", lambda msg: others.append(msg.data), 1000)
    send(source, "/n", range(1, 11))
    send(source, "/o", range(1, 11))
    with spinning(sink):
        until(lambda: len(others) == 10)
    assert seen == [1, 2, 3]


def test_an_exception_ends_the_spinning_or_is_logged(source: Node, sink: Node) -> None:
    seen: list[int] = []

    def on_number(msg: Int64) -> None:
        seen.append(msg.data)
        raise ValueError(f"wrong {msg.data}")

    sink.create_subscription(Int64, "/n", on_number, 1000)
    send(source, "/n", range(1, 4))
    with pytest.raises(ValueError, match="wrong 1"):
        spin(sink)
    assert seen == [1]

    class Tolerant(Node):
        on_exception = "log"

    with Tolerant("tolerant") as tolerant:
        tolerant.create_subscription(Int64, "/m", on_number, 1000)
        send(source, "/m", range(10, 13))
        with spinning(tolerant):
            until(lambda: seen[-1] == 12)
        assert tolerant.statistics().exceptions == 3


def test_a_coroutine_keeps_its_order_with_what_came_meanwhile(source: Node, sink: Node) -> None:
    seen: list[int] = []

    def on_number(msg: Int64) -> object:  # a `def` that returns something to await
        seen.append(msg.data)
        return asyncio.sleep(0.002) if msg.data % 7 == 0 else None

    sink.create_subscription(Int64, "/n", on_number, 1000)  # type: ignore[arg-type]
    with spinning(sink):
        send(source, "/n", range(1, 101))
        until(lambda: len(seen) == 100)
    assert seen == [*range(1, 101)]


def test_timers_run_between_slow_callbacks(source: Node, sink: Node) -> None:
    slow: list[int] = []
    others: list[int] = []
    ticks: list[int] = []

    def on_slow(msg: Int64) -> None:
        slow.append(msg.data)
        time.sleep(0.004)

    sink.create_subscription(Int64, "/slow", on_slow, 1000)
    sink.create_subscription(Int64, "/other", lambda _: others.append(len(slow)), 1000)
    sink.create_timer(0.001, lambda: ticks.append(len(slow)))
    send(source, "/slow", range(50))
    send(source, "/other", range(50))
    with spinning(sink):
        until(lambda: len(slow) == len(others) == 50)
    assert len(set(ticks)) > 25  # between the slow ones


def test_subscriptions_that_come_and_go_beside_it_cost_no_message(source: Node, sink: Node) -> None:
    numbers: list[int] = []
    alone = sink.create_subscription(Int64, "/n", lambda msg: numbers.append(msg.data), 100_000)
    begun: list[Subscription[Int64]] = []

    def begin() -> None:
        if begun:
            sink.destroy_subscription(begun[-1])
        begun.append(sink.create_subscription(Int64, "/n", lambda _: None, 100_000))

    publisher = source.create_publisher(Int64, "/n", 100_000)
    with spinning(sink):
        assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
        sink.create_timer(0.002, begin)
        for sent in itertools.count(1):
            publisher.publish(Int64(data=sent))
            until(lambda most=sent - 50: len(numbers) + alone.dropped >= most)  # type: ignore[misc]
            if len(begun) >= 200:
                break
        until(lambda: numbers[-1] == sent)
    assert (alone.dropped, len(numbers)) == (0, sent)


def test_a_second_subscription_beside_it_gets_the_same(source: Node, sink: Node) -> None:
    first: list[int] = []
    second: list[int] = []
    alone = sink.create_subscription(Int64, "/n", lambda msg: first.append(msg.data), 1000)
    with spinning(sink):
        send(source, "/n", range(100))
        until(lambda: len(first) == 100)
        beside: list[Subscription[Int64]] = []

        def begin() -> None:  # in the thread that reads, as a callback of the node
            if not beside:
                on_message = lambda msg: second.append(msg.data)  # noqa: E731
                beside.append(sink.create_subscription(Int64, "/n", on_message, 1000))

        sink.create_timer(0.001, begin)
        sent = 100
        while not second:  # the broker knows of it by now
            send(source, "/n", range(sent, sent + 1))
            sent += 1
        send(source, "/n", range(sent, sent + 100))
        until(lambda: first[-1] == second[-1] == sent + 99)
        sink.destroy_subscription(beside[0])
        send(source, "/n", range(sent + 100, sent + 200))
        until(lambda: first[-1] == sent + 199)
    assert first == sorted(first)
    assert len(first) + alone.dropped == sent + 200
    assert second == [*range(second[0], sent + 100)]


def test_threads_publish_on_one_topic_and_nothing_is_lost(source: Node, sink: Node) -> None:
    seen: list[str] = []
    subscription = sink.create_subscription(String, "/s", lambda msg: seen.append(msg.data), 10_000)
    publisher = source.create_publisher(String, "/s", 10_000)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)

    def publish(who: int) -> None:
        for number in range(500):
            publisher.publish(String(data=f"{who} {number}"))

    threads = [threading.Thread(target=publish, args=(who,)) for who in range(4)]
    with spinning(source, sink):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        until(lambda: len(seen) == 2000)
    assert publisher.messages == 2000
    assert subscription.dropped == publisher.dropped == 0
    for who in range(4):
        own = [int(each.split()[1]) for each in seen if each.startswith(f"{who} ")]
        assert own == [*range(500)]


FORKED = """
import os
from dsmq_nodes import Node
from dsmq_nodes.errors import ForkedError
from dsmq_nodes.messages import Int64

node = Node("parent")
publisher = node.create_publisher(Int64, "/n", 10)
publisher.publish(Int64(data=1))
publisher.publish(Int64(data=2))  # the short way
if (child := os.fork()) == 0:
    try:
        publisher.publish(Int64(data=3))
    except ForkedError as error:
        print("refused", flush=True)
    os._exit(0)
os.waitpid(child, 0)
publisher.publish(Int64(data=4))
print("messages", publisher.messages, flush=True)
node.destroy_node()
"""


def test_a_forked_child_does_not_publish_for_its_parent(
    broker: BrokerProcess, programs: Callable[[str], Program]
) -> None:
    program = programs(FORKED)
    program.wait_for("refused")
    program.wait_for("messages 3")
