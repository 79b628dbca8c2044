"""The comparison of two types: its rules, its text, and what it promises."""

import json
from typing import Any, Literal, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import create_model

import dsmq_nodes.messages as all_messages
from dsmq_nodes.errors import MessageError
from dsmq_nodes.graph.topics.compatible import TopicEnd, TypeDifference, compare, explain, remark
from dsmq_nodes.messages import Imu, LaserScan, Message, PoseStamped, TwistStamped, Vector3
from dsmq_nodes.messages.fields import Matrix3x3, Matrix6x6, int8, uint8, uint16
from dsmq_nodes.messages.schema.definition import ros_type


def message(**fields: Any) -> type[Message]:
    """A type with these fields; `(type, default)`, or a type alone for a field that is required."""
    given_fields = {
        name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()
    }
    made: type[Message] = create_model("Made", __base__=Message, **given_fields)  # type: ignore[call-overload]
    return made


def found(expected: type[Message], sent: type[Message]) -> list[TypeDifference]:
    return list(compare(expected.schema(), sent.schema()).differences)


class Tree(Message):
    left: "Tree | None" = None
    right: "Tree | None" = None
    value: float = 0.0


class OtherTree(Message):
    left: "OtherTree | None" = None
    right: "OtherTree | None" = None
    value: str = ""


def fields_of(made: type[Message]) -> dict[str, Any]:
    return {
        name: field.annotation if field.is_required() else (field.annotation, field.default)
        for name, field in made.model_fields.items()
    }


def shown(kind: Any) -> str:
    is_plain = isinstance(kind, tuple) or get_origin(kind) is Literal
    return str(kind) if is_plain else ros_type(kind)


class TestFields:
    def test_the_issues_example(self) -> None:
        differences = found(message(ranges=list[float]), message(ranges=float))
        assert differences == [TypeDifference("ranges", "array of number", "number")]
        text = explain(
            "/scan", TopicEnd("/avoider", 9, "a"), TopicEnd("/lidar", 812, "b"), differences
        )
        assert text == (
            "/scan: subscriber '/avoider' (pid 9) expects ranges: array of number, "
            "publisher '/lidar' (pid 812) sends ranges: number"
        )

    @pytest.mark.parametrize(
        ("expected", "sent", "told"),
        [
            (int, float, ("integer", "number")),
            (float, str, ("number", "string")),
            (bytes, str, ("bytes", "string")),
            (bool, int, ("boolean", "integer")),
            (uint8, bytes, ("integer 0 to 255", "bytes")),
            (list[int], list[float], ("integer", "number")),
            (Matrix3x3, Matrix6x6, ("array of 9 number", "array of 36 number")),
            (float, float | None, ("number", "number or null")),
            (dict[str, float], dict[str, bytes], ("number", "bytes")),
            (dict[str, float], Vector3, ("map of number", "object {x, y, z}")),
            (Literal["a", "b"], Literal["c"], ("one of 'a', 'b'", "one of 'c'")),
        ],
        ids=shown,
    )
    def test_what_does_not_fit(self, expected: Any, sent: Any, told: tuple[str, str]) -> None:
        [difference] = found(message(field=expected), message(field=sent))
        assert difference.field.startswith("field")
        assert (difference.expected, difference.sent) == told

    @pytest.mark.parametrize(
        ("expected", "sent"),
        [
            (float, int),
            (list[float], list[int]),
            (float | None, float),
            (float | str | None, int),
            (uint16, uint8),
            (uint8, int),
            (int8, uint8),
            (Matrix3x3, list[float]),
            (Any, Imu),
            (Imu, Any),
            (str, Literal["a"]),
            (Literal["a", "b"], Literal["b", "c"]),
            (dict[str, float], dict[str, int]),
            (list[Vector3], list[Vector3]),
        ],
        ids=shown,
    )
    def test_what_fits(self, expected: Any, sent: Any) -> None:
        assert not found(message(field=expected), message(field=sent))

    def test_a_difference_has_its_whole_path(self) -> None:
        ours = message(poses=list[message(where=message(x=float))])  # type: ignore[misc]
        theirs = message(poses=list[message(where=message(x=str))])  # type: ignore[misc]
        assert [each.field for each in found(ours, theirs)] == ["poses[].where.x"]

    def test_types_that_contain_themselves(self) -> None:
        assert not found(Tree, Tree)
        assert [each.field for each in found(Tree, OtherTree)] == ["value"]


class TestVersions:
    def test_a_new_field_of_the_publisher_is_ignored(self) -> None:
        verdict = compare(message(a=float).schema(), message(a=float, b=float).schema())
        assert (verdict.differences, verdict.not_known, verdict.not_sent) == ((), ("b",), ())

    def test_a_new_field_of_the_subscriber_needs_a_default(self) -> None:
        old = message(a=float)
        verdict = compare(message(a=float, b=(float, 0.0)).schema(), old.schema())
        assert (verdict.differences, verdict.not_sent) == ((), ("b",))
        assert found(message(a=float, b=float), old) == [TypeDifference("b", "number", "")]

    def test_a_renamed_field_is_a_difference_though_it_has_a_default(self) -> None:
        ours = message(header=str, temperature=(float, 0.0))
        theirs = message(header=str, temp=(float, 0.0))
        assert found(ours, theirs) == [
            TypeDifference("temperature", "number", ""),
            TypeDifference("temp", "", "number"),
        ]

    def test_two_types_of_which_every_field_has_a_default(self) -> None:
        assert [each.field for each in found(PoseStamped, TwistStamped)] == ["pose", "twist"]
        assert found(LaserScan, Imu)
        assert found(Imu, all_messages.Empty)

    def test_whose_fields_are_not_wanted_may_send_anything(self) -> None:
        assert not found(all_messages.Empty, Imu)

    def test_every_standard_type_fits_itself(self) -> None:
        types = [getattr(all_messages, name) for name in dir(all_messages)]
        # Services are there too; their two messages are no names of the package.
        for schema in (each.schema() for each in types if issubclass(each, Message)):
            assert compare(schema, json.loads(json.dumps(schema))).differences == ()


class TestText:
    SUBSCRIBER, PUBLISHER = TopicEnd("/a", 1, "x/msg/A"), TopicEnd("", 2, "b/msg/B")

    def test_several_fields_are_lines(self) -> None:
        differences = found(message(a=int, b=int, c=int), message(a=int, b=str))
        assert explain("/t", self.SUBSCRIBER, self.PUBLISHER, differences).splitlines() == [
            "/t: subscriber '/a' (pid 1) expects x/msg/A, "
            "publisher a client (pid 2) sends b/msg/B:",
            "  b: expects integer, sends string",
            "  c: expects integer, not sent",
        ]

    def test_many_fields_are_counted(self) -> None:
        fields = {f"field_{number}": int for number in range(20)}
        lines = explain(
            "/t", self.SUBSCRIBER, self.PUBLISHER, found(message(**fields), message(b=int))
        ).splitlines()
        assert len(lines) == 10
        assert lines[-1] == "  and 13 more"

    def test_a_field_that_is_not_sent(self) -> None:
        differences = found(message(a=int, b=int), message(a=int))
        assert explain("/t", self.SUBSCRIBER, self.PUBLISHER, differences) == (
            "/t: subscriber '/a' (pid 1) expects b: integer, publisher a client (pid 2) does not "
            "send it"
        )

    def test_two_names_of_one_structure_are_a_remark(self) -> None:
        verdict = compare(message(a=int).schema(), message(a=int).schema())
        text = remark("/t", self.SUBSCRIBER, self.PUBLISHER, verdict)
        assert "x/msg/A and b/msg/B are taken for one type" in text
        assert remark("/t", self.SUBSCRIBER, self.SUBSCRIBER, verdict) == ""

    def test_a_foreign_name_cannot_forge_a_line(self) -> None:
        theirs = {"type": "object", "properties": {"a\n[ERROR] b": {"type": "str\ning"}}}
        differences = compare(message(a=int).schema(), theirs).differences
        text = explain("/t", self.SUBSCRIBER, self.PUBLISHER, differences)
        assert text.count("\n") == len(differences) == 2


leaves: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers(-(2**31), 2**31)),
    (float, st.floats(allow_nan=False)),
    (str, st.text(st.characters(exclude_categories=["Cs"]), max_size=3)),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=3)),
]


@st.composite
def kinds(draw: st.DrawFn, depth: int = 2) -> tuple[Any, st.SearchStrategy[Any]]:
    """A type of a field, and its values."""
    shape = draw(st.sampled_from(["leaf", "leaf", "list", "maybe", "map", "message"]))
    if shape == "leaf" or not depth:
        kind, inner = draw(st.sampled_from(leaves))
        return kind, inner
    if shape == "message":
        made = draw(types(depth - 1))
        return made[0], made[1]
    kind, inner = draw(kinds(depth - 1))
    if shape == "list":
        return list[kind], st.lists(inner, max_size=2)  # type: ignore[valid-type]
    if shape == "map":
        return dict[str, kind], st.dictionaries(st.sampled_from("xy"), inner, max_size=2)  # type: ignore[valid-type]
    return kind | None, st.none() | inner


@st.composite
def types(draw: st.DrawFn, depth: int = 2) -> tuple[type[Message], st.SearchStrategy[Any]]:
    """A message type of a few fields, some with defaults, and its messages."""
    fields: dict[str, Any] = {}
    inner: dict[str, st.SearchStrategy[Any]] = {}
    for name in draw(st.lists(st.sampled_from("abc"), unique=True, max_size=3)):
        kind, strategy = draw(kinds(depth))
        has_default = draw(st.booleans())
        fields[name] = (kind, draw(strategy)) if has_default else kind
        inner[name] = strategy
    made = message(**fields)
    return made, st.builds(made, **inner)


SLOW = settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)


@pytest.mark.slow
@SLOW
@given(types(), types(), st.data())
def test_what_fits_can_be_read(
    ours: tuple[type[Message], Any], theirs: tuple[type[Message], Any], data: st.DataObject
) -> None:
    if not found(ours[0], theirs[0]):
        ours[0].from_json(data.draw(theirs[1]).to_json())


@pytest.mark.slow
@SLOW
@given(types(), st.data())
def test_a_type_fits_itself_and_its_newer_version(
    made: tuple[type[Message], Any], data: st.DataObject
) -> None:
    old = made[0]
    new = message(**{**fields_of(old), "added": (float, 0.0)})
    assert not found(old, old)
    assert not found(old, new)
    if old.model_fields:
        assert not found(new, old)
        assert new.from_json(data.draw(made[1]).to_json()).added == 0.0  # type: ignore[attr-defined]


@pytest.mark.slow
@SLOW
@given(types(), types(), st.data())
def test_what_cannot_be_read_was_told(
    ours: tuple[type[Message], Any], theirs: tuple[type[Message], Any], data: st.DataObject
) -> None:
    sent = data.draw(theirs[1])
    try:
        ours[0].from_json(sent.to_json())
    except MessageError:
        assert found(ours[0], theirs[0])


WORDS = ["$ref", "$defs", "a", "type", "anyOf", "oneOf", "properties", "required", "items"]
WORDS += ["additionalProperties", "enum", "const", "minimum", "maximum", "minItems"]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner
            | st.sampled_from(["object", "array", "#", "#/$defs/a", "#/properties", ["object"]]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.just("properties"), junk) | junk, junk)
def test_any_json_is_compared(one: Any, other: Any) -> None:
    for expected, sent in ((one, other), (other, one), (one, one), (Imu.schema(), one)):
        verdict = compare(expected, sent)
        explain("/t", TopicEnd("/a", 1, ""), TopicEnd("/b", 2, ""), verdict.differences)
        remark("/t", TopicEnd("/a", 1, ""), TopicEnd("/b", 2, ""), verdict)


def test_what_would_take_for_ever_is_given_up() -> None:
    laughs: dict[str, Any] = {"$ref": "#/$defs/0"}
    laughs["$defs"] = {
        str(level): {"anyOf": [{"$ref": f"#/$defs/{level + 1}"}] * 9} for level in range(40)
    }
    wide: dict[str, Any] = {"$ref": "#/$defs/0"}
    wide["$defs"] = {
        str(level): {
            "type": "object",
            "properties": {f"f{n}": {"$ref": f"#/$defs/{level + 1}"} for n in range(9)},
        }
        for level in range(40)
    }
    for schema in (laughs, wide):
        assert compare(schema, json.loads(json.dumps(schema))).differences == ()
        compare(Imu.schema(), schema)
