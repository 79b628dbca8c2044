"""Advertising waits for the broker's answer, and for nothing else."""

import logging
import time

import psutil
import pytest

from dsmq_nodes import Message, Node, QoSProfile
from dsmq_nodes.announced_qos import announced_qos
from dsmq_nodes.dsmq.ring import leftovers
from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.testing import BrokerProcess
from tests.graph.conftest import spinning
from tests.support.waiting import until


class One(Message, type_name="a_msgs/msg/Same"):
    data: int = 0


class Two(Message, type_name="b_msgs/msg/Same"):
    data: int = 0


def test_what_is_logged_while_the_answer_comes_does_not_hold_it_up(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dsmq_nodes.node")
    took_sec: list[float] = []
    with Node("one") as one, Node("two") as two:
        for number in range(5):
            one.create_publisher(One, f"/t{number}", 1)
            # That the types differ is told, and logged on /rosout, before the answer is read.
            two.create_subscription(Two, f"/t{number}", print, 1)
            began_sec = time.monotonic()
            two.create_publisher(One, f"/v{number}", 1)
            took_sec.append(time.monotonic() - began_sec)
    assert min(took_sec) < 0.9  # each took the whole patience of 1 s


def test_a_publishers_qos_is_told_before_the_publisher_is(broker: BrokerProcess) -> None:
    graphs: list[Graph] = []
    with Node("watcher") as watcher, Node("teller") as teller, spinning(watcher):
        watcher.create_subscription(Graph, "/dsmq/graph", graphs.append, 100)
        for number in range(20):
            qos = QoSProfile(depth=1, deadline=1.0 + number)
            teller.create_publisher(One, f"/told_{number}", qos)
        until(lambda: any(each.name == "/told_19" for graph in graphs for each in graph.topics))
        for graph in graphs:
            announced = announced_qos(graph.topics)
            for topic in graph.topics:
                if topic.name.startswith("/told_"):
                    (end,) = topic.publishers
                    assert ("publisher", topic.name, end.node, end.pid) in announced


def mapped() -> set[str]:
    """The rings in this process's memory."""
    maps = psutil.Process().memory_maps(grouped=False)
    return {each.path for each in maps if each.path.startswith(f"{leftovers.PLACE}/dsmq-")}


@pytest.mark.skipif(not leftovers.PLACE.is_dir(), reason="no shared memory on this system")
def test_memory_of_a_topic_is_let_go_with_its_last_end_in_a_node(broker: BrokerProcess) -> None:
    before, heard = mapped(), list[One]()
    with Node("one") as one, spinning(one):
        subscription = one.create_subscription(One, "/t", heard.append, 1)
        publisher = one.create_publisher(One, "/t", 1)
        publisher.publish(One())
        until(lambda: heard)
        one.destroy_publisher(publisher)
        one.destroy_subscription(subscription)
        until(lambda: mapped() <= before)
