"""Parameters: models and declarations, from inside and from outside, in virtual time."""

import datetime as dt
import math
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field, field_validator

from dsmq_nodes import Node, Parameter, Parameters
from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.parameters.parameter_files import dump_parameters
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.service_wire import NODE_SERVICES
from dsmq_nodes.graph.spin.environment import NodeEnvironment
from dsmq_nodes.messages import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterEvent,
    SetParametersResult,
)
from dsmq_nodes.messages import Parameter as ParameterMessage
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetParameters,
    GetParameterTypes,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from dsmq_nodes.testing import Graph


class Pid(Parameters):
    kp: float = Field(1.0, gt=0, description="gain of the error")
    ki: float = 0.0


class Motor(Node):
    """Has a model, with a group, a range, a choice and what is read-only."""

    class Params(Parameters):
        pid: Pid = Pid()
        port: str = Field("/dev/ttyUSB0", frozen=True)
        count: int = Field(3, ge=0, le=10)
        mode: Literal["slow", "fast"] = "slow"
        offsets: list[float] = []
        limit: float | None = None

    params: Params

    def __init__(self) -> None:
        super().__init__("motor")


class Told(Node):
    """Is told values by whoever makes it."""

    class Params(Motor.Params):
        model_config = ConfigDict(extra="allow")

    params: Params

    def __init__(self, *told: Parameter) -> None:
        super().__init__("told", parameter_overrides=told)
        self.declare_parameter("gain.left", 1.0)
        self.declare_parameter("gain.right", 1.0)


class Declarer(Node):
    """Declares one by one, as in rclpy."""

    def __init__(self) -> None:
        super().__init__("declarer")
        self.declare_parameter("kp", 1.0)
        self.declare_parameter("name", "left")
        ranged = ParameterDescriptor(
            description="turns", integer_range=[IntegerRange(from_value=0, to_value=10, step=2)]
        )
        self.declare_parameter("turns", 4, ranged)


class Asker(Node):
    """Calls the services of another node."""

    def __init__(self, other: str) -> None:
        super().__init__("asker")
        self.other = other

    def ask(self, graph: Graph, service: str, srv_type: Any, **fields: Any) -> Any:
        answers: list[Any] = []

        async def call() -> None:
            client = self.create_client(srv_type, f"{self.other}/{service}")
            assert await client.wait_for_service_async(1.0)
            answers.append(await client.call(srv_type.Request(**fields), 1.0))
            self.destroy_client(client)

        self.create_task(call())
        graph.run_for(0)
        return answers[0]

    def get(self, graph: Graph, *names: str) -> list[Any]:
        response = self.ask(graph, "get_parameters", GetParameters, names=list(names))
        return [
            Parameter.from_parameter_msg(ParameterMessage(name="x", value=value)).value
            for value in response.values
        ]

    def set(self, graph: Graph, **values: Any) -> list[tuple[bool, str]]:
        msgs = [Parameter(name.replace("__", "."), None, v) for name, v in values.items()]
        parameters = [each.to_parameter_msg() for each in msgs]
        response = self.ask(graph, "set_parameters", SetParameters, parameters=parameters)
        return [(each.successful, each.reason) for each in response.results]


@pytest.fixture
def motor(graph: Graph) -> Motor:
    return graph.add(Motor)


@pytest.fixture
def asker(graph: Graph) -> Asker:
    return graph.add(lambda: Asker("/motor"))


def test_who_makes_a_node_overrides_the_launch_file(graph: Graph) -> None:
    told = {"pid.kp": 2.5, "count": 5, "gain.left": 3.0, "use_sim_time": True}
    node = graph.add(
        lambda: Told(*(Parameter(name, value=told[name]) for name in told)),
        params={"pid": {"kp": 9.0, "ki": 7.0}, "count": 9, "gain": {"left": 9.0, "right": 7.0}},
    )
    assert (node.params.pid.kp, node.params.pid.ki, node.params.count) == (2.5, 7.0, 5)
    assert [node.get_parameter(f"gain.{side}").value for side in ("left", "right")] == [3.0, 7.0]
    assert node.use_sim_time
    with pytest.raises(ParameterError, match=r"parameters of /told: count: .* got 11"):
        Told(Parameter("count", value=11))


class TestDeclared:
    def test_values_and_types(self, graph: Graph) -> None:
        node = graph.add(Declarer)
        assert node.get_parameter("kp").value == 1.0
        assert node.get_parameter("kp").type_ is Parameter.Type.DOUBLE
        assert [each.value for each in node.get_parameters(["name", "turns"])] == ["left", 4]
        assert node.has_parameter("kp")
        assert not node.has_parameter("ki")
        with pytest.raises(ParameterError, match="there is no parameter 'kpp', did you mean 'kp'"):
            node.get_parameter("kpp")

    def test_what_the_launch_file_gives_overrides_the_default(self, graph: Graph) -> None:
        node = graph.add(Declarer, params={"kp": 3, "turns": 8})
        assert node.get_parameter("kp").value == 3.0
        assert isinstance(node.get_parameter("kp").value, float)
        assert node.get_parameter("turns").value == 8

    @pytest.mark.parametrize(
        ("params", "problem"),
        [
            ({"turn": 2}, "there is no parameter 'turn', did you mean 'turns'"),
            ({"kp": "high"}, "kp: it is to be double, not 'high'"),
            ({"kp": True}, "kp: it is to be double, not True"),
            ({"turns": 12}, "turns: it is to be from 0 to 10, not 12"),
            ({"turns": 3}, "turns: it is to be in steps of 2 from 0, not 3"),
            ({"turns": 2.0}, "turns: it is to be integer"),
        ],
    )
    def test_what_does_not_fit_is_told(
        self, graph: Graph, params: dict[str, Any], problem: str
    ) -> None:
        with pytest.raises(ParameterError, match=problem):
            graph.add(Declarer, params=params)

    def test_groups_of_the_launch_file(self, graph: Graph) -> None:
        def make() -> Node:
            node = Node("a")
            any_type = ParameterDescriptor(dynamic_typing=True)
            declared: list[Any] = [("kp", 1.0), ("inner.ki", 0.5), ("kd", None, any_type)]
            node.declare_parameters("pid", declared)
            return node

        node = graph.add(make, params={"pid": {"kp": 2.0, "inner": {"ki": 0.1}}, "pid.kd": 7})
        values = {name: p.value for name, p in node.get_parameters_by_prefix("pid").items()}
        assert values == {"kp": 2.0, "inner.ki": 0.1, "kd": 7}

    def test_a_type_alone_has_to_be_given(self, graph: Graph) -> None:
        def make() -> Node:
            node = Node("a")
            node.declare_parameter("port", Parameter.Type.STRING)
            return node

        given = graph.add(make, name="given", params={"port": "x"})
        assert given.get_parameter("port").value == "x"
        with pytest.raises(ParameterError, match="port: it has no default and was not given"):
            graph.add(make)

    def test_dynamic_typing_and_alternatives(self, graph: Graph) -> None:
        node = graph.add(Declarer)
        node.declare_parameter("any", None, ParameterDescriptor(dynamic_typing=True))
        fallback = Parameter("any", None, "none")
        assert node.get_parameter_or("any", fallback).value == "none"
        assert node.set_parameters([Parameter("any", None, 5)])[0].successful
        assert node.set_parameters([Parameter("any", None, "five")])[0].successful
        assert node.get_parameter_or("any", fallback).value == "five"
        assert node.get_parameter_or("other", fallback) is fallback

    def test_an_empty_default_is_an_array_of_what_comes(self, graph: Graph) -> None:
        class Lists(Node):
            def __init__(self) -> None:
                super().__init__("lists")
                self.declare_parameter("sources", [])
                self.declare_parameter("gains", [])

        node = graph.add(Lists, params={"gains": [1.0, 2.0]})
        assert node.get_parameter("sources").value == []
        assert node.get_parameter("gains").value == [1.0, 2.0]
        asker = graph.add(lambda: Asker("/lists"))
        (value,) = asker.ask(graph, "get_parameters", GetParameters, names=["sources"]).values
        assert (value.type, value.byte_array_value) == (Parameter.Type.BYTE_ARRAY, b"")
        (wrong,) = node.set_parameters([Parameter("sources", value=3)])
        assert (wrong.successful, wrong.reason) == (False, "sources: it is to be an array, not 3")
        node.declare_parameter("flags", [True])
        emptied, wrong = (node.set_parameters([Parameter("flags", value=v)])[0] for v in ([], [1]))
        assert (emptied.successful, wrong.successful) == (True, False)
        (right,) = node.set_parameters([Parameter("sources", value=["a", "b"])])
        assert right.successful
        (wrong,) = node.set_parameters([Parameter("sources", value=[1])])
        assert "it is to be string array" in wrong.reason

    def test_names_twice_wrong_or_undeclared(self, graph: Graph) -> None:
        node = graph.add(Declarer)
        with pytest.raises(ParameterError, match="has a parameter 'kp' already"):
            node.declare_parameter("kp", 1.0)
        with pytest.raises(ParameterError, match="no name of a parameter"):
            node.declare_parameter("", 1.0)
        with pytest.raises(TypeError, match="a parameter is a bool, int"):
            node.declare_parameter("map", {"a": 1})
        node.undeclare_parameter("kp")
        assert not node.has_parameter("kp")
        with pytest.raises(ParameterError, match="there is no parameter 'kp'"):
            node.undeclare_parameter("kp")
        node.declare_parameter("id", 7, ParameterDescriptor(read_only=True))
        with pytest.raises(ParameterError, match="read-only"):
            node.undeclare_parameter("id")
        assert node.set_parameters([Parameter("id", None, 8)])[0].reason == "id is read-only"


class TestModel:
    def test_groups_are_known_by_names_with_dots(self, motor: Motor) -> None:
        assert motor.get_parameter("pid.kp").value == 1.0
        assert motor.set_parameters([Parameter("pid.kp", None, 2)])[0].successful
        assert motor.params.pid.kp == 2.0
        motor.params.count = 5
        assert motor.get_parameter("count").value == 5
        assert motor.get_parameter("limit").type_ is Parameter.Type.NOT_SET

    def test_from_the_launch_file_in_both_forms(self, graph: Graph) -> None:
        with pytest.raises(ParameterError, match=r"'pid.kpp', did you mean 'pid.kp'\?.* pid.ki"):
            graph.add(Motor, params={"pid.kpp": 2.0})
        node = graph.add(Motor, params={"pid.kp": 2.0, "pid": {"ki": 0.5}})
        assert (node.params.pid.kp, node.params.pid.ki) == (2.0, 0.5)

    def test_all_or_none(self, motor: Motor) -> None:
        wanted = [Parameter("count", None, 4), Parameter("pid.kp", None, -1.0)]
        result = motor.set_parameters_atomically(wanted)
        assert not result.successful
        assert result.reason == "pid.kp: Input should be greater than 0, got -1.0"
        assert motor.params.count == 3
        results = motor.set_parameters(wanted)
        assert [each.successful for each in results] == [True, False]
        assert motor.params.count == 4

    def test_the_object_stays_the_same(self, motor: Motor) -> None:
        params = motor.params
        motor.set_parameters([Parameter("mode", None, "fast")])
        assert params is motor.params
        assert params.mode == "fast"

    def test_fields_and_declarations_together(self, graph: Graph) -> None:
        class Open(Node):
            class Params(Parameters, extra="ignore"):
                kp: float = 1.0

            def __init__(self) -> None:
                super().__init__("open")
                self.declare_parameter("ki", 0.0)

        node = graph.add(Open, params={"kp": 2, "ki": 3})
        assert [node.get_parameter(name).value for name in ("kp", "ki")] == [2.0, 3.0]
        with pytest.raises(ParameterError, match="of its model and stays"):
            node.undeclare_parameter("kp")
        graph.remove(node)
        with pytest.raises(ParameterError, match="there is no parameter 'kd'"):
            graph.add(Open, params={"kd": 1})


class TestDescriptors:
    @pytest.mark.parametrize(
        ("name", "descriptor"),
        [
            (
                "pid.kp",
                ParameterDescriptor(
                    type=3,
                    description="gain of the error",
                    additional_constraints="more than 0",
                    floating_point_range=[FloatingPointRange(from_value=0, to_value=math.inf)],
                ),
            ),
            ("port", ParameterDescriptor(type=4, read_only=True)),
            (
                "count",
                ParameterDescriptor(type=2, integer_range=[IntegerRange(to_value=10)]),
            ),
            (
                "mode",
                ParameterDescriptor(type=4, additional_constraints="one of 'slow', 'fast'"),
            ),
            ("offsets", ParameterDescriptor(type=8)),
            ("limit", ParameterDescriptor(type=3, dynamic_typing=True)),
        ],
    )
    def test_of_a_model(self, motor: Motor, name: str, descriptor: ParameterDescriptor) -> None:
        descriptor.name = name
        assert motor.describe_parameter(name) == descriptor

    def test_of_declarations(self, graph: Graph) -> None:
        node = graph.add(Declarer)
        found = node.describe_parameters(["turns", "kp"])
        assert [(each.name, each.type, each.description) for each in found] == [
            ("turns", 2, "turns"),
            ("kp", 3, ""),
        ]
        with pytest.raises(ParameterError):
            node.describe_parameter("kq")


class TestCallbacks:
    def test_on_set_is_asked_and_post_set_is_told(self, motor: Motor) -> None:
        asked: list[str] = []

        def first(parameters: list[Parameter]) -> SetParametersResult:
            asked.append("first")
            return SetParametersResult(successful=True)

        def second(parameters: list[Parameter]) -> SetParametersResult:
            asked.append("second")
            fits = all(each.value != 9 for each in parameters)
            return SetParametersResult(successful=fits, reason="" if fits else "not 9")

        told: list[list[Parameter]] = []
        motor.add_on_set_parameters_callback(first)
        motor.add_on_set_parameters_callback(second)
        motor.add_post_set_parameters_callback(told.append)
        assert motor.set_parameters([Parameter("count", None, 9)])[0].reason == "not 9"
        assert (asked, told, motor.params.count) == (["second"], [], 3)
        assert motor.set_parameters([Parameter("pid.kp", None, 5)])[0].successful
        assert told == [[Parameter("pid.kp", None, 5.0)]]
        assert asked == ["second", "second", "first"]
        motor.remove_on_set_parameters_callback(second)
        motor.remove_post_set_parameters_callback(told.append)
        assert motor.set_parameters([Parameter("count", None, 9)])[0].successful
        assert len(told) == 1

    def test_events(self, graph: Graph) -> None:
        events = graph.observe(ParameterEvent, "/parameter_events")
        node = graph.add(Declarer)
        graph.run_for(1.0)
        assert events == []
        node.set_parameters([Parameter("kp", None, 2.0)])
        node.set_parameters([Parameter("kp", None, "no")])
        node.declare_parameter("late", True)
        node.undeclare_parameter("late")
        graph.run_for(0)
        assert [each.node for each in events] == ["/declarer"] * 3
        changed, new, deleted = events
        assert changed.changed_parameters[0].value.double_value == 2.0
        assert (new.new_parameters[0].name, deleted.deleted_parameters[0].name) == ("late", "late")


class TestFromOutside:
    def test_get_and_set(self, graph: Graph, motor: Motor, asker: Asker) -> None:
        assert asker.get(graph, "pid.kp", "mode", "nothing") == [1.0, "slow", None]
        answers = asker.set(graph, pid__kp=2, mode="fast", count=11, port="x", cuont=1)
        assert answers == [
            (True, ""),
            (True, ""),
            (False, "count: Input should be less than or equal to 10, got 11"),
            (False, "port is read-only"),
            (False, "/motor: there is no parameter 'cuont', did you mean 'count'?"),
        ]
        assert (motor.params.pid.kp, motor.params.mode) == (2.0, "fast")
        assert asker.get(graph, "pid.kp") == [2.0]

    def test_atomically(self, graph: Graph, motor: Motor, asker: Asker) -> None:
        parameters = [
            Parameter("count", None, 4).to_parameter_msg(),
            Parameter("mode", None, "medium").to_parameter_msg(),
        ]
        service = "set_parameters_atomically"
        answer = asker.ask(graph, service, SetParametersAtomically, parameters=parameters)
        assert not answer.result.successful
        assert "mode: Input should be 'slow' or 'fast'" in answer.result.reason
        assert motor.params.count == 3
        answer = asker.ask(graph, service, SetParametersAtomically, parameters=parameters[:1])
        assert answer.result.successful
        assert motor.params.count == 4

    def test_list_describe_types(self, graph: Graph, motor: Motor, asker: Asker) -> None:
        listed = asker.ask(graph, "list_parameters", ListParameters).result
        names = ["pid.kp", "pid.ki", "port", "count", "mode", "offsets", "limit", "use_sim_time"]
        assert (listed.names, listed.prefixes) == (names, ["pid"])
        flat = asker.ask(graph, "list_parameters", ListParameters, depth=1).result
        assert flat.names == names[2:]
        group = asker.ask(graph, "list_parameters", ListParameters, prefixes=["pid"]).result
        assert group.names == names[:2]
        types = asker.ask(
            graph, "get_parameter_types", GetParameterTypes, names=["count", "mode", "no"]
        )
        assert list(types.types) == [2, 4, 0]
        described = asker.ask(
            graph, "describe_parameters", DescribeParameters, names=["count", "no"]
        ).descriptors
        assert [each.type for each in described] == [2, 0]
        assert described[0].integer_range[0].to_value == 10

    def test_a_node_may_do_without(self, graph: Graph) -> None:
        graph.add(lambda: Node("shut", start_parameter_services=False))
        asker = graph.add(lambda: Asker("/shut"))
        client = asker.create_client(GetParameters, "/shut/get_parameters")
        graph.run_for(0)
        assert not client.service_is_ready()
        assert len(NODE_SERVICES) == 8


VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(st.characters(codec="utf-8")),
    st.binary(),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.floats(allow_nan=False), min_size=1),
    st.lists(st.text(st.characters(codec="utf-8")), min_size=1),
)


@given(VALUES)
def test_values_survive_the_message(value: Any) -> None:
    parameter = Parameter("p", None, value)
    text = parameter.to_parameter_msg().to_json()
    back = Parameter.from_parameter_msg(ParameterMessage.from_json(text))
    assert back == parameter


@given(st.dictionaries(st.sampled_from(["a", "b.c", "b.d", "e.f.g"]), VALUES))
def test_values_survive_the_yaml_file(values: dict[str, Any]) -> None:
    parameters = [Parameter(name, None, value) for name, value in sorted(values.items())]
    data = yaml.safe_load(dump_parameters("/ns/node", parameters))
    read = flat(data["/ns/node"]["ros__parameters"])
    back = [Parameter(name, None, value) for name, value in read.items()]
    assert sorted(map(repr, back)) == sorted(map(repr, parameters))


def test_a_wrong_type_in_a_message() -> None:
    message = Parameter("p", None, 1).to_parameter_msg()
    message.value.type = 77
    with pytest.raises(TypeError, match="p: there is no parameter type 77"):
        Parameter.from_parameter_msg(message)
    with pytest.raises(TypeError, match="p: it is to be integer, not True"):
        Parameter("p", Parameter.Type.INTEGER, True)
    assert Parameter("p", Parameter.Type.DOUBLE_ARRAY, (1, 2.5)).value == [1.0, 2.5]
    assert repr(Parameter("p", None, [1, 2.5])) == "Parameter('p', DOUBLE_ARRAY, [1.0, 2.5])"


class Odd(Parameters):
    gains: list[float] = []
    names: list[str] = ["a"]
    maybe: list[int] | None = None
    raw: bytes = b"\xff"
    limit: float = 1.0
    count: int = 1


class OddNode(Node):
    Params = Odd
    params: Odd

    def __init__(self) -> None:
        super().__init__("odd")


class TestOddValues:
    def test_an_empty_list_is_of_the_type_of_the_field(self, graph: Graph) -> None:
        odd, asker = graph.add(OddNode), graph.add(lambda: Asker("/odd"))
        assert asker.set(graph, gains=[], names=[], maybe=[], raw=[]) == [(True, "")] * 4
        assert (odd.params.gains, odd.params.names, odd.params.maybe) == ([], [], [])
        assert odd.params.raw == b""
        assert odd.get_parameter("gains").type_ is Parameter.Type.DOUBLE_ARRAY
        assert asker.set(graph, limit=[])[0][0] is False

    def test_bytes_nan_and_infinity(self, graph: Graph) -> None:
        odd, asker = graph.add(OddNode), graph.add(lambda: Asker("/odd"))
        assert asker.set(graph, raw=b"\xfe\xff", limit=math.inf) == [(True, "")] * 2
        assert asker.get(graph, "raw", "limit") == [b"\xfe\xff", math.inf]
        assert asker.set(graph, limit=math.nan, gains=[math.nan]) == [(True, "")] * 2
        assert math.isnan(odd.params.limit)

    def test_from_the_launch_file(self, graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
        told = NodeEnvironment(params={"limit": math.inf, "gains": [math.nan], "raw": [1, 255]})
        for name, value in told.dump().items():
            monkeypatch.setenv(name, value)
        params = NodeEnvironment.load().params
        monkeypatch.undo()
        odd = graph.add(OddNode, params=params)
        assert (odd.params.limit, odd.params.raw) == (math.inf, b"\x01\xff")
        assert math.isnan(odd.params.gains[0])

    def test_an_integer_has_64_bits(self, graph: Graph) -> None:
        with pytest.raises(ParameterError, match="count: an integer parameter has 64 bits"):
            graph.add(OddNode, params={"count": 2**63})
        for value in (2**63, [-(2**63) - 1]):
            with pytest.raises(TypeError, match="64 bits"):
                Parameter("count", None, value)
        assert Parameter("x", Parameter.Type.DOUBLE, 2**70).value == 2.0**70
        with pytest.raises(TypeError, match="beyond what double can hold"):
            Parameter("x", Parameter.Type.DOUBLE, 10**400)

    @pytest.mark.parametrize("value", [[[1]], [1, "a"], [True, 1], [{"a": 1}]])
    def test_what_no_parameter_can_be_is_one_line(self, graph: Graph, value: Any) -> None:
        def make() -> Node:
            node = Node("n")
            node.declare_parameter("p", [1.0])
            return node

        with pytest.raises(ParameterError, match="p: it is to be double array, not ") as caught:
            graph.add(make, params={"p": value})
        assert "\n" not in str(caught.value)


class Speed(Enum):
    SLOW = "slow"
    FAST = "fast"


class Gear(IntEnum):
    FIRST = 1
    SECOND = 2


@pytest.mark.parametrize(
    ("kind", "default", "written", "read"),
    [
        (Speed, Speed.SLOW, "fast", Speed.FAST),
        (Gear, Gear.FIRST, 2, Gear.SECOND),
        (list[Speed], [], ["fast"], [Speed.FAST]),
        (Speed | None, None, "fast", Speed.FAST),
        (tuple[float, float], (0.0, 1.0), [0.5, 2], (0.5, 2.0)),
        (set[int], {1}, [2], {2}),
        (Path, Path("/a"), "/b", Path("/b")),
        (dt.timedelta, dt.timedelta(0), "PT2S", dt.timedelta(seconds=2)),
        (Decimal, Decimal(1), "2.50", Decimal("2.50")),
    ],
    ids=str,
)
def test_what_yaml_has_in_another_form_is_read(
    graph: Graph, kind: Any, default: Any, written: Any, read: Any
) -> None:
    class Inner(Parameters):
        value: kind = default
        other: int = 0

    class Kinds(Node):
        class Params(Parameters):
            value: kind = default
            unset: kind = default
            group: Inner = Inner()

        params: Params

        def __init__(self) -> None:
            super().__init__("kinds")

    node = graph.add(Kinds, params={"value": written, "group.value": written})
    assert (node.params.value, node.params.group.value, node.params.unset) == (read, read, default)
    again = graph.add(Kinds, name="again", params={"value": read})
    assert again.params.value == read
    with pytest.raises(ParameterError, match=r"value: Input should be .*, got None|other: .*'x'"):
        graph.add(Kinds, name="wrong", params={"value": written, "group.other": "x"})


@pytest.mark.parametrize("more", [{}, {"speed": "fast"}], ids=["plain", "as YAML"])
def test_members_of_a_group_that_are_not_given_keep_the_groups_default(
    graph: Graph, more: dict[str, Any]
) -> None:
    class Pid(Parameters):
        p: float = 1.0
        i: float = 0.0

    class Arm(Parameters):
        pid: Pid = Pid()
        limit: float = 1.0

    class Moves(Node):
        class Params(Parameters):
            arm: Arm = Arm(pid=Pid(p=5.0), limit=0.2)
            gains: dict[str, float] = {"a": 1.0}
            speed: Speed = Speed.SLOW

        params: Params

        def __init__(self) -> None:
            super().__init__("moves")

    node = graph.add(Moves, params={"arm.pid.i": 0.1, "gains": {"b": 2.0}, **more})
    assert node.params.arm == Arm(pid=Pid(p=5.0, i=0.1), limit=0.2)
    assert node.params.gains == {"b": 2.0}


def test_a_wrong_value_beside_a_default_that_json_has_not_is_told(graph: Graph) -> None:
    class Holds(Node):
        class Params(Parameters):
            held: object = object()
            count: int = 0

        params: Params

        def __init__(self) -> None:
            super().__init__("holds")

    with pytest.raises(ParameterError, match="count: Input should be a valid integer, got 'x'"):
        graph.add(Holds, params={"count": "x"})


def test_a_tuple_beneath_a_validator_hinders_no_other_parameter(graph: Graph) -> None:
    class Limited(Node):
        class Params(Parameters):
            limits: tuple[int, int] = (0, 1)
            gain: float = 1.0

            @field_validator("limits", mode="before")
            @classmethod
            def check(cls, value: Any) -> Any:
                return value

        params: Params

        def __init__(self) -> None:
            super().__init__("limited")

    node = graph.add(Limited, params={"limits": [2, 3]})
    (found,) = node.set_parameters([Parameter("gain", value=2.0)])
    assert (found.successful, node.params.gain, node.params.limits) == (True, 2.0, (2, 3))
    (found,) = node.set_parameters([Parameter("gain", value="2.0")])
    assert not found.successful
