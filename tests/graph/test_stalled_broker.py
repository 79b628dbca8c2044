"""The broker is there, but stopped, or slow: nodes go on, and nobody waits for it without end."""

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dsmq_nodes import Actuator, Message, Node, Publisher, QoSProfile
from dsmq_nodes.errors import ConnectionFailedError
from dsmq_nodes.graph.links import broker_link, heartbeat
from dsmq_nodes.messages import Int64, String, Trigger
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.processes import suspend
from tests.support.waiting import PATIENCE_SEC, until

LATCHED = QoSProfile(depth=1, durability="transient_local")
LARGE = String(data="x" * 300_000)


@contextlib.contextmanager
def stopped(broker: BrokerProcess) -> Iterator[None]:
    """Stop it meanwhile, as Ctrl-Z or a frozen container does."""
    suspend(broker.pid)
    try:
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch, broker: BrokerProcess) -> BrokerProcess:
    """A broker whose nodes share no memory."""
    monkeypatch.setenv("DSMQ_NO_SHM", "1")
    return broker


def publish(publisher: Publisher[Any], msg: Message) -> bool:
    """Publish; true, so that it can be part of a condition."""
    publisher.publish(msg)
    return True


def publish_many(publisher: Publisher[String], count: int) -> None:
    for _ in range(count):
        publisher.publish(LARGE)


def drop(publisher: Publisher[String], count: int) -> None:
    """Publish until so many more were dropped."""
    wanted = publisher.dropped + count
    until(lambda: publish(publisher, LARGE) and publisher.dropped >= wanted)


def test_a_node_drops_without_waiting_and_goes_on_when_the_broker_does(
    unshared: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    node, got = Node("a"), list[int]()
    node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
    numbers = node.create_publisher(Int64, "n", 10)
    large = node.create_publisher(String, "large", 10)
    flood = node.create_timer(0.001, lambda: publish_many(large, 20))
    with spinning(node):
        until(lambda: large.messages > 20)
        with stopped(unshared):
            until(lambda: large.dropped > 1000)  # 0.1 s each would be 100 s
            flood.cancel()
        until(lambda: "the broker keeps up again" in caplog.text)
        until(lambda: publish(numbers, Int64(data=1)) and got)
        (told,) = [p for p in node.statistics().publishers if p.topic == "/large"]
    assert told.dropped == large.dropped or told.dropped > 1000
    assert caplog.text.count("does not keep up: messages are dropped") >= 1
    assert "lost the broker" not in caplog.text


def test_threads_and_programs_that_only_publish_wait_for_it_once(unshared: BrokerProcess) -> None:
    node = Node("a")
    publisher = node.create_publisher(String, "large", 10)
    with node, stopped(unshared):
        drop(publisher, 500)
        with spinning(node):
            threads = [threading.Thread(target=drop, args=(publisher, 500)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()


def test_a_flood_of_a_program_that_only_publishes_keeps_to_the_brokers_pace(
    unshared: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine the broker may get no time of the CPU for longer than that takes to run out.
    monkeypatch.setattr("dsmq_nodes.graph.links.stream._PATIENCE_SEC", PATIENCE_SEC)
    with Node("a") as node:
        publisher = node.create_publisher(String, "large", 10)
        for _ in range(100):
            publisher.publish(LARGE)
        assert (publisher.messages, publisher.dropped) == (100, 0)


def test_the_newest_of_a_latched_topic_comes_once_there_is_room(unshared: BrokerProcess) -> None:
    sender, reader, got = Node("sender"), Node("reader"), list[int]()
    reader.create_subscription(Int64, "stop", lambda m: got.append(m.data), LATCHED)
    stop = sender.create_publisher(Int64, "stop", LATCHED)
    large = sender.create_publisher(String, "large", 10)
    with spinning(sender, reader):
        stop.publish(Int64(data=0))
        until(lambda: got == [0])
        with stopped(unshared):
            drop(large, 1)
            for _ in range(20):
                large.publish(String(data="x" * 30_000))  # there is no room for anything
            for number in range(1, 1001):
                stop.publish(Int64(data=number))
        until(lambda: got[-1] == 1000)
        late = Node("late")
        found: list[int] = []
        late.create_subscription(Int64, "stop", lambda m: found.append(m.data), LATCHED)
        with spinning(late):
            until(lambda: found == [1000])
    assert got == sorted(set(got))


def test_what_is_made_in_a_callback_meanwhile_is_made_without_its_answer(
    broker: BrokerProcess,
) -> None:
    node, got = Node("a"), list[int]()
    made: list[Publisher[Int64]] = []

    def make() -> None:
        if len(made) == 60 or not begin.is_set():
            return
        for _ in range(6):
            name = f"n{len(made)}"
            made.append(node.create_publisher(Int64, name, 10))
            node.create_subscription(Int64, name, lambda m: got.append(m.data), 10)
            node.create_client(Trigger, f"{name}_service").call_async(Trigger.Request())
            made[-1].publish(Int64(data=len(made)))
            node.get_logger().info("made one more")

    begin = threading.Event()
    timer = node.create_timer(0.01, make)
    with spinning(node):
        until(lambda: timer.ticks)
        with stopped(broker):
            begin.set()
            until(lambda: len(made) == 60)
        until(lambda: publish(made[-1], Int64(data=-1)) and -1 in got)


def test_a_node_that_ends_meanwhile_is_safe_first_and_does_not_wait_long(
    broker: BrokerProcess,
) -> None:
    class Mover(Node):
        def enter_safe_state(self) -> None:
            ends.append("safe")

    ends: list[str] = []
    node = Mover("mover")
    publisher = node.create_publisher(String, "large", 10)
    spun = threading.Event()
    node.create_timer(0.01, spun.set)
    with stopped(broker):
        with spinning(node):
            until(spun.is_set)
            for _ in range(40):
                publisher.publish(LARGE)
        ends.append("ended")
    assert ends == ["safe", "ended"]


def test_a_node_waits_for_the_answer_of_a_broker_as_long_as_it_is_told(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stopped(broker):
        monkeypatch.setenv("DSMQ_PATIENCE_SEC", "0.1")
        with pytest.raises(ConnectionFailedError, match="accepts connections but does not answer"):
            Node("hurried")
        monkeypatch.setenv("DSMQ_PATIENCE_SEC", "3600")
        threading.Timer(0.3, os.kill, (broker.pid, signal.SIGCONT)).start()
        node = Node("patient")
    node.destroy_node()


def test_a_launched_node_connects_again_while_a_network_is_away(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It waited in one try, for up to a minute after the network was back."""
    monkeypatch.setenv("DSMQ_PATIENCE_SEC", "3600")
    monkeypatch.setattr(broker_link, "_CONNECT_AGAIN_SEC", 0.1)
    caplog.set_level(logging.DEBUG, "dsmq_nodes.link")
    node = Node("far", broker=broker.address)
    with contextlib.ExitStack() as stack:
        broker.kill()
        # where a request to connect gets no answer, since as many wait there as may
        silent = stack.enter_context(socket.create_server(broker.address, backlog=0))
        stack.enter_context(socket.create_connection(silent.getsockname()))
        stack.enter_context(spinning(node))
        until(lambda: caplog.text.count("(timed out)") > 1, "a second try")


def test_a_broker_that_no_longer_answers_is_lost_and_back_in_the_same_connection(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Mover(Node):
        broker_timeout_sec = 0.01

        def enter_safe_state(self) -> None:
            stops.append(1)

    monkeypatch.setattr(heartbeat, "EVERY_SEC", 0.2)
    mover, got, stops = Mover("mover"), list[int](), list[int]()
    mover.create_subscription(Int64, "n", lambda m: got.append(m.data), 100)
    numbers = mover.create_publisher(Int64, "n", 100)
    with spinning(mover):
        until(lambda: publish(numbers, Int64(data=0)) and got)
        with stopped(broker):
            until(lambda: stops)
            assert "has not answered for" in caplog.text
            numbers.publish(Int64(data=1))
        until(lambda: "answers again after" in caplog.text)
        until(lambda: 1 in got)
        assert mover.count_publishers("/n") == 1, "what was known stays known"
        with stopped(broker):
            until(lambda: len(stops) == 2)
    assert "lost the broker" not in caplog.text
    assert numbers.dropped == 0


def test_a_node_that_is_blocked_itself_does_not_lose_its_broker(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_SEC", 0.05)
    node = Node("blocked")
    timer = node.create_timer(0.01, lambda: time.sleep(0.3))
    with spinning(node):
        until(lambda: timer.ticks > 5)
    assert "has not answered" not in caplog.text


class Motor(Node):
    """Keeps what it was told; None: it is safe."""

    def __init__(self) -> None:
        super().__init__("motor")
        self.obeyed: list[int | None] = []
        self.commands = Actuator(
            self, Int64, "speed", lambda msg: self.obeyed.append(msg.data), timeout=None
        )

    def enter_safe_state(self) -> None:
        self.obeyed.append(None)


@pytest.mark.parametrize("memory", ["shm"], indirect=True)
def test_no_command_is_obeyed_while_the_broker_is_lost(broker: BrokerProcess) -> None:
    """By shared memory they come all the same; but an emergency stop may not."""
    motor, pilot = Motor(), Node("pilot")
    speed = pilot.create_publisher(Int64, "speed", 1)
    with spinning(motor, pilot):
        until(lambda: publish(speed, Int64(data=1)) and motor.obeyed)
        with stopped(broker):
            until(lambda: motor.obeyed[-1] is None)
            refused = motor.commands.refused
            until(lambda: publish(speed, Int64(data=2)) and motor.commands.refused > refused + 10)
            assert motor.obeyed[-1] is None
        until(lambda: publish(speed, Int64(data=3)) and motor.obeyed[-1] == 3)


@pytest.mark.parametrize("shared", [False, True])
def test_a_node_that_only_publishes_reads_what_the_broker_refuses(
    shared: bool, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """The broker stops reading from a peer that does not read its answers."""
    if not shared:
        monkeypatch.setenv("DSMQ_NO_SHM", "1")
    node, reader = Node("only_publishes", broker=broker.address), Node("r", broker=broker.address)
    good, heard, commands = node.create_publisher(String, "good", 10), [], []
    reader.create_subscription(String, "good", lambda msg: heard.append(msg.data), 1000)
    node.create_subscription(String, "command", lambda msg: commands.append(msg.data), 10)
    node.confirm_subscriptions()
    reader.create_publisher(String, "command", 1).publish(String(data="go"))
    refused = node._kit.link.advertise("/dsmq/graph", "std_msgs/msg/String", 0)
    for _ in range(10_000):
        node._kit.link.publish(refused, '"x"')
    with spinning(reader):
        until(lambda: publish(good, String(data="x")) and heard)
    assert caplog.text.count("the broker refused put") == 1
    with spinning(node):
        until(lambda: commands)  # what came meanwhile has waited for its callback
    node.destroy_node()
    reader.destroy_node()


def test_a_confirmed_subscription_misses_nothing_over_a_socket(unshared: BrokerProcess) -> None:
    reader, writer = Node("reader"), Node("writer")
    heard: list[int] = []
    for number in range(20):
        topic = f"numbers{number}"
        reader.create_subscription(Int64, topic, lambda msg: heard.append(msg.data), 10)
        publisher = writer.create_publisher(Int64, topic, 10)
        reader.confirm_subscriptions()
        publisher.publish(Int64(data=number))
    with spinning(reader, writer):
        until(lambda: len(heard) == 20)
    reader.destroy_node()
    writer.destroy_node()
