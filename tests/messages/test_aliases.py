"""A field has one name for others: its alias, where it has one, however it is read or told."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from dsmq_nodes import Message, Node, Parameter, Parameters
from dsmq_nodes.bag import Bag, BagWriter
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.recorded_schemas import schema_text
from dsmq_nodes.errors import MessageError, ParameterError
from dsmq_nodes.messages.schema.definition import message_definition
from dsmq_nodes.testing import Graph


class Transfer(Message):
    from_: str = Field("", alias="from")
    picture: bytes = Field(b"", validation_alias="class", serialization_alias="class")
    legs: list["Transfer"] = []


class Wheel(Message):
    model_config = ConfigDict(alias_generator=to_camel)
    wheel_speed: float
    gains: list[float] = []


def test_a_message_reads_what_it_writes() -> None:
    inner = Transfer.from_dict({"from": "B"})
    given: dict[str, Any] = {"from": "A", "class": b"x" * 2000, "legs": [inner]}
    sent = Transfer(**given)
    text, field, _ = sent.to_parts()
    assert json.loads(text)["from"] == "A"
    assert not field, "the bytes are in the text"
    assert Transfer.from_json(sent.to_json()) == sent
    assert Transfer.from_dict(sent.to_dict()) == sent
    assert sent.from_ == "A"
    wheel = Wheel(wheelSpeed=math.inf, gains=[1.0])  # type: ignore[call-arg]
    assert wheel.to_json() == '{"wheelSpeed":"Infinity","gains":[1.0]}'
    assert Wheel.from_json(wheel.to_json()) == wheel
    assert Transfer(from_="A", picture=b"x" * 2000, legs=[inner]) == sent, "as Python writes it"
    assert Wheel(wheel_speed=math.inf, gains=[1.0]) == wheel
    with pytest.raises(MessageError, match="did you mean 'wheelSpeed'"):
        Wheel(wheel_spee=1.0)  # type: ignore[call-arg]
    with pytest.raises(MessageError, match="wheelSpeed"):
        Wheel(wheel_speed=1.0, wheelSpeed=2.0)  # type: ignore[call-arg]


def test_what_is_told_of_a_type_has_the_same_names() -> None:
    assert list(Wheel.schema()["properties"]) == ["wheelSpeed", "gains"]
    assert Wheel.schema()["required"] == ["wheelSpeed"]
    assert Wheel.definition() == "float64 wheelSpeed\nfloat64[] gains\n"
    names = [field.name for field in message_definition(Transfer).fields]
    assert names == ["from", "class", "legs"]


def test_published_and_recorded(tmp_path: Path) -> None:
    class Sender(Node):
        def __init__(self) -> None:
            super().__init__("sender")
            self.publisher = self.create_publisher(Wheel, "wheel", 1)

    with Graph() as graph:
        seen = graph.observe(Wheel, "wheel")
        graph.add(Sender).publisher.publish(Wheel(wheelSpeed=2.0))  # type: ignore[call-arg]
        graph.run_for(0.1)
    assert [each.wheel_speed for each in seen] == [2.0]
    channel = Channel("/wheel", Wheel.type_name, schema_text(Wheel.schema()))
    with BagWriter(tmp_path / "b") as writer:
        writer.write(channel, 1, seen[0].to_json().encode(), 1, 1)
    (recorded,) = Bag(writer.paths[0])
    assert isinstance(recorded.msg, Message)
    assert recorded.msg.to_dict()["wheelSpeed"] == 2.0


@pytest.mark.parametrize("base", [Message, Parameters])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"validation_alias": "v"}, "x is to have one name .* read as 'v' and written as 'x'"),
        ({"serialization_alias": "s"}, "read as 'x' and written as 's': write `Field\\(alias"),
        ({"validation_alias": AliasChoices("a", "b")}, "read as any of several names"),
        ({"exclude": True}, "x is not written, .* give it a default"),
    ],
)
def test_two_names_of_a_field_are_refused_with_its_class(
    base: Any, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(TypeError, match=told):

        class _Two(base):  # type: ignore[misc]
            x: int = Field(**options)


@pytest.mark.parametrize("base", [Message, Parameters])
def test_a_class_that_is_made_by_names_and_aliases_is_checked_at_once(base: Any) -> None:
    class Wheels(base):  # type: ignore[misc]
        model_config = ConfigDict(populate_by_name=True, alias_generator=to_camel)
        mean_speed: float = 0.0

    assert Wheels.__pydantic_complete__
    with pytest.raises(TypeError, match=r"x is to have one name .* read as 'v'"):

        class _Two(base):  # type: ignore[misc]
            model_config = ConfigDict(populate_by_name=True)
            x: int = Field(validation_alias="v")


class Plain(BaseModel):
    """A class of pydantic's own, whose configuration does not write aliases."""

    speed: float = Field(0.0, alias="v")


def test_a_plain_model_inside_is_read_as_it_was_written() -> None:
    class Drive(Message):
        one: Plain = Plain()
        more: list[Plain] = []

    sent = Drive(one=Plain(v=1.0), more=[Plain(v=2.0)])
    assert sent.to_dict() == {"one": {"v": 1.0}, "more": [{"v": 2.0}]}
    assert Drive.from_json(sent.to_json()) == sent
    assert Drive.from_dict(sent.to_dict()) == sent


def test_two_names_of_a_field_of_a_plain_model_inside_are_refused() -> None:
    class Odd(BaseModel):
        speed: float = Field(0.0, validation_alias="v")

    with pytest.raises(TypeError, match=r"Odd: speed is to have one name .* read as 'v'"):

        class _Drive(Message):
            inner: list[Odd] = []


def test_a_config_that_ignores_aliases_is_refused() -> None:
    with pytest.raises(TypeError, match=r"x is 'class' for others: leave .* out of model_config"):

        class _Silent(Message):
            model_config = ConfigDict(serialize_by_alias=False)
            x: int = Field(alias="class")


def test_a_validator_of_the_whole_message_changes_nothing_else() -> None:
    class Level(Message):
        low: float = 0.0
        raw: bytes = b""
        all: list[float] = []

        @model_validator(mode="after")
        def _is_one(self) -> "Level":
            return self

    sent = Level(low=math.inf, raw=b"\xff", all=[1.0])
    assert Level.from_json(sent.to_json()) == sent


class Tuned(Node):
    class Params(Parameters):
        gain: float = Field(1.0, alias="lambda", ge=0)

        class Group(Parameters):
            limits: list[float] = Field([], alias="for")

        group: Group = Field(Group(), alias="class")

    params: Params

    def __init__(self) -> None:
        super().__init__("tuned")


def test_a_parameters_name_is_its_alias() -> None:
    with Graph() as graph:
        node = graph.add(Tuned, params={"lambda": 2, "class": {"for": [1]}})
        assert (node.params.gain, node.params.group.limits) == (2.0, [1.0])
        assert node.get_parameter("lambda").value == 2.0
        assert node.describe_parameter("class.for").type == Parameter.Type.DOUBLE_ARRAY
        change = node.set_parameters_atomically
        assert change([Parameter("lambda", None, 3.0), Parameter("class.for", None, [])]).successful
        assert (node.params.gain, node.params.group.limits) == (3.0, [])
        assert "lambda" in change([Parameter("lambda", None, -1.0)]).reason
    with Graph() as graph, pytest.raises(ParameterError, match=r"no parameter 'gain' .it has: lam"):
        graph.add(Tuned, params={"gain": 2.0})
