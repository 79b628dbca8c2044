"""Messages by the schema of their type alone are what they are by their class."""

import enum
import json
import math
import os
import uuid
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from dsmq_nodes import Message
from dsmq_nodes.cli.show.message_text import Style, may_have_field
from dsmq_nodes.cli.show.value_texts import message_of, text_of
from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages import Header, Point
from dsmq_nodes.messages.schema.dynamic import decoded, encoded, written


class Inner(Message):
    x: float = math.nan


class Level(Message):
    value: float = math.inf
    all: list[float] = []
    maybe: float | None = None
    several: list[float] | None = None
    named: dict[str, float] = {"a": -math.inf}
    inner: Inner = Inner()
    many: list[Inner] = []
    text: str = "NaN"


SCHEMA: dict[str, Any] = json.loads(schema_text(Level))
NUMBERS = st.sampled_from([".nan", ".inf", "-.inf", "1.5", "-1", "NaN", "1e400"])


@given(st.lists(NUMBERS, min_size=7, max_size=7))
def test_nan_and_infinity_go_in_and_out(given_: list[str]) -> None:
    a, b, c, d, e, f, g = given_
    values = (
        f"{{value: {a}, all: [{b}, {c}], maybe: {d}, several: [{e}], named: {{k: {f}}}, "
        f"inner: {{x: {g}}}, many: [{{x: {a}}}, {{}}]}}"
    )
    text = text_of("p/msg/Level", SCHEMA, values)
    by_class: Any = message_of(Level, values)
    assert repr(Level.from_json(text)) == repr(by_class)
    shown = decoded(json.loads(text), SCHEMA)
    again = Level(**{**shown, "inner": Inner(), "many": []}) if "-1" not in given_ else by_class
    assert repr((again.value, again.all, again.several)) == repr(
        (by_class.value, by_class.all, by_class.several)
    )
    assert shown["text"] == "NaN"
    assert "'NaN'" not in written(shown | {"text": ""}, SCHEMA, "p/msg/Level")


def test_in_every_form_of_echo() -> None:
    text = text_of("p/msg/Level", SCHEMA, "{all: [.nan, -.inf]}")
    assert Style(field="all").show(text, SCHEMA) == "- .nan\n- -.inf\n---"
    assert Style(field="all", form="csv").show(text, SCHEMA) == "nan,-inf"
    assert Style(field="all[-1]").show(text, SCHEMA) == "-inf\n---"
    assert json.loads(Style(field="all", form="json").show(text)) == ["NaN", "-Infinity"]
    assert Style(field="text").show(text, SCHEMA) == "NaN\n---"


@pytest.mark.parametrize("values", ["{text: .nan}", "{value: hello}", "{inner: {x: [1]}}"])
def test_what_does_not_fit_is_one_line(values: str) -> None:
    with pytest.raises(CommandError) as caught:
        text_of("p/msg/Level", SCHEMA, values)
    assert "\n" not in str(caught.value)


def test_an_integer_beyond_64_bits_is_no_traceback() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "any": {}}}
    assert json.loads(text_of("T", schema, "{n: 1" + "0" * 30 + "}"))["n"] == 10**30
    with pytest.raises(CommandError, match="expects integer, got nan"):
        text_of("T", schema, "{n: .nan}")


def test_a_schema_whose_types_contain_each_other_without_end_is_refused() -> None:
    inner = {name: {"$ref": "#/$defs/A"} for name in "abcdef"}
    schema = {"type": "object", "properties": inner, "$defs": {"A": {"properties": inner}}}
    schema["$defs"]["A"]["type"] = "object"  # type: ignore[index]
    with pytest.raises(CommandError, match="more than 10000 parts"):
        encoded({}, schema, "p/msg/Endless")


class Circle(Message):
    kind: Literal["circle"] = "circle"
    size: float = 0.0


class Square(Message):
    kind: Literal["square"] = "square"
    size: float = 0.0
    picture: bytes = b""


class Form(enum.Enum):
    OVAL = "oval"


class Round(Message):
    kind: Literal["round", Form.OVAL] = "round"
    size: str = "small"


class Edge(Message):
    length: float = 0.0
    ends: tuple[float, float] = (0.0, 0.0)


class Line(Message):
    kind: Literal["line"] = "line"
    edge: Edge = Edge()


class Drawing(Message):
    figure: Round | Circle | Line = Circle()
    outline: Edge | Circle | Line = Edge()
    shape: Circle | Square = Circle()
    told: Circle | Square = Field(default_factory=Circle, discriminator="kind")
    shapes: list[Circle | Square] = []
    extra: dict[str, Any] = {}


@pytest.mark.parametrize(
    "values",
    [
        "{shape: {kind: square, size: .nan, picture: [255]}, extra: {a: 1, b: [x, {c: null}]}}",
        "{told: {kind: square, size: .inf, picture: [1]}, shapes: [{kind: circle}, {picture: []}]}",
        "{figure: {kind: circle, size: 2.0}, told: {kind: square}}",
    ],
)
def test_a_field_of_several_types_is_of_the_one_that_has_the_fields(values: str) -> None:
    schema = json.loads(schema_text(Drawing))
    text = text_of("p/msg/Drawing", schema, values)
    by_class = Drawing.from_json(text)
    assert by_class.shape.kind == "square" or by_class.told.kind == "square"
    again = encoded(decoded(json.loads(text), schema), schema, "p/msg/Drawing")
    assert repr(Drawing.from_dict(again)) == repr(by_class)
    assert Style(field="shape.picture").show(Drawing(shape=Square()).to_json(), schema) == "[]\n---"


def test_values_of_a_literal_are_once_in_its_schema() -> None:
    kind = json.loads(schema_text(Round))["properties"]["kind"]
    assert kind == {"default": "round", "enum": ["round", "oval"], "type": "string"}


@pytest.mark.parametrize(
    ("path", "may"),
    [
        *(("outline.kind", True), ("outline.size", True), ("outline.edge.ends[1]", True)),
        *(("outline.ends[0]", True), ("outline.edge.kind", False), ("outline[0]", False)),
        *(("shapes[0].picture[1]", True), ("extra.a[0].b", True), ("outlines", False)),
    ],
)
def test_a_field_of_any_of_several_types_may_come(path: str, may: bool) -> None:
    assert may_have_field(json.loads(schema_text(Drawing)), path) == may


def test_a_field_that_none_of_several_types_has_is_named() -> None:
    schema = json.loads(schema_text(Drawing))
    with pytest.raises(
        CommandError, match=r"shape\.sise: there is no such field; did you mean 'size'"
    ):
        text_of("p/msg/Drawing", schema, "{shape: {kind: circle, sise: 1.0}}")


class Order(Message):
    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    pid: int = Field(default_factory=os.getpid)
    speeds: list[float] = [1.0, 2.0]
    joints: list[float] = [0.0] * 3
    home: Point = Point(z=math.inf)
    figure: Circle | Line = Line()
    header: Header = Header()
    covariance: Annotated[list[float], Field(min_length=2, max_length=2)] = [0.0, 0.0]


def test_absent_fields_have_the_default_of_the_class() -> None:
    schema = json.loads(schema_text(Order))
    filled = json.loads(text_of("p/msg/Order", schema, "{}"))
    made = Order.from_dict(filled)
    assert made == Order(id=made.id)
    assert filled.keys() == Order.model_fields.keys() - {"id", "pid"}  # readers make their own


def test_absent_fields_of_a_schema_without_defaults_are_zero() -> None:
    """As a bridge makes it of a ROS type."""
    point = {"type": "object", "properties": {"x": {"type": "number"}}}
    fields = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": point}
    schema = {"type": "object", "properties": fields}
    assert json.loads(text_of("p/msg/X", schema, "{a: 1}")) == {"a": 1, "b": "", "c": {"x": 0.0}}
