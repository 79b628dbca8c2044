"""The compiled codec is pydantic's equal: the same texts, the same messages, the same refusals."""

import gc
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import (
    Float64MultiArray,
    Header,
    Imu,
    Int64,
    JointState,
    Message,
    Path,
    PoseStamped,
    String,
    TFMessage,
    Time,
    TransformStamped,
    UInt64,
    Vector3,
    base,
)
from dsmq_nodes.messages.codec import _plans, codec
from dsmq_nodes.messages.fields import uint8
from dsmq_nodes.speedups import make_plan
from tests.support.message_values import STANDARD, any_message, types, values

compiled = pytest.mark.skipif(make_plan is None, reason="the compiled part is not there")


@contextmanager
def pydantic_alone() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(_plans, clear=True):
        patch.setattr(base, "codec", lambda _cls: None)
        yield


def outcome(work: Callable[[], object]) -> object:
    """What a call returns, NaN being equal to NaN, or its error."""
    try:
        return told(work())
    except (MessageError, ValidationError, TypeError) as error:
        return str(error)


def told(value: object) -> object:
    """A value with everything that can differ: types, signs of zeros, which fields were set."""
    if isinstance(value, Message):
        hidden = [value.__pydantic_extra__, value.__pydantic_private__]
        inside = [(name, told(each)) for name, each in value.__dict__.items()]
        return type(value), inside, value.model_fields_set, hidden
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else (value, math.copysign(1, value))
    return type(value), value


def assert_equal_dump(message: Message) -> str:
    found = outcome(message.to_json)
    with pydantic_alone():
        assert found == outcome(message.to_json)
    return found[1] if isinstance(found, tuple) else ""


def assert_equal_load(cls: type[Message], text: str | bytes) -> None:
    found = outcome(lambda: cls.from_json(text))
    with pydantic_alone():
        assert found == outcome(lambda: cls.from_json(text))


@given(any_message)
def test_every_message_is_the_same_text_and_comes_back_the_same(message: Message) -> None:
    text = assert_equal_dump(message)
    assert_equal_load(type(message), text)
    assert_equal_load(type(message), text.encode())


@given(st.data())
def test_damaged_texts_are_read_or_refused_the_same(data: st.DataObject) -> None:
    message = data.draw(any_message)
    text = bytearray(message.to_json().encode())
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(start + 4, len(text))))
        text[start:end] = data.draw(st.sampled_from(PIECES) | st.binary(max_size=3))
    assert_equal_load(type(message), bytes(text))


PIECES = [
    *(b"", b" ", b"\n", b",", b":", b'"', b"{", b"}", b"[", b"]", b"{}", b"[]", b"null", b"true"),
    *(b"-", b"-0", b"0", b"1", b".", b".0", b"e", b"e5", b"E-7", b"e400", b"1" * 25, b'"1.5"'),
    *(b'"NaN"', b'"-Infinity"', b"NaN", b"\\", b'\\"', b"\\n", b"\\u0041", b"\\ud800", b"\x00"),
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b'"x":1,', b'"header":{},', b"[" * 300, b"256"),
]


@given(st.data())
def test_texts_of_other_layouts_are_read_the_same(data: st.DataObject) -> None:
    message = data.draw(any_message)
    values = json.loads(message.to_json())
    names = data.draw(st.permutations(list(values)))
    some = {name: values[name] for name in names if data.draw(st.booleans())}
    more: Any = data.draw(st.sampled_from([{}, {"_call": 1}, {"other": [1, {"a": None}]}]))
    separators = data.draw(st.sampled_from([None, (",", ":")]))
    assert_equal_load(type(message), json.dumps({**some, **more}, separators=separators))


@given(st.data())
def test_a_truncated_text_is_refused_the_same(data: st.DataObject) -> None:
    message = data.draw(any_message)
    text = message.to_json()
    assert_equal_load(type(message), text[: data.draw(st.integers(0, len(text)))])


@given(st.lists(st.floats()))
def test_floats(values: list[float]) -> None:
    assert_equal_load(Float64MultiArray, assert_equal_dump(Float64MultiArray(data=values)))


EDGES = [
    *(0.0, -0.0, 1e15, 9999999999999998.0, 1e16, 123456789012345680.0, 1e22, 1e300, 1e-4, 1e-5),
    *(9.999e-6, 1e-6, 1.5e-7, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 0.1, 0.3),
    *(1 / 3, 9.81, 999999999.999999, 1e9, 1234567.891, 4.35, 0.000001, 0.00001, 2.675, 100.0),
    *(math.nan, math.inf, -math.inf),
]


def test_a_float_has_pydantics_text() -> None:
    for value in EDGES:
        assert_equal_load(Vector3, assert_equal_dump(Vector3(x=value, y=-value)))


NUMBERS = [
    *("1", "-1", "0", "-0", "-0.0", "0.0", "00", "01", "1.", ".5", "+1", "1e5", "1E+5", "1e-5"),
    *("1e", "1e+", "0x1", "1_0", "1e400", "-1e400", "1e-400", "9007199254740993", "1" * 16),
    *("1" * 17, "1" * 19, "1" * 400, "0." + "1" * 40, "1" * 30 + ".5", "0.1234567890123456"),
    *("123456789012345.6", "1.00000000000000000000000001", "NaN", "Infinity", '"NaN"', '"nan"'),
    *('"1.5"', '""', "true", "null", "[]", "{}", "1.0e0", "0e0", "-0e0", "9223372036854775807"),
    *("9223372036854775808", "-9223372036854775808", "-9223372036854775809"),
    *("18446744073709551615", "18446744073709551616", "1.0", "5.5"),
]


class Any64(Message):
    data: int = 0


@pytest.mark.parametrize("cls", [Vector3, Int64, UInt64, Any64])
def test_a_number_is_read_as_pydantic_reads_it(cls: type[Message]) -> None:
    for number in NUMBERS:
        inside = ",".join(f'"{name}":{number}' for name in cls.model_fields)
        assert_equal_load(cls, f"{{{inside}}}")


TEXTS = [
    *("", "a", "\x00", "\x1f", "\x7f", '"', "\\", "\b\t\n\f\r/", "é", "\u2028", "🤖", "\ufeff"),
    *("x" * 7 + '"', "x" * 8 + "\x01", "1234567é", "12345678é", "\ud800", "a\udfffb"),
    *(chr(number) * 9 for number in range(300)),
]


def test_a_text_is_written_and_read_as_pydantic_does() -> None:
    for text in TEXTS:
        assert_equal_load(String, assert_equal_dump(String.model_construct(data=text)))


@given(st.binary(max_size=12))
def test_text_that_is_not_utf8_is_refused_the_same(data: bytes) -> None:
    assert_equal_load(String, b'{"data":"' + data + b'"}')


# ---- what is changed in place


CHANGES: dict[str, Callable[[Any], object]] = {
    "a list too long": lambda imu: imu.orientation_covariance.append(0.0),
    "an int among floats": lambda imu: imu.orientation_covariance.__setitem__(0, 1),
    "a text among floats": lambda imu: imu.orientation_covariance.__setitem__(0, "1"),
    "a bool among floats": lambda imu: imu.orientation_covariance.__setitem__(0, True),
    "a field of another type": lambda imu: imu.__dict__.update(orientation="x"),
    "a field more": lambda imu: imu.__dict__.update(other=1),
    "a field less": lambda imu: imu.__dict__.pop("orientation"),
    "fields in another order": lambda imu: imu.__dict__.update(header=imu.__dict__.pop("header")),
    "an inner message of a subclass": lambda imu: imu.__dict__.update(header=Labelled()),
    "an int out of its range": lambda imu: imu.header.stamp.__dict__.update(nanosec=-1),
    "a huge int": lambda imu: imu.header.stamp.__dict__.update(nanosec=2**70),
    "a surrogate": lambda imu: imu.header.__dict__.update(frame_id="\ud800"),
    "a subclass of str": lambda imu: imu.header.__dict__.update(frame_id=Text("a")),
    "a tuple": lambda imu: imu.__dict__.update(orientation_covariance=(0.0,) * 9),
}


class Labelled(Header):
    label: str = "a"


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_message_changed_in_place_is_written_or_refused_the_same(
    change: Callable[[Imu], object],
) -> None:
    imu = Imu(header=Header(frame_id="base"))
    change(imu)
    assert_equal_dump(imu)


def test_a_message_of_a_list_too_long_inside_a_list_is_written_as_pydantic_writes_it() -> None:
    class Inner(Message):
        values: Annotated[list[uint8], Field(max_length=2)] = []

    class Outer(Message):
        inner: list[Inner] = []

    message = Outer(inner=[Inner(values=[1])])
    message.inner[0].values.extend([2, 300])
    assert_equal_dump(message)


def test_messages_that_are_read_share_nothing() -> None:
    text = JointState(name=["a"]).to_json()
    one, two = JointState.from_json(text), JointState.from_json(text)
    one.model_fields_set.discard("name")
    one.header.model_fields_set.clear()
    one.name.append("b")
    one.header.stamp.sec = 5
    assert two.model_fields_set == set(JointState.model_fields)
    assert two.header.model_fields_set == {"stamp", "frame_id"}
    assert (two.name, two.header.stamp.sec) == (["a"], 0)
    assert two.model_copy(deep=True) == two


# ---- messages that are constructed

WRONG = [
    1,
    True,
    "a",
    "\ud800",
    None,
    (1.0,),
    [1],
    [None],
    b"x",
    2**70,
    -1,
    {},
    Text("a"),
    math.nan,
]


@given(st.data())
def test_a_message_is_constructed_or_refused_as_pydantic_does(data: st.DataObject) -> None:
    cls = data.draw(st.sampled_from(STANDARD) | types())
    fields = {
        name: data.draw(values(field.annotation, tuple(field.metadata)) | st.sampled_from(WRONG))
        for name, field in cls.model_fields.items()
        if data.draw(st.integers(0, 3))
    }
    if not data.draw(st.integers(0, 9)):
        fields["other"] = 1
    found = outcome(lambda: cls(**fields))
    with pydantic_alone():
        assert found == outcome(lambda: cls(**fields))


def test_messages_that_are_constructed_share_no_default() -> None:
    one, two = Imu(), Imu()
    one.header.stamp.sec = 5
    one.orientation_covariance[0] = 1.0
    one.header.model_fields_set.add("frame_id")
    assert two == Imu()
    assert two.header.model_fields_set == set()
    assert Imu.model_fields["header"].default == Header()


def test_a_list_that_is_given_is_copied_and_a_message_is_not() -> None:
    header, names = Header(frame_id="a"), ["b"]
    state = JointState(header=header, name=names)
    names.append("c")
    assert state.name == ["b"]
    assert state.header is header
    assert state.model_fields_set == {"header", "name"}


def test_a_default_is_made_by_its_own_function_once() -> None:
    made = iter(range(9))

    class Numbered(Message):
        number: int = Field(default_factory=lambda: next(made))
        name: str = ""
        at: Vector3 = Vector3(x=1.0)

    assert [Numbered().number, Numbered(name="a").number, Numbered(number=7).number] == [0, 1, 7]
    assert told(Numbered(number=1).at) == told(Vector3(x=1.0))
    with pytest.raises(MessageError):
        Numbered(name=1)  # type: ignore[arg-type]
    assert Numbered().number in {2, 3}  # pydantic makes it before it refuses the name


def test_an_error_of_a_default_is_passed_on() -> None:
    class Failing(Message):
        number: int = Field(default_factory=lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        Failing()


def test_a_message_may_be_initialized_again() -> None:
    vector = Vector3(x=1.0)
    vector.__init__(y=2.0)  # type: ignore[misc]
    assert told(vector) == told(Vector3(y=2.0))


# ---- references


@pytest.mark.slow
@compiled
def test_nothing_leaks() -> None:
    header = Header(frame_id="base")
    path = Path(header=header, poses=[PoseStamped(header=header)] * 3)
    frames = TFMessage(transforms=[TransformStamped(header=header)])
    texts = [each.to_json() for each in (path, frames)]
    damaged = [text[:at] for text in texts for at in range(0, len(text), 7)]
    wrong = Path(header=header)
    wrong.poses.append(header)  # type: ignore[arg-type]
    plan = codec(Path)
    assert plan is not None

    def work() -> None:
        for message, text in zip((path, frames), texts, strict=True):
            assert type(message).from_json(text).to_json() == text
        for text in damaged:
            assert plan.load(text) is None
        assert plan.dump(wrong) is None
        TransformStamped(header=header, child_frame_id="a")
        with pytest.raises(MessageError):
            TransformStamped(header=header, child_frame_id=1)  # type: ignore[arg-type]

    def references() -> list[int]:
        gc.collect()
        return [sys.getrefcount(each) for each in (header, PoseStamped, plan)]

    for _ in range(50):
        work()
    at_first = references()
    before = sys.getallocatedblocks()
    for _ in range(200):
        work()
    assert references() == at_first
    assert sys.getallocatedblocks() - before < 100


def test_a_time_that_is_given_as_zero_counts_as_given() -> None:
    assert Time().sec == 0
    assert Time(sec=0, nanosec=0).model_fields_set == {"sec", "nanosec"}
