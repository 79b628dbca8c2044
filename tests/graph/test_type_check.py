"""Types are checked where they meet: what nodes, the log and the graph say, in virtual time."""

import json
import logging
import re

import pytest

from dsmq_nodes import Message, Node
from dsmq_nodes.errors import TypeMismatchError
from dsmq_nodes.messages import Imu, LaserScan
from dsmq_nodes.messages.dsmq_msgs import Graph as GraphMsg
from dsmq_nodes.messages.dsmq_msgs import TypeDescription
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.graph.conftest import spinning
from tests.support.waiting import until


class Scan(Message, type_name="old_msgs/msg/Scan"):
    ranges: float = 0.0


class NewScan(Message, type_name="new_msgs/msg/Scan"):
    ranges: float = 0.0
    intensity: float = 0.0


class Same(Message, type_name="b/msg/Same"):
    ranges: float = 0.0


class Lists(Message):
    ranges: list[float] = []


class Lidar(Node):
    msg_type: type[Message] = Scan

    def __init__(self) -> None:
        super().__init__("lidar")
        self.scan = self.create_publisher(self.msg_type, "scan", 10)


class Avoider(Node):
    msg_type: type[Message] = Lists

    def __init__(self) -> None:
        super().__init__("avoider")
        self.seen: list[Message] = []
        self.subscription = self.create_subscription(self.msg_type, "scan", self.seen.append, 10)


class Strict(Avoider):
    on_type_mismatch = "raise"


def pair(publishes: type[Message], subscribes: type[Message]) -> tuple[type[Lidar], type[Avoider]]:
    class ThisLidar(Lidar):
        msg_type = publishes

    class ThisAvoider(Avoider):
        msg_type = subscribes

    return ThisLidar, ThisAvoider


EXPECTED = (
    r"/scan: subscriber '/avoider' \(pid \d+\) expects ranges: array of number, "
    r"publisher '/lidar' \(pid \d+\) sends ranges: number"
)


def errors(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.__dict__["node"], record.getMessage())
        for record in caplog.records
        if record.levelno == logging.ERROR and "expects" in record.getMessage()
    ]


@pytest.mark.parametrize("first", [Lidar, Avoider])
def test_both_ends_tell_the_same_once_whoever_comes_first(
    caplog: pytest.LogCaptureFixture, first: type[Node]
) -> None:
    second = Avoider if first is Lidar else Lidar
    with Graph(on_type_mismatch="warn") as graph:
        graph.add(first)
        graph.add(second)
        graph.run_for(5.0)
        told = errors(caplog)
        assert sorted(node for node, _ in told) == ["/avoider", "/lidar"]
        [text] = {text for _, text in told}
        assert re.fullmatch(EXPECTED, text)


def test_the_graph_shows_it_until_it_is_over() -> None:
    with Graph(on_type_mismatch="warn") as graph:
        graphs = graph.observe(GraphMsg, "/dsmq/graph")
        lidar = graph.add(Lidar)
        graph.add(Avoider)
        graph.run_for(1.0)
        [topic] = [topic for topic in graphs[-1].topics if topic.name == "/scan"]
        assert len(topic.faults) == 1
        assert "expects ranges: array of number" in topic.faults[0]
        graph.remove(lidar)
        graph.run_for(1.0)
        assert not any(topic.faults for topic in graphs[-1].topics)


def test_a_strict_node_ends_and_its_error_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with Graph(on_type_mismatch="warn") as graph:
        lidar = graph.add(Lidar)
        with pytest.raises(TypeMismatchError, match=EXPECTED):
            graph.add(Strict)
        graph.run_for(1.0)
        # The other one, which only warns, lives; what ended this one is not logged besides.
        assert [node for node, _ in errors(caplog)] == ["/lidar"]
        lidar.scan.publish(Scan())


def test_a_graph_under_test_fails(graph: Graph) -> None:
    graph.add(Lidar)
    with pytest.raises(TypeMismatchError, match=EXPECTED):
        graph.add(Avoider)
    graph.run_for(1.0)  # told once


def test_what_a_test_injects_is_checked_too(graph: Graph) -> None:
    graph.add(Avoider)
    graph.inject("scan", Scan())
    with pytest.raises(TypeMismatchError, match=r"publisher a client"):
        graph.run_for(1.0)


def test_what_a_test_observes_is_checked_too(graph: Graph) -> None:
    graph.add(Lidar)
    graph.observe(Lists, "scan")
    with pytest.raises(TypeMismatchError, match=r"subscriber a client"):
        graph.run_for(1.0)


@pytest.mark.parametrize(
    ("types", "level", "told"),
    [
        ((NewScan, Scan), logging.INFO, "sent but not known to the subscriber: intensity"),
        ((Scan, NewScan), logging.INFO, "not sent, so left at its default: intensity"),
        ((Same, Scan), logging.INFO, "old_msgs/msg/Scan and b/msg/Same are taken for one type"),
        ((Same, NewScan), logging.WARNING, "new_msgs/msg/Scan and b/msg/Same are taken for one"),
    ],
)
def test_what_fits_is_read_and_is_worth_a_word(
    graph: Graph,
    caplog: pytest.LogCaptureFixture,
    types: tuple[type[Message], type[Message]],
    level: int,
    told: str,
) -> None:
    caplog.set_level(logging.INFO, "dsmq_nodes")
    lidar_class, avoider_class = pair(*types)
    lidar, avoider = graph.add(lidar_class), graph.add(avoider_class)
    lidar.scan.publish(types[0].model_validate({"ranges": 2.0}))
    graph.run_for(1.0)
    assert [msg.model_dump()["ranges"] for msg in avoider.seen] == [2.0]
    records = [record for record in caplog.records if told in record.getMessage()]
    assert [record.levelno for record in records] == [level, level]


def test_equal_types_are_not_worth_a_word(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dsmq_nodes")
    for node_class in pair(LaserScan, LaserScan):
        graph.add(node_class)
    graph.run_for(2.0)
    assert not caplog.records


def test_a_node_checks_itself(graph: Graph) -> None:
    class Both(Node):
        def __init__(self) -> None:
            super().__init__("both")
            self.create_publisher(Scan, "scan", 1)
            self.create_subscription(Lists, "scan", print, 1)

    with pytest.raises(TypeMismatchError, match=r"'/both' .*'/both'"):
        graph.add(Both)


def test_two_subscriptions_of_a_node_to_one_topic(graph: Graph) -> None:
    class Reader(Node):
        def __init__(self) -> None:
            super().__init__("reader")
            self.create_subscription(Scan, "scan", print, 1)
            self.create_subscription(NewScan, "scan", print, 1)

    reader = graph.add(Reader)
    with pytest.raises(TypeError, match=r"old_msgs/msg/Scan on /scan already.*\(ranges differs\)"):
        reader.create_subscription(Lists, "scan", print, 1)
    with pytest.raises(TypeError, match=r"sensor_msgs/msg/Imu there \(header differs\)"):
        reader.create_subscription(Imu, "scan", print, 1)


def test_tools_find_the_schema_of_every_type(graph: Graph) -> None:
    types = graph.observe(TypeDescription, "/dsmq/types")
    graphs = graph.observe(GraphMsg, "/dsmq/graph")
    for node_class in pair(Imu, Imu):
        graph.add(node_class)
    graph.run_for(1.0)
    [imu] = [each for each in types if each.type == "sensor_msgs/msg/Imu"]
    assert json.loads(imu.json_schema) == Imu.schema()
    [topic] = [topic for topic in graphs[-1].topics if topic.name == "/scan"]
    ends = [*topic.publishers, *topic.subscribers]
    assert [end.schema_id for end in ends] == [imu.schema_id] * 2


def test_over_a_socket_and_again_after_the_broker_was_away(
    broker: BrokerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = Node("watcher")
    graphs: list[GraphMsg] = []
    watcher.create_subscription(GraphMsg, "/dsmq/graph", graphs.append, 1)
    lidar, avoider = Lidar(), Avoider()
    with spinning(lidar, avoider, watcher):
        until(lambda: len(errors(caplog)) == 2)
        until(lambda: bool(graphs) and any(topic.faults for topic in graphs[-1].topics))
        broker.kill()
        until(lambda: "lost the broker" in caplog.text)
        graphs.clear()
        broker.start()
        until(lambda: bool(graphs) and any(topic.faults for topic in graphs[-1].topics))
    assert len(errors(caplog)) == 2  # the same two ends: told once
