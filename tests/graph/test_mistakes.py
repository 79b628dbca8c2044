"""Beginners' mistakes: one line says what to write."""

import dataclasses
import functools
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import dsmq_nodes
from dsmq_nodes import (
    Action,
    ActionClient,
    ActionServer,
    Actuator,
    Buffer,
    EmergencyStop,
    LifecycleNode,
    Message,
    Node,
    Parameter,
    Parameters,
    QoSProfile,
    Service,
    TransformBroadcaster,
    TransformListener,
)
from dsmq_nodes.errors import MessageError, NodeConfigurationError, ParameterError
from dsmq_nodes.messages import (
    Empty,
    Float64,
    Header,
    ParameterDescriptor,
    SetBool,
    Time,
    Twist,
    Vector3,
)
from dsmq_nodes.testing import BrokerProcess, Graph
from tests.support import processes

if TYPE_CHECKING:
    from dsmq_nodes import MessageInfo  # noqa: TC004  Python 3.14 does not need it where it runs

ROOT = Path(__file__).parents[2]
PROGRAM = """
from dsmq_nodes import Node, run
from dsmq_nodes.messages import Float64

class Listener(Node):
    def __init__(self):
        {first}
        self.create_publisher(Float64, "x", 1)

{last}
"""


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("pass", "run(Listener)", "uses the node before it is made: write"),
        (
            'super().__init__("a")',
            "run(Listener())",
            "write `Listener`, not `Listener()`",
        ),
        ("pass", "run()", "write `run(MyNode)`"),
        ("pass", "run(lambda gain: Listener())", "called without arguments, not as <lambda>(gain)"),
    ],
)
def test_a_program_that_cannot_begin_ends_with_one_line(
    tmp_path: Path, broker: BrokerProcess, first: str, last: str, told: str
) -> None:
    program = tmp_path / "listener.py"
    program.write_text(PROGRAM.format(first=first, last=last))
    ran = processes.run(
        [sys.executable, program],
        env={**os.environ, "DSMQ_BROKER": "{}:{}".format(*broker.address)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 1
    assert told in ran.stderr
    assert ran.stderr.count("\n") == 1


class Countdown(Action):
    """Without goal, result and feedback."""


class Mistaken(Node):
    def __init__(self) -> None:
        super().__init__("mistaken")

    def on_x(self) -> None:
        """Takes nothing, so that calling it succeeds."""

    @staticmethod
    def tick() -> None:
        """Needs no `self`."""


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (
            lambda n: n.create_publisher("x", Float64, 1),
            "not Float64: the type is the first",
        ),
        (lambda n: n.create_client("x", Float64), "text such as 'scan', not Float64: the type"),
        (
            lambda n: n.create_subscription(Float64, "x", n.on_x, 1),
            r"takes \(msg\) or \(msg, info\), not as Mistaken\.on_x\(\)",
        ),
        (lambda n: n.create_timer(1.0, n.on_x()), r"a function, not None: write `self\.on_x`"),
        (
            lambda n: ActionServer(n, Countdown, "x", n.on_x),
            r"the execute_callback of x is called with \(goal_handle\), not as Mistaken\.on_x\(\)",
        ),
        (
            lambda n: n.add_on_set_parameters_callback(n.on_x),
            r"called with \(parameters\), not as",
        ),
        (lambda n: n.create_task(n.on_x), r"such as `self\.work\(\)` .*, not Mistaken\.on_x"),
        (
            lambda n: n.create_publisher("std_msgs/msg/String", "x", 1),
            r"such as `String` .*, is a subclass of Message, not 'std_msgs/msg/String'",
        ),
        (
            lambda n: n.create_publisher(Message, "x", 1),
            "subclass of Message, not <class .*Message",
        ),
        (lambda n: n.create_service(Service, "x", n.on_x), "subclass of Service, not <class"),
        (lambda n: ActionClient(n, Action, "x"), "subclass of Action, not <class"),
        (
            lambda n: ActionClient(Countdown, n, "x"),  # type: ignore[arg-type]
            r"the node of an ActionClient is a Node, not <class .*Countdown",
        ),
        (
            lambda n: TransformListener(n, Buffer()),  # type: ignore[arg-type]
            "the buffer of a TransformListener is a Buffer, not <.*Mistaken",
        ),
        (
            lambda n: TransformListener(Buffer(), Buffer()),  # type: ignore[arg-type]
            "the node of a TransformListener is a Node, not <.*Buffer",
        ),
        (
            lambda n: Buffer().lookup_transform(n, "base", Time()),
            "target_frame is a str, not <.*Mistaken",
        ),
        (lambda n: TransformBroadcaster(None), "the node of a broadcaster is a Node, not None"),  # type: ignore[arg-type]
        (
            lambda n: TransformBroadcaster(n).send_transform(Twist()),  # type: ignore[arg-type]
            "a transform that is sent is a TransformStamped, not Twist",
        ),
        (
            lambda n: Buffer().lookup_transform("map", "base", 0),  # type: ignore[arg-type]
            "the time of a transform is a Time, not 0",
        ),
        (lambda n: EmergencyStop(Mistaken), r"a Node, not <class .*: write `Mistaken\(\)`"),  # type: ignore[arg-type]
        (lambda n: n.destroy_timer(None), "what destroy_timer takes is a Timer, not None"),
        (
            lambda n: n.destroy_publisher(n.create_subscription(Float64, "x", None, 1)),
            "what destroy_publisher takes is a Publisher, not <",
        ),
        (
            lambda n: n.declare_parameter("gain", 1.0, "the gain"),
            "the descriptor of 'gain' is a ParameterDescriptor, not 'the gain'",
        ),
        (lambda n: n.get_parameter(None), "a parameter's name is a str, not None"),
        (lambda n: n.declare_parameter("a", "\ud800"), r"a: it is beyond what string can hold"),
        (lambda n: Node("other", namespace=5), "a namespace is a str, not 5"),  # type: ignore[arg-type]
    ],
)
def test_an_argument_that_is_not_meant(graph: Graph, mistake: Any, told: str) -> None:
    node = graph.add(Mistaken)
    with pytest.raises(TypeError, match=told):
        mistake(node)


def test_a_staticmethod_that_is_not_bound_needs_no_self(graph: Graph) -> None:
    timer = graph.add(Mistaken).create_timer(1.0, vars(Mistaken)["tick"])
    graph.run_for(2.0)
    assert timer.ticks == 2


@pytest.mark.parametrize("period", [10**400, True, float("inf"), "1", None])
def test_a_period_is_a_number_that_a_clock_has(graph: Graph, period: Any) -> None:
    node = graph.add(Mistaken)
    for use in (node.create_timer, lambda x, on_x: node.create_rate(x)):
        with pytest.raises((TypeError, ValueError), match=r"is more than 0 .* and finite, not"):
            use(period, node.on_x)
    assert node.create_rate(np.int64(2)).period_sec == 0.5  # type: ignore[arg-type]


def test_a_parameters_name_can_be_printed(graph: Graph) -> None:
    node = graph.add(Mistaken)
    for name in ("a\nb", "a\0b", "a\ud800", ".a", ""):
        with pytest.raises(ParameterError, match="is no name of a parameter"):
            node.declare_parameter(name, 1)


def test_a_misspelt_parameter_that_is_read(graph: Graph) -> None:
    class Tuned(Mistaken):
        class Params(Parameters):
            gain: float = 1.0

        params: Params

    tuned = graph.add(Tuned)
    with pytest.raises(AttributeError, match="no parameter 'gian'; did you mean 'gain'"):
        str(tuned.params.gian)  # type: ignore[attr-defined]
    with pytest.raises(ParameterError, match=r"^gain: Input should be a valid number, got 'fast'$"):
        tuned.params.gain = "fast"  # type: ignore[assignment]


def test_a_parameter_that_nobody_has_declared(graph: Graph) -> None:
    node = graph.add(Mistaken)
    with pytest.raises(ParameterError, match=r"'gain'; declare it first: `declare_parameter\('g"):
        node.get_parameter("gain")


def test_a_parameter_without_a_value(graph: Graph) -> None:
    class Tuned(Mistaken):
        class Params(Parameters):
            gain: float

    with pytest.raises(ParameterError, match="gain: it has no value: give it one in `params:`"):
        graph.add(Tuned)


def test_parameters_that_are_no_model(graph: Graph) -> None:
    class Plain(Mistaken):
        class Params:
            gain = 1.0

    with pytest.raises(NodeConfigurationError, match=r"write `class Params\(Parameters\):`"):
        graph.add(Plain)

    with pytest.raises(AttributeError, match="'gain': the node's class has no model `Params`"):
        str(graph.add(Mistaken).params.gain)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"WET": 1}, r"Made: WET has no type: write `WET: int = 1` .*`WET: ClassVar\[int\]"),
        ({"__annotations__": {"a": Graph}}, "<class .*Graph'> is no type of a field: those are"),
    ],
)
@pytest.mark.parametrize("base", [Message, Parameters])
def test_a_field_that_cannot_be(base: Any, body: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=told) as caught:
        type(base)("Made", (base,), {"__module__": __name__, **body})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"enter_safe_state": lambda self, why: None}, r"is called with \(self\), not as"),
        ({"on_configure": lambda self: None}, r"called with \(self, state\), not as"),
        ({"on_exception": "ignore"}, "Made.on_exception is 'raise' or 'log', not 'ignore'"),
        ({"use_sim_time": "yes"}, "Made.use_sim_time is True or False, not 'yes'"),
        ({"rate_hz": "50"}, "a rate is more than 0 Hz and finite, not '50'"),
    ],
)
def test_a_hook_or_a_setting_that_would_fail_later(
    graph: Graph, body: dict[str, Any], told: str
) -> None:
    with pytest.raises(NodeConfigurationError, match=told):
        graph.add(lambda: type("Made", (LifecycleNode,), body)("made"))


def test_an_actuators_timeout_in_milliseconds(
    graph: Graph, caplog: pytest.LogCaptureFixture
) -> None:
    class Motor(Mistaken):
        def enter_safe_state(self) -> None:
            """Stop."""

    motor = graph.add(Motor)
    Actuator(motor, Float64, "speed", lambda msg: None, timeout=500)
    assert "timeout is in seconds; this one obeys the last command for 500 s" in caplog.text
    with pytest.raises(TypeError, match=r"the obey of speed is called with \(msg\), not as"):
        Actuator(motor, Float64, "speed", motor.on_x, timeout=0.5)  # type: ignore[arg-type]


def test_no_callback_may_be_given_as_none(graph: Graph) -> None:
    node, nothing = graph.add(Mistaken), None
    node.create_subscription(Float64, "x", None, 1)
    node.create_subscription(Float64, "y", nothing, 1)


def linear() -> None:
    Twist(linear={"x": "a"})  # type: ignore[arg-type]


def dat() -> None:
    Float64(dat=1.0)  # type: ignore[call-arg]


def liner() -> None:
    Twist().liner = 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mistake", "told"),
    [
        (lambda: setattr(Twist().linear, "x", "fast"), "x: Input should be a valid number, got 'f"),
        (linear, "linear.x: Input should be a valid number"),
        (dat, "dat: no such field, did you mean 'data'?"),
        (liner, "liner: no such field, did you mean 'linear'? (geometry_msgs/msg/Twist)"),
    ],
)
def test_a_wrong_field_is_one_line(mistake: Any, told: str) -> None:
    with pytest.raises(MessageError) as caught:
        mistake()
    assert str(caught.value).startswith(told)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (Float64, r"by name: Float64\(data=1\.0\)"),
        (Header, r"Header\(stamp=1\.0\)"),
        (Empty, "has no fields"),
    ],
)
def test_a_value_without_its_fields_name(message: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        message(1.0)


def test_what_is_published_instead_of_a_message_is_told_with_what_to_write(graph: Graph) -> None:
    publisher: Any = graph.add(Mistaken).create_publisher(Float64, "z", 1)
    with pytest.raises(TypeError, match=r"/z carries .*, not a class: write `Float64\(\)`"):
        publisher.publish(Float64)
    with pytest.raises(TypeError, match=r"not 2.5: write `Float64\(data=2.5\)`"):
        publisher.publish(2.5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"linear": {}}, r"not a dict: write `Twist\.from_dict\(\.\.\.\)`"),
        (None, r"not None: write `Twist\(linear=\.\.\., angular=\.\.\.\)`"),
        ("fast", r"not str: write `Twist\(linear="),
        (Vector3(), "not geometry_msgs/msg/Vector3"),
        (Vector3, "not the class Vector3"),
    ],
)
def test_every_kind_of_thing_that_is_no_message_is_told_with_what_to_write(
    graph: Graph, given: Any, told: str
) -> None:
    node = graph.add(Mistaken)
    publisher: Any = node.create_publisher(Twist, "cmd_vel", 1)
    with pytest.raises(TypeError, match=f"/cmd_vel carries geometry_msgs/msg/Twist, {told}"):
        publisher.publish(given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (SetBool.Request, r"not a class: write `SetBool\.Request\(\)`"),
        (SetBool, "not the class SetBool"),
        ({"data": True}, r"not a dict: write `SetBool\.Request\.from_dict"),
        (True, r"not True: write `SetBool\.Request\(data=True\)`"),
        (None, r"not None: write `SetBool\.Request\(data=\.\.\.\)`"),
    ],
)
def test_what_is_called_with_instead_of_a_request(graph: Graph, given: Any, told: str) -> None:
    client: Any = graph.add(Mistaken).create_client(SetBool, "light")
    with pytest.raises(TypeError, match=f"/light takes a std_srvs/srv/SetBool_Request, {told}"):
        client.call_async(given)


def test_a_futures_callback_that_takes_no_future(graph: Graph) -> None:
    client = graph.add(Mistaken).create_client(SetBool, "light")
    future: Any = client.call_async(SetBool.Request())
    future.ignore()
    with pytest.raises(TypeError, match=r"a future's callback is called with \(future\), not as"):
        future.add_done_callback(lambda: None)


@pytest.mark.parametrize("given", [Parameter("gain", value=1.0), [{"gain": 1.0}], None])
def test_parameters_that_are_no_list_of_parameters(graph: Graph, given: Any) -> None:
    node = graph.add(Mistaken)
    for set_them in (node.set_parameters, node.set_parameters_atomically):
        with pytest.raises(TypeError, match=r"a list such as `\[Parameter\("):
            set_them(given)
    name: Any = 5
    with pytest.raises(ParameterError, match="5 is no name of a parameter"):
        node.declare_parameter(name, 1)


def test_a_callback_that_is_called_without_arguments(graph: Graph) -> None:
    node: Any = graph.add(Mistaken)
    qos = QoSProfile(depth=1, deadline=1.0)
    with pytest.raises(TypeError, match=r"an on_deadline .* is called without arguments, not as"):
        node.create_publisher(Float64, "d", qos, on_deadline=lambda event: None)
    with pytest.raises(TypeError, match="a timer's callback is called without arguments, not as"):
        node.create_timer(1.0, lambda event: None)


def test_a_misspelt_field_that_is_read() -> None:
    twist: Any = Twist()
    with pytest.raises(AttributeError, match="Twist has no field 'liner'; did you mean 'linear'"):
        _ = twist.liner
    assert not hasattr(twist, "_liner")


def test_a_callback_group_is_to_be_left_out(graph: Graph) -> None:
    class Grouped(Node):
        def __init__(self) -> None:
            super().__init__("grouped")
            self.create_timer(1.0, self.shutdown, callback_group=None)  # type: ignore[call-arg]

    with pytest.raises(TypeError, match="'callback_group'; leave it out: one thread runs all"):
        graph.add(Grouped)


def test_an_attribute_that_is_rclpys_is_told_with_what_to_write() -> None:
    with pytest.raises(AttributeError, match=r"that is rclpy's; .*`run\(MyNode\)`"):
        _ = dsmq_nodes.ok


def test_words_of_ros_in_a_qos_profile_are_taken_or_refused_with_the_reason() -> None:
    known = QoSProfile(
        depth=3, reliability="best_effort", history="keep_last", liveliness="automatic"
    )
    assert known == QoSProfile(depth=3)
    wrong: Any
    for wrong, told in (
        ({"reliability": 1}, "it has no effect: no pairing is refused"),
        ({"history": "keep_all"}, "give the depth that is enough"),
        ({"liveliness": "manual_by_topic"}, "give a `deadline` to be told"),
    ):
        with pytest.raises(ValueError, match=told):
            QoSProfile(**wrong)


def test_a_timers_period_is_changed_while_it_ticks(graph: Graph) -> None:
    node = graph.add(Mistaken)
    timer = node.create_timer(1.0, lambda: None)
    graph.run_for(2.5)
    assert timer.ticks == 2
    timer.timer_period_ns = 100_000_000
    graph.run_for(1.05)
    assert timer.ticks == 12
    with pytest.raises(ValueError, match="more than 0 s"):
        timer.timer_period_ns = 0
    timer.cancel()
    timer.timer_period_ns = 10_000_000
    graph.run_for(1.0)
    assert timer.ticks == 12


@pytest.mark.skipif(sys.version_info < (3, 14), reason="`def` evaluates annotations here")
def test_an_annotation_may_name_what_only_type_checkers_import(graph: Graph) -> None:
    infos = []

    def on_value(_: Float64, info: MessageInfo) -> None:
        infos.append(info.topic_name)

    def too_many(_: Float64, info: MessageInfo, more: object) -> None: ...

    node: Any = graph.add(lambda: Node("n"))
    node.create_subscription(Float64, "value", on_value, 1)
    graph.inject("value", Float64())
    graph.run_for(0.1)
    assert infos == ["/value"]
    with pytest.raises(TypeError, match=r"not as .*too_many.*info: MessageInfo, more: object"):
        node.create_subscription(Float64, "other", too_many, 1)
    with pytest.raises(TypeError, match=r"without arguments, not as .*info: MessageInfo"):
        node.create_timer(1.0, on_value)


def test_a_decorator_may_give_arguments_of_its_own(graph: Graph) -> None:
    """What counts is what the kit calls, not the function in the decorator."""
    came: list[int] = []

    def with_gain(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*args: Any) -> Any:
            return function(*args, 7)

        return called

    class Scaled(Node):
        def __init__(self, gain: int) -> None:
            super().__init__(f"scaled_by_{gain}")
            self.create_timer(1.0, self.tick)

        @with_gain
        def tick(self, gain: int) -> None:
            came.append(gain)

    assert graph.add(with_gain(Scaled)).get_name() == "scaled_by_7"
    graph.run_for(1.5)
    assert came == [7]


@pytest.mark.parametrize("name", [5, None, Node])
def test_a_node_whose_name_is_no_text(name: Any) -> None:
    with pytest.raises(TypeError, match="a node's name is a text such as 'motor', not"):
        Node(name)


def test_a_class_is_not_spun() -> None:
    given: Any = Node
    with pytest.raises(TypeError, match=r"what is spun is a Node, not <class .*: write `Node\(\)`"):
        dsmq_nodes.spin(given)
    with pytest.raises(TypeError, match="what is spun is a Node, not 5"):
        dsmq_nodes.spin_once(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="what is waited for is a Future, not 5"):
        dsmq_nodes.spin_until_future_complete(given, 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"a broker is 'host:port' or \(host, port\), not 30008"):
        Node("other", broker=30008)  # type: ignore[arg-type]


def test_a_future_that_cannot_be_made_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    with pytest.raises(TypeError, match="missing 3 required positional arguments"):
        dsmq_nodes.Future()  # type: ignore[call-arg]
    gc.collect()
    assert not unraisable


def test_a_message_that_is_a_dataclass_or_is_not_made_by_its_base() -> None:
    @dataclasses.dataclass
    class Pose(Message):
        x: float = 0.0

    class Mine(Message):
        x: float = 0.0

        def __init__(self, x: float) -> None:
            self.x = x

    for make in (Pose, Mine):
        with pytest.raises(TypeError, match="sets 'x' before Message"):
            make(2.0)  # type: ignore[call-arg]


def test_a_node_of_many_parameters_names_some() -> None:
    class Many(Node):
        def __init__(self) -> None:
            super().__init__("many")
            for number in range(2000):
                self.declare_parameter(f"p{number}", 0)

    with Graph() as graph, pytest.raises(ParameterError, match="there is no parameter") as told:
        graph.add(Many, params={"q": 1})
    assert len(str(told.value)) < 1000


def test_a_subscription_that_nothing_reads(graph: Graph, caplog: pytest.LogCaptureFixture) -> None:
    node = graph.add(Mistaken)
    callback = node.on_x()  # type: ignore[func-returns-value]
    node.create_subscription(Float64, "x", callback, 1)
    for _ in range(3):
        graph.inject("x", Float64())
        graph.run_for(0.1)
    (told,) = [each for each in caplog.messages if "/x" in each]
    assert "nothing reads it with `async for msg in subscription`" in told


def test_a_parameter_without_a_default(graph: Graph) -> None:
    node = graph.add(Mistaken)
    with pytest.warns(UserWarning, match="'a' is declared without a default") as told:
        node.declare_parameter("a")
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=r"'g\.b'") as told:
        node.declare_parameters("g", [("b",)])
    assert told[0].filename == __file__
    with pytest.raises(ParameterError, match="'c' is declared without a default"):
        node.declare_parameter("c", None, ParameterDescriptor(description="m/s"))
    with pytest.raises(ParameterError, match="'d' is declared without"):
        node.declare_parameters("", [("d", None)])
    node.declare_parameter("e", None, ParameterDescriptor(dynamic_typing=True))
    assert node.set_parameters([Parameter("a", None, 1)])[0].successful
