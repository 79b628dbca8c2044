"""What JSON has in another form is read back, beneath validators too; or its class is refused."""

import datetime as dt
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    Base64Bytes,
    BeforeValidator,
    Json,
    PlainSerializer,
    WrapSerializer,
    field_serializer,
    field_validator,
    model_validator,
)

from dsmq_nodes.messages import Message


class Corner(Message):
    at: tuple[int, int] = (0, 0)


class Gear(IntEnum):
    FIRST = 1


class Side(Enum):
    LEFT = 1
    RIGHT = "r"


class Leds(IntFlag):
    RED = 1
    BLUE = 2


KINDS = [
    (tuple[int, str], (1, "a")),
    (set[int], {1}),
    (frozenset[str], frozenset("a")),
    (deque[int], deque([1])),
    (Counter[str], Counter("aab")),
    (OrderedDict[str, int], OrderedDict(b=1, a=2)),
    (dt.datetime, dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
    (dt.date, dt.date(2026, 1, 2)),
    (dt.time, dt.time(1, 2, 3, 4)),
    (dt.timedelta, dt.timedelta(seconds=-1.5)),
    (Decimal, Decimal("1.50")),
    (complex, 1 + 2j),
    (Path, Path("/a")),
    (UUID, UUID(int=3)),
    (Gear, Gear.FIRST),
    (Side, Side.RIGHT),
    (Leds, Leds.RED | Leds.BLUE),
    (dict[int, set[int]], {1: {2}}),
    (dict[Gear, float], {Gear.FIRST: 1.0}),
    (tuple[int, int] | None, (1, 2)),
    (list[tuple[int, int]], [(1, 2)]),
    (Corner, Corner(at=(1, 2))),
    (list[Corner], [Corner(at=(1, 2))]),
]


def plain(kind: Any) -> type[Message]:
    class Log(Message):
        field: kind

    return Log


def beneath_the_models(kind: Any) -> type[Message]:
    class Log(Message):
        field: kind

        @model_validator(mode="before")
        @classmethod
        def check(cls, values: Any) -> Any:
            return values

    return Log


def beneath_the_fields(kind: Any) -> type[Message]:
    class Log(Message):
        field: kind

        @field_validator("field", mode="wrap")
        @classmethod
        def check(cls, value: Any, go_on: Callable[[Any], Any]) -> Any:
            return go_on(value)

    return Log


def beneath_the_annotations(kind: Any) -> type[Message]:
    return plain(Annotated[kind, BeforeValidator(lambda value: value)])


@pytest.mark.parametrize(
    "make", [plain, beneath_the_models, beneath_the_fields, beneath_the_annotations]
)
@pytest.mark.parametrize(("kind", "value"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_a_value_comes_back(kind: Any, value: Any, make: Callable[[Any], type[Message]]) -> None:
    message_type = make(kind)
    message = message_type(field=value)
    found: Any = message_type.from_json(message.to_json())
    assert found == message
    assert type(found.field) is type(value)


def from_hex(value: Any) -> Any:
    return bytes.fromhex(value) if isinstance(value, str) else value


Hex = Annotated[bytes, PlainSerializer(bytes.hex), BeforeValidator(from_hex)]
Text = Annotated[bytes, PlainSerializer(bytes.decode)]
Rounded = PlainSerializer(lambda value: round(value, 1))


@pytest.mark.parametrize("make", [plain, beneath_the_models])
@pytest.mark.parametrize(
    ("kind", "value", "text", "read"),
    [
        (Annotated[float, Rounded], 1.26, "1.3", 1.3),
        (Annotated[float, PlainSerializer(lambda value: f"{value:.1f}")], 1.26, '"1.3"', 1.3),
        (Annotated[float, WrapSerializer(lambda value, dump: dump(-value))], 1.5, "-1.5", -1.5),
        (list[Annotated[float, Rounded] | None], [1.26, None], "[1.3,null]", [1.3, None]),
        (Annotated[int, PlainSerializer(str)], 7, '"7"', 7),
        (Annotated[bool, PlainSerializer(int)], True, "1", True),
        (Hex, b"\xff", '"ff"', b"\xff"),
        (dict[str, Hex], {"a": b"\xff"}, '{"a":"ff"}', {"a": b"\xff"}),
        (Text, b"abcd", '"abcd"', b"abcd"),
        (Annotated[bytes, WrapSerializer(lambda raw, dump: dump(raw[:1]))], b"aa", '"YQ=="', b"a"),
        (Base64Bytes, b"aGk=", '"aGk="', b"hi"),
    ],
)
def test_what_a_serializer_of_ones_own_writes_is_read(
    kind: Any, value: Any, text: str, read: Any, make: Callable[[Any], type[Message]]
) -> None:
    message_type = make(kind)
    written = message_type(field=value).to_json()
    assert written == f'{{"field":{text}}}'
    found: Any = message_type.from_json(written)
    assert (found.field, type(found.field)) == (read, type(read))


def test_a_serializer_of_a_field_that_has_to_be_given_is_called() -> None:
    class Level(Message):
        percent: float

        @field_serializer("percent")
        def rounded(self, value: float) -> float:
            return round(value, 1)

    assert Level(percent=1.26).to_json() == '{"percent":1.3}'


@pytest.mark.parametrize("make", [plain, beneath_the_models])
def test_a_value_of_another_type_is_refused_in_python(
    make: Callable[[Any], type[Message]],
) -> None:
    with pytest.raises(ValueError, match="field: Input should be a valid datetime"):
        make(dt.datetime)(field="2026-01-02")


@pytest.mark.parametrize(
    "kind",
    [
        dict[tuple[int, str], float],
        dict[str | None, float],
        dict[Side, float],
        dict[Leds, float],
        dict[Literal[1, 2], float],
    ],
    ids=str,
)
def test_keys_that_cannot_be_read_are_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match="Log: the keys of a dict are texts in JSON"):
        plain(kind)


@pytest.mark.parametrize("kind", [Iterable[int], Json[list[int]]], ids=str)
def test_a_kind_that_is_not_read_as_it_is_written_is_refused(kind: Any) -> None:
    with pytest.raises(TypeError, match=r"Log: an? (Iterable|Json) is .*: use "):
        plain(kind)


@pytest.mark.parametrize("kind", [Callable[[], int], type[int]], ids=str)
def test_code_is_no_value_of_a_field(kind: Any) -> None:
    with pytest.raises(TypeError, match="Log: a function or a class has no JSON"):
        plain(kind)
