"""Fields inside dataclasses, typed dicts and named tuples behave as fields of a message do."""

import dataclasses
import enum
import math
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import pytest
from pydantic import Field, TypeAdapter, ValidationError, create_model
from typing_extensions import TypedDict

from dsmq_nodes.messages import Message


@dataclasses.dataclass
class Plain:
    x: float = 0.0
    raw: bytes = b""


@dataclasses.dataclass
class Nested:
    one: Plain
    more: list[Plain]


@dataclasses.dataclass
class Tree:
    x: float
    branches: "list[Tree]"


class Table(TypedDict):
    x: float


class Pair(NamedTuple):
    x: float = 0.0
    y: float = 0.0


class Inner(Message):
    x: float = 0.0


@dataclasses.dataclass
class WithMessage:
    inner: Inner
    x: float


NAN = math.nan
FIELDS = [
    (Plain, Plain(NAN, b"\xff\x00")),
    (Plain | None, Plain(math.inf)),
    (list[Plain], [Plain(-math.inf), Plain(NAN)]),
    (dict[str, Plain], {"a": Plain(NAN)}),
    (tuple[Plain, float], (Plain(NAN), NAN)),
    (Nested, Nested(Plain(NAN), [Plain(math.inf)])),
    (Tree, Tree(NAN, [Tree(math.inf, [])])),
    (Table, {"x": NAN}),
    (list[Table], [{"x": math.inf}]),
    (Pair, Pair(NAN, math.inf)),
    (list[Pair] | None, [Pair(NAN)]),
    (WithMessage, WithMessage(Inner(x=NAN), NAN)),
    (Sequence[float], [NAN, 1.0]),
    (Sequence[bytes], [b"\xff"]),
    (deque[bytes], deque([b"\xff"])),
    (defaultdict[str, float], defaultdict(float, a=NAN)),
    (defaultdict[str, list[bytes]], defaultdict(list, a=[b"\xff"])),
    (Plain | Table, Plain(NAN)),
]


@pytest.mark.parametrize(("annotation", "value"), FIELDS, ids=[str(each) for each, _ in FIELDS])
def test_nan_infinity_and_bytes_come_back_from_every_container(annotation: Any, value: Any) -> None:
    # Once and twice: pydantic keeps a type that it meets twice in another place of its schema.
    class Once(Message):
        field: annotation

    class Twice(Message):
        field: annotation
        again: annotation

    for msg in (Once(field=value), Twice(field=value, again=value)):
        assert repr(type(msg).from_json(msg.to_json())) == repr(msg)
        assert repr(type(msg).from_dict(msg.to_dict())) == repr(msg)


def test_a_list_in_a_dataclass_takes_a_tuple() -> None:
    class Log(Message):
        nested: Nested

    assert Log(nested=Nested(Plain(), [])).nested.more == []
    assert Log.from_dict({"nested": {"one": {"x": 1.0}, "more": ({"x": 2.0},)}}).nested.more == [
        Plain(2.0)
    ]


def test_a_wrong_value_in_a_dataclass_is_named_by_its_path() -> None:
    class Log(Message):
        nested: Nested

    with pytest.raises(ValueError, match=r"nested\.more\.0\.x: Input should be a valid number"):
        Log.from_json('{"nested":{"one":{},"more":[{"x":"fast"}]}}')


def test_a_dataclass_outside_of_messages_stays_as_pydantic_has_it() -> None:
    class Log(Message):
        plain: Plain

    Log(plain=Plain(NAN))
    with pytest.raises(ValidationError):
        TypeAdapter(Plain).validate_json('{"x":"NaN"}', strict=True)


@pytest.mark.parametrize(
    ("kind", "named"),
    [(float, "float"), (list[float], "list"), (tuple[int, int], "tuple"), (bytes, "bytes")],
    ids=str,
)
def test_an_error_of_one_of_several_kinds_names_them(kind: Any, named: str) -> None:
    class Log(Message):
        field: kind | int

    with pytest.raises(ValueError, match=rf"field\.{named}: Input should .*; field\.int: Input"):
        Log(field=object())


class Kind(enum.Enum):
    CIRCLE = "circle"
    SQUARE = "square"


class Circle(Message):
    kind: Literal[Kind.CIRCLE] = Kind.CIRCLE


class Square(Message):
    kind: Literal[Kind.SQUARE] = Kind.SQUARE


class Drawing(Message):
    shape: Circle | Square = Field(default_factory=Circle, discriminator="kind")
    last: Literal[Kind.CIRCLE, 5] | None = None


@pytest.mark.parametrize("last", [Kind.CIRCLE, 5, None])
def test_a_literal_of_an_enumeration_comes_back(last: Any) -> None:
    sent = Drawing(shape=Square(), last=last)
    assert Drawing.from_json(sent.to_json()) == sent


class Pairs(enum.Enum):
    ONE = [1, 2]


def test_a_literal_that_json_does_not_keep_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Raw: JSON does not keep <Pairs\.ONE"):
        create_model("Raw", __base__=Message, kind=(cast("Any", Literal[Pairs.ONE]), Pairs.ONE))
    with pytest.raises(TypeError, match="Raw: JSON does not keep b'a'"):
        create_model("Raw", __base__=Message, kind=(Literal[b"a"], b"a"))
