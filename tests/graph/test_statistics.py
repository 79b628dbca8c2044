"""What every node tells of itself on /dsmq/nodes."""

import os

import pytest

from dsmq_nodes import Node
from dsmq_nodes.messages import Int64, String
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from tests.graph.conftest import spinning
from tests.support.waiting import until

pytestmark = pytest.mark.usefixtures("broker")


class Worker(Node):
    rate_hz = 50.0

    def __init__(self) -> None:
        super().__init__("worker")
        self.publisher = self.create_publisher(Int64, "n", 10)
        self.create_subscription(Int64, "n", self.on_n, 10)
        self.create_timer(self.period_sec, self.tick)

    def tick(self) -> None:
        self.publisher.publish(Int64(data=1))

    def on_n(self, msg: Int64) -> None:
        pass


def test_what_a_node_has_destroyed_still_counts() -> None:
    got: list[NodeStatistics] = []
    watcher = Node("watcher")
    watcher.create_subscription(NodeStatistics, "/dsmq/nodes", got.append, 100)

    def last() -> NodeStatistics | None:
        return next((each for each in reversed(got) if each.name == "/worker"), None)

    with spinning(watcher):
        worker = Node("worker")
        heard: list[Int64] = []
        first, second = (worker.create_publisher(Int64, "n", 10) for _ in range(2))
        subscription = worker.create_subscription(Int64, "n", heard.append, 10)
        with spinning(worker):
            for publisher in (first, second, second):
                publisher.publish(Int64(data=1))
            watcher.create_publisher(String, "n", 10).publish(String(data="no number"))
            until(lambda: (len(heard), subscription.invalid) == (3, 1))
            worker.destroy_publisher(first)
            worker.destroy_publisher(second)
            worker.destroy_subscription(subscription)
        until(lambda: (told := last()) is not None and told.former_received)
    told = last()
    assert told is not None
    assert (told.publishers, told.subscriptions) == ([], [])
    assert (told.former_sent, told.former_received) == (3, 3)
    assert (told.former_dropped, told.former_invalid) == (0, 1)


def test_every_node_publishes_its_counters_and_once_more_at_the_end() -> None:
    got: list[NodeStatistics] = []
    watcher = Node("watcher")
    watcher.create_subscription(NodeStatistics, "/dsmq/nodes", got.append, 100)

    def of_worker() -> list[NodeStatistics]:
        return [each for each in got if each.name == "/worker"]

    with spinning(watcher):
        worker = Worker()
        with spinning(worker):
            until(lambda: of_worker() and of_worker()[-1].timers[0].ticks > 5)
        until(lambda: of_worker()[-1].publishers[0].messages == worker.publisher.messages)
    last = of_worker()[-1]
    assert (last.name, last.pid, last.rate_hz) == ("/worker", os.getpid(), 50.0)
    (timer,) = last.timers
    assert (timer.name, timer.rate_hz) == ("tick", 50.0)
    # One may have been due as the node ended.
    assert timer.ticks - last.publishers[0].messages in {0, 1}
    assert 0 < timer.achieved_hz < 60  # one that was late catches up
    (publisher,) = last.publishers
    assert (publisher.topic, publisher.type, publisher.dropped) == ("/n", Int64.type_name, 0)
    (subscription,) = last.subscriptions
    assert (subscription.topic, subscription.type) == ("/n", Int64.type_name)
    assert 0 < subscription.messages <= publisher.messages
    assert 0 < subscription.latency_p50_sec <= subscription.latency_p99_sec
    assert subscription.dropped == subscription.invalid == 0
    assert last.stamp.sec > 0
