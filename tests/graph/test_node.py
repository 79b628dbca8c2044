"""Making a node: what it is told, and what it refuses."""

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest

from dsmq_nodes import (
    Node,
    Parameters,
    QoSProfile,
    spin,
    spin_once,
    spin_until_future_complete,
)
from dsmq_nodes.errors import (
    ConnectionFailedError,
    InvalidNameError,
    NodeConfigurationError,
    NodeNameTakenError,
    ParameterError,
)
from dsmq_nodes.lifecycle import LifecycleNode
from dsmq_nodes.messages import Imu, Int64, String, Trigger
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.support.programs import Program
from tests.support.reserved import free_port
from tests.support.waiting import until


class Tuned(Node):
    class Params(Parameters):
        gain: float = 1.0
        label: str = "x"

    params: Params
    rate_hz = 10.0


def told(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    monkeypatch.setenv("DSMQ_NODE", json.dumps(fields))


def test_without_a_broker_the_error_names_address_and_next_step() -> None:
    port = free_port()
    with pytest.raises(ConnectionFailedError, match=rf"127\.0\.0\.1:{port}.*dsmq-nodes broker"):
        Node("lonely", broker=("127.0.0.1", port))


@pytest.mark.usefixtures("broker")
def test_names_and_defaults() -> None:
    node = Node("avoider", namespace="robot1")
    assert node.name == node.get_fully_qualified_name() == "/robot1/avoider"
    assert node.get_name() == "avoider"
    assert node.get_namespace() == "/robot1"
    assert node.rate_hz is None
    assert node.resolve_topic_name("scan") == "/robot1/scan"
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_a_taken_name_is_refused_with_pid_and_host_of_its_owner(
    programs: Callable[[str], Program],
) -> None:
    owner = programs(
        "from dsmq_nodes import Node, run\n"
        "class N(Node):\n"
        "    def __init__(self): super().__init__('twin'); print('made')\n"
        "run(N)\n"
    )
    owner.wait_for("made")
    with pytest.raises(NodeNameTakenError) as caught:
        Node("twin")
    assert f"pid {owner.process.pid}" in str(caught.value)
    assert socket.gethostname() in str(caught.value)
    other = Node("twin", namespace="elsewhere")
    other.destroy_node()


class Used(Node):
    def __init__(self) -> None:
        super().__init__("used")
        self.numbers = self.create_publisher(Int64, "numbers", 10)
        self.latched = self.create_publisher(
            Int64, "latched", QoSProfile(depth=1, durability="transient_local")
        )
        self.trigger = self.create_client(Trigger, "trigger")
        self.asked = self.trigger.call_async(Trigger.Request())
        self.asked.ignore()
        self.numbers.publish(Int64())  # it has found its short way


LATE_USES: list[tuple[str, Callable[[Used], object]]] = [
    ("publish on /numbers", lambda node: node.numbers.publish(Int64())),
    ("publish on /latched", lambda node: node.latched.publish(Int64())),
    ("a publisher of /late", lambda node: node.create_publisher(Int64, "late", 1)),
    ("a subscription of /late", lambda node: node.create_subscription(Int64, "late", print, 1)),
    ("a service /late", lambda node: node.create_service(Trigger, "late", lambda _: None)),  # type: ignore[arg-type]
    ("a client of /late", lambda node: node.create_client(Trigger, "late")),
    ("a call of /trigger", lambda node: node.trigger.call_async(Trigger.Request()).ignore()),
    ("a timer or a timeout", lambda node: node.create_timer(1.0, print)),
    ("spin", spin),
    ("spin", lambda node: spin_once(node, 0.0)),
    ("spin", lambda node: spin_until_future_complete(node, node.asked, 0.0)),
    ("spin", lambda node: asyncio.run(node.spin_async())),
]


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(("what", "use"), LATE_USES, ids=range(len(LATE_USES)))
def test_a_use_of_a_destroyed_node_is_told_once(
    what: str, use: Callable[[Used], object], caplog: pytest.LogCaptureFixture
) -> None:
    node = Used()
    node.destroy_node()
    assert "destroyed" not in caplog.text
    use(node)
    for _ in range(2):
        node.numbers.publish(Int64())
    assert caplog.text.count(f"{what}: /used has been destroyed") == 1
    assert node.numbers.dropped == 2 + (what == "publish on /numbers")


@pytest.mark.usefixtures("broker")
def test_a_name_is_free_again_when_its_node_is_destroyed() -> None:
    def again() -> bool:
        try:
            Node("phoenix").destroy_node()
        except NodeNameTakenError:
            return False
        return True

    Node("phoenix").destroy_node()
    until(again)


def test_a_node_that_is_refused_has_not_taken_its_name(graph: Graph) -> None:
    class Impatient(LifecycleNode):
        broker_timeout_sec = 0.0

    with pytest.raises(ValueError, match="a broker_timeout_sec is more than 0 s"):
        graph.add(lambda: Impatient("a"))
    with pytest.raises(InvalidNameError, match="'no name' is no topic name"):
        graph.add(lambda: LifecycleNode("a"), remap={"no name": "b"})
    graph.add(lambda: Node("a"))


@pytest.mark.usefixtures("broker")
def test_bad_names_are_refused() -> None:
    with pytest.raises(InvalidNameError):
        Node("a/b")
    with pytest.raises(InvalidNameError):
        Node("a", namespace="b/")
    with pytest.raises(InvalidNameError, match="over 255 characters"):
        Node("a" * 255)
    with pytest.raises(InvalidNameError, match="over 255 characters"):
        Node("a" * 250, namespace="name_")
    Node("a" * 249, namespace="name").destroy_node()
    node = Node("a")
    with pytest.raises(InvalidNameError):
        node.create_publisher(String, "no name", 1)
    with pytest.raises(InvalidNameError):
        node.create_subscription(String, "/", print, 1)
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_bad_arguments_are_refused() -> None:
    node = Node("a")
    with pytest.raises(ValueError, match="a depth is a whole number from 1, not 0"):
        node.create_publisher(String, "t", 0)
    with pytest.raises(ValueError, match="a depth is"):
        node.create_subscription(String, "t", print, -1)
    for period in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"period.*{period}"):
            node.create_timer(period, lambda: None)
    for timeout in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"timeout.*{timeout}"):
            node.create_subscription(
                String, "t", print, 1, timeout=timeout, on_timeout=lambda: None
            )
    with pytest.raises(TypeError, match="timeout and on_timeout go together"):
        node.create_subscription(String, "t", print, 1, timeout=1.0)
    with pytest.raises(TypeError, match=r"\(msg\) or \(msg, info\)"):
        node.create_subscription(String, "t", lambda a, b, c: None, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\(msg\) or \(msg, info\)"):
        node.create_subscription(String, "t", lambda: None, 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Message"):
        node.create_publisher(int, "t", 1)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="Message"):
        node.create_subscription("Imu", "t", print, 1)  # type: ignore[arg-type]
    node.destroy_node()


@pytest.mark.parametrize("rate", [0.0, -5.0, float("nan"), float("inf")])
@pytest.mark.usefixtures("broker")
def test_a_rate_is_more_than_nothing(monkeypatch: pytest.MonkeyPatch, rate: float) -> None:
    with pytest.raises(NodeConfigurationError, match=f"/a.*rate.*{rate}"):
        Node("a", rate_hz=rate)
    if rate == -5.0:  # JSON has no NaN, and 0 is what a launch file may say too
        told(monkeypatch, rate_hz=rate)
        with pytest.raises(NodeConfigurationError, match=f"/a.*rate.*{rate}"):
            Node("a")


@pytest.mark.usefixtures("broker")
def test_the_period_of_a_node_without_a_rate() -> None:
    node = Node("a")
    with pytest.raises(NodeConfigurationError, match="/a has no rate"):
        node.period_sec  # noqa: B018  it is a property
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_what_the_launcher_says_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told(
        monkeypatch,
        name="left",
        namespace="/robot1",
        rate_hz=50.0,
        params={"gain": 2},
        remap={"scan": "/front/scan"},
    )
    node = Tuned("tuned", namespace="here", rate_hz=1.0)
    assert node.name == "/robot1/left"
    assert node.rate_hz == 50.0
    assert node.period_sec == 0.02
    assert node.params.gain == 2.0
    assert node.params.label == "x"
    assert node.create_publisher(Imu, "scan", 1).topic_name == "/front/scan"
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_a_second_node_of_the_process_gets_namespace_and_remaps_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told(monkeypatch, name="left", namespace="/r", params={"gain": 2}, remap={"a": "b"})
    first, second = Tuned("tuned"), Tuned("other")
    assert (first.name, first.params.gain) == ("/r/left", 2.0)
    assert (second.name, second.params.gain) == ("/r/other", 1.0)
    assert second.resolve_topic_name("a") == "/r/b"
    first.destroy_node()
    second.destroy_node()


@pytest.mark.usefixtures("broker")
def test_rate_by_class_then_constructor() -> None:
    node = Tuned("a")
    other = Tuned("b", rate_hz=5.0)
    assert (node.rate_hz, other.rate_hz) == (10.0, 5.0)
    node.destroy_node()
    other.destroy_node()


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        (
            {"gian": 1.0},
            r"/tuned: there is no parameter 'gian', did you mean 'gain'.*has: gain, label",
        ),
        ({"gain": True}, r"/tuned: gain.*True"),
        ({"gain": "1"}, r"/tuned: gain"),
        ({"label": 1, "gain": "fast"}, r"gain.*label"),
    ],
)
@pytest.mark.usefixtures("broker")
def test_bad_parameters_are_all_named(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, Any], complaint: str
) -> None:
    told(monkeypatch, params=params)
    with pytest.raises(ParameterError, match=complaint):
        Tuned("tuned")


@pytest.mark.parametrize("text", ["{", "[]", '{"params": 3}', '{"rate_hz": "fast"}', "nonsense"])
@pytest.mark.usefixtures("broker")
def test_an_environment_that_is_not_json(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DSMQ_NODE", text)
    with pytest.raises(NodeConfigurationError, match="DSMQ_NODE"):
        Node("a")


def test_the_broker_is_an_argument_too(
    broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSMQ_BROKER", "127.0.0.1:1")
    node = Node("a", broker=broker.address)
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_a_child_of_the_node_is_not_told_the_nodes_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told(monkeypatch, name="left", namespace="/r")
    node = Node("a")
    assert json.loads(os.environ["DSMQ_NODE"]) == {"namespace": "/r"}
    node.destroy_node()


@pytest.mark.usefixtures("broker")
def test_destroying_twice_does_it_once() -> None:
    class Counted(Node):
        ended = 0

        def on_shutdown(self) -> None:
            self.ended += 1

    node = Counted("a")
    node.destroy_node()
    node.destroy_node()
    assert node.ended == 1


@pytest.mark.usefixtures("broker")
def test_the_stamp_is_the_wall_clock() -> None:
    node = Node("a")
    before = node.get_clock().now_ns()
    header = node.stamp("base_link")
    assert before <= header.stamp.to_nanoseconds() <= node.get_clock().now_ns()
    assert header.frame_id == "base_link"
    node.destroy_node()


class TestOwnNames:
    """Who comes from rclpy takes names that are free there."""

    @pytest.mark.parametrize(
        ("name", "first"),
        [
            ("_kit", True),
            ("_kit", False),
            ("params", True),
            ("params", False),
            ("use_sim_time", False),
        ],
    )
    def test_an_attribute_is_told(self, graph: Graph, name: str, first: bool) -> None:
        class Mine(Node):
            def __init__(self) -> None:
                if first:
                    setattr(self, name, ["mine"])
                super().__init__("mine")
                if not first:
                    setattr(self, name, ["mine"])

        with pytest.raises(NodeConfigurationError, match=rf"Mine sets self\.{name}, which"):
            graph.add(Mine)
        graph.run_for(1.0)

    def test_a_method_is_told(self) -> None:
        with pytest.raises(NodeConfigurationError, match=r"Mine\._kit would replace"):

            class Mine(Node):
                def _kit(self) -> None:  # type: ignore[override]
                    """The only private name that is taken."""

    @pytest.mark.parametrize("base", [Node, LifecycleNode])
    @pytest.mark.parametrize("first", [True, False])
    def test_all_but_one_private_name_is_free(
        self, graph: Graph, base: type[Node], first: bool
    ) -> None:
        """Also those that the kit has for its own parts: they lie elsewhere."""
        parts = dir(graph.add(lambda: base("other"))._kit)
        free = {f"_{name.strip('_')}" for name in parts}

        class Mine(base):  # type: ignore[misc,valid-type]
            def __init__(self) -> None:
                if first:
                    self.__dict__.update(dict.fromkeys({*free, "name"}, "mine"))
                super().__init__("mine", rate_hz=5.0)
                if not first:
                    self.__dict__.update(dict.fromkeys({*free, "name"}, "mine"))
                self.create_timer(self.period_sec, lambda: None)

        assert {"_timers", "_link", "_clock", "_logger", "_end"} <= free
        assert "_kit" not in free
        node = graph.add(Mine)
        graph.run_for(2.0)
        assert node.name == "mine"
        assert node.get_fully_qualified_name() == "/mine"
        assert set(graph.nodes) == {"/other", "/mine"}
        assert node.statistics().timers[0].ticks == 10
        graph.remove(node)

    def test_a_node_that_is_not_made_yet(self) -> None:
        class Mine(Node):
            def __init__(self) -> None:
                self.create_timer(1.0, lambda: None)
                super().__init__("mine")

        with pytest.raises(AttributeError, match=r"call super\(\)\.__init__\(name\) first"):
            Mine()

    def test_what_hurts_nobody_is_free(self, graph: Graph) -> None:
        class Mine(Node):
            def __init__(self) -> None:
                super().__init__("mine", rate_hz=5.0)
                self.shutdown = False  # type: ignore[assignment,method-assign]
                self.rate_hz, self._clock = 10.0, self.get_clock()

            def statistics(self) -> None:  # type: ignore[override]
                """Not the kit's."""

        node = graph.add(Mine)
        graph.run_for(2.0)
        graph.remove(node)
