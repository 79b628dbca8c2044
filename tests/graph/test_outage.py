"""The broker is killed and comes back: nodes go on, tell, and take up where they were."""

import contextlib
import logging
import re
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from dsmq_nodes import Node, Publisher, QoSProfile
from dsmq_nodes.messages import Int64
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.waiting import PATIENCE_SEC, until

LATCHED = QoSProfile(depth=1, durability="transient_local")


class Tunnel:
    """Between nodes and their broker; it can swallow what nodes say, and be cut."""

    def __init__(self, broker: BrokerProcess) -> None:
        self.swallows = False
        self._broker = broker
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._server.getsockname()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut: list[tuple[socket.socket, socket.socket]] = []
        self._ends = False
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ends:
            both = [each for pair in self._pairs for each in pair]
            for ready in select.select([self._server, *both], [], [], 0.01)[0]:
                if ready is self._server:
                    theirs = socket.create_connection(self._broker.address)
                    self._pairs.append((self._server.accept()[0], theirs))
                else:
                    with contextlib.suppress(OSError):
                        self._pass_on(ready)

    def _pass_on(self, ready: socket.socket) -> None:
        data = ready.recv(1 << 16)
        for node, broker in self._pairs:
            if ready is broker:
                node.sendall(data)
            elif ready is node and not self.swallows:
                broker.sendall(data)

    def cut(self, *, at_the_node: bool = False) -> None:
        """Cut it; `at_the_node`: the broker does not notice until the next cut."""
        pairs, self._pairs = self._pairs, []
        for node, broker in pairs + self._cut:
            for each in (node,) if at_the_node else (node, broker):
                with contextlib.suppress(OSError):  # it was cut before
                    each.shutdown(socket.SHUT_RDWR)
        self._cut += pairs

    def close(self) -> None:
        self._ends = True
        self._thread.join()
        for each in (self._server, *(each for pair in self._pairs + self._cut for each in pair)):
            each.close()


@pytest.fixture
def tunnel(broker: BrokerProcess) -> Iterator[Tunnel]:
    with contextlib.closing(Tunnel(broker)) as made:
        yield made


def states(graph: Graph) -> dict[str, str]:
    return {peer.name: peer.state for peer in graph.peers if peer.name}


def test_nodes_reconnect_advertise_and_subscribe_again(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[int] = []
    all_ready = {"/a": "ready", "/sender": "ready", "/late": "ready"}
    node, sender = Node("a"), Node("sender")
    subscription = node.create_subscription(Int64, "n", lambda m: got.append(m.data), 100)
    publisher = sender.create_publisher(Int64, "n", 10)
    latched = sender.create_publisher(Int64, "map", LATCHED)
    assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
    with spinning(node, sender):
        publisher.publish(Int64(data=0))
        until(lambda: got == [0])
        broker.kill()
        until(lambda: caplog.text.count("lost the broker") == 2)
        for number in range(1, 11):
            publisher.publish(Int64(data=number))
        assert publisher.dropped == 10
        broker.start()
        until(lambda: caplog.text.count("the broker is back") == 2)
        assert publisher.wait_for_subscribers(1, PATIENCE_SEC)
        publisher.publish(Int64(data=11))
        until(lambda: len(got) == 2)
        latched.publish(Int64(data=5))
        statistics = sender.statistics()
        late: list[int] = []
        graphs: list[Graph] = []
        late_node = Node("late")
        late_node.create_subscription(Int64, "map", lambda m: late.append(m.data), 1)
        late_node.create_subscription(Graph, "/dsmq/graph", graphs.append, 1)
        with spinning(late_node):
            until(lambda: late and graphs and states(graphs[-1]) == all_ready)
    assert got == [0, 11]
    assert (subscription.messages, subscription.dropped) == (2, 10)
    assert late == [5]
    assert publisher.messages == 12
    (n_statistics,) = [p for p in statistics.publishers if p.topic == "/n"]
    assert (n_statistics.messages, n_statistics.dropped) == (12, 10)
    (topic,) = [t for t in graphs[0].topics if t.name == "/n"]
    assert [end.node for end in topic.publishers] == ["/sender"]
    assert [end.node for end in topic.subscribers] == ["/a"]
    # Once per outage and node, with what was lost; the reader says what it never got.
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    warnings = [each for each in warnings if "blocked the node" not in each]  # a busy machine
    assert len(warnings) == 5
    assert "/a: 10 messages of /sender on /n never came" in caplog.text
    assert any(
        re.search(r"/sender: the broker is back .* 10 messages dropped", w) for w in warnings
    )


def test_timers_go_on_and_what_is_made_meanwhile_counts_too(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[int] = []
    node = Node("a")
    timer = node.create_timer(0.01, lambda: None)

    def make() -> None:
        if "lost the broker" in caplog.text and not made:
            made.append(node.create_publisher(Int64, "n", 10))
            node.create_subscription(Int64, "n", lambda m: got.append(m.data), 10)
            broker.start()
        if made:
            made[0].publish(Int64(data=1))

    made: list[Publisher[Int64]] = []
    node.create_timer(0.01, make)
    with spinning(node):
        until(lambda: timer.ticks > 5)
        broker.kill()
        until(lambda: got)


def a_publish_is_dropped(publisher: Publisher[Int64]) -> bool:
    publisher.publish(Int64(data=1))
    return publisher.dropped > 0


def test_the_broker_is_gone_before_the_node_spins(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    node = Node("a")
    publisher = node.create_publisher(Int64, "n", 10)
    broker.kill()
    until(lambda: a_publish_is_dropped(publisher))
    with spinning(node):
        until(lambda: "lost the broker" in caplog.text)
        broker.start()
        until(lambda: "the broker is back" in caplog.text)


def test_a_node_that_can_start_no_thread_is_made_safe_and_reconnects_when_it_can(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Robot(Node):
        broker_timeout_sec = 0.1
        stops = 0

        def enter_safe_state(self) -> None:
            self.stops += 1

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    robot, spun = Robot("robot"), threading.Event()
    robot.create_timer(0.01, spun.set)
    with spinning(robot):
        assert spun.wait(PATIENCE_SEC)
        with monkeypatch.context() as no_more_threads:
            no_more_threads.setattr(threading.Thread, "start", refuse)
            broker.kill()
            until(lambda: robot.stops)
        broker.start()
        until(lambda: "the broker is back" in caplog.text)
    assert caplog.text.count("lost the broker") == 1


def test_a_node_ends_without_its_broker(broker: BrokerProcess) -> None:
    node = Node("a")
    publisher = node.create_publisher(Int64, "n", 10)
    with spinning(node):
        broker.kill()
        until(lambda: a_publish_is_dropped(publisher))


def test_what_is_latched_is_there_again_after_the_broker_has_lost_it_and_comes_once(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    mapper, reader = Node("mapper"), Node("reader")
    got: list[int] = []
    reader.create_subscription(Int64, "map", lambda m: got.append(m.data), LATCHED)
    publisher = mapper.create_publisher(Int64, "map", LATCHED)
    with spinning(mapper, reader):
        publisher.publish(Int64(data=1))
        publisher.publish(Int64(data=2))
        until(lambda: got[-1:] == [2])
        before = list(got)
        broker.kill()
        broker.start()
        until(lambda: caplog.text.count("the broker is back") == 2)
        late: list[int] = []
        with Node("late") as late_node:
            late_node.create_subscription(Int64, "map", lambda m: late.append(m.data), LATCHED)
            with spinning(late_node):
                until(lambda: late == [2])
                publisher.publish(Int64(data=3))
                until(lambda: (late, got[-1]) == ([2, 3], 3))
    assert got == [*before, 3]


def test_a_latched_message_that_was_on_its_way_when_the_connection_ended_comes_once(
    broker: BrokerProcess, tunnel: Tunnel, caplog: pytest.LogCaptureFixture
) -> None:
    button, reader, got = Node("button", broker=tunnel.address), Node("reader"), list[int]()
    reader.create_subscription(Int64, "stop", lambda m: got.append(m.data), LATCHED)
    stop = button.create_publisher(Int64, "stop", LATCHED)
    other = button.create_publisher(Int64, "n", 10)
    last: list[int] = []
    counted = reader.create_subscription(Int64, "n", lambda m: last.append(m.data), 10)
    with spinning(button, reader):
        stop.publish(Int64(data=0))
        until(lambda: got == [0])
        tunnel.cut()  # and nothing was lost
        until(lambda: caplog.text.count("/button: the broker is back") == 1)
        other.publish(Int64(data=0))
        until(lambda: last == [0])
        tunnel.swallows = True
        stop.publish(Int64(data=1))
        other.publish(Int64(data=1))
        tunnel.cut()
        tunnel.swallows = False
        until(lambda: caplog.text.count("/button: the broker is back") == 2)
        until(lambda: got[-1] == 1)
        other.publish(Int64(data=2))
        until(lambda: last == [0, 2])
    assert got == [0, 1]
    assert counted.dropped == 1


def test_a_node_whose_last_connection_the_broker_still_has_is_not_told_to_take_another_name(
    tunnel: Tunnel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "dsmq_nodes.link")
    node = Node("far", broker=tunnel.address)
    with spinning(node):
        tunnel.cut(at_the_node=True)
        until(lambda: "is taken by this process" in caplog.text, "a refusal")
        tunnel.cut()
        until(lambda: "the broker is back" in caplog.text, "the broker")
    assert "the broker is there and refuses it" not in caplog.text
