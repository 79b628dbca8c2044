"""Every standard type against ROS 2's own definitions, which rosbags carries."""

import array
import sys
import typing
from collections.abc import Iterator
from enum import Enum
from types import ModuleType
from typing import Annotated, Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from pydantic import Field, conint
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_typestore
from typing_extensions import TypeAliasType

import dsmq_nodes.messages as all_messages
from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages import Imu, Message, NavSatStatus, Quaternion, Range
from dsmq_nodes.messages.fields import int32, uint8
from dsmq_nodes.messages.model_class import model_in
from dsmq_nodes.messages.schema.definition import message_definition, msg_text, ros_type

STORE = get_typestore(Stores.ROS2_JAZZY)
# ROS forbids empty structures in C; the definition itself has no such field.
PADDING = "structure_needs_at_least_one_member"
TYPES: list[type[Message]] = [
    found
    for name in dir(all_messages)
    if issubclass(found := getattr(all_messages, name), Message) and found is not Message
    # rosbags has no control_msgs.
    if not found.type_name.startswith("control_msgs/")
]


def real_type(node: Any) -> str:
    kind, value = node
    if kind == Nodetype.NAME:
        return str(value)
    if kind == Nodetype.BASE:
        return str(value[0])
    item, count = value
    if kind == Nodetype.ARRAY:
        return f"{real_type(item)}[{count}]"
    return f"{real_type(item)}[<={count}]" if count else f"{real_type(item)}[]"


# One test for all types: a test for each would cost ten times what it does.


def real_fields(cls: type[Message]) -> list[tuple[str, str]]:
    fields = STORE.fielddefs[cls.type_name][1]
    return [(name, real_type(node)) for name, node in fields if name != PADDING]


def test_fields_and_constants_are_those_of_ros() -> None:
    for cls in TYPES:
        hints = get_type_hints(cls, include_extras=True)
        fields = [(name, ros_type(hints[name])) for name in cls.model_fields]
        assert fields == real_fields(cls), cls.type_name
        constants = [
            (name, ros_type(get_args(hint)[0]), getattr(cls, name))
            for name, hint in hints.items()
            if get_origin(hint) is ClassVar and name.isupper()
        ]
        assert constants == list(STORE.fielddefs[cls.type_name][0]), cls.type_name


def test_defaults_are_zero_or_empty() -> None:
    nonzero = {(Quaternion, "w"): 1.0, (NavSatStatus, "status"): -2}
    for cls in TYPES:
        for name, value in cls():
            if isinstance(value, Message):
                assert value == type(value)(), (cls, name)
            elif isinstance(value, list | bytes):
                assert not any(value), (cls, name)
            else:
                assert value == nonzero.get((cls, name), type(value)()), (cls, name)


def test_values_survive_cdr() -> None:
    for cls in TYPES:
        message = filled(cls, iter(range(1, 10_000)))
        data = STORE.serialize_cdr(to_ros(message), cls.type_name)
        assert from_ros(cls, STORE.deserialize_cdr(data, cls.type_name)) == message
        assert cls.from_json(message.to_json()) == message
        assert cls.from_dict(message.to_dict()) == message


def test_definition_reads_as_the_msg_file_does() -> None:
    lines = Range.definition().splitlines()
    assert lines[0].startswith("# One distance")
    assert lines[1:5] == [
        "uint8 ULTRASOUND=0",
        "uint8 INFRARED=1",
        "std_msgs/Header header",
        "uint8 radiation_type",
    ]
    assert "float64 w 1.0" in Quaternion.definition()
    assert "float64[9] orientation_covariance" in Imu.definition()


def test_definition_is_understood_by_rosbags() -> None:
    from rosbags.typesys import get_types_from_msg  # noqa: PLC0415 - slow to import

    for cls in TYPES:
        parsed = get_types_from_msg(cls.definition(), cls.type_name)[cls.type_name]
        assert list(parsed[0]) == list(STORE.fielddefs[cls.type_name][0]), cls.type_name
        ours = [(name, real_type(node)) for name, node in parsed[1] if name != PADDING]
        assert ours == real_fields(cls), cls.type_name


def filled(cls: type[Message], numbers: Iterator[int]) -> Message:
    """Return a message in which every value is another, exact in 32 bits."""
    fields = STORE.fielddefs[cls.type_name][1]
    return cls(**{name: value(node, numbers) for name, node in fields if name != PADDING})


def value(node: Any, numbers: Iterator[int]) -> Any:
    kind, detail = node
    if kind == Nodetype.NAME:
        inner = next(t for t in TYPES if t.type_name == detail)
        return filled(inner, numbers)
    if kind == Nodetype.BASE:
        number = next(numbers)
        name = detail[0]
        if name == "string":
            return f"{number} ü"
        if name == "bool":
            return number % 2 == 0
        return number + 0.5 if name.startswith("float") else number % 100
    item, count = detail
    values = [value(item, numbers) for _ in range(count or 3)]
    return bytes(values) if item[1][0] in ("uint8", "byte") else values


def to_ros(message: Message) -> Any:
    """Return the rosbags object of a message."""
    fields = STORE.fielddefs[message.type_name][1]
    made = {name: ros_value(getattr(message, name, 0), node) for name, node in fields}
    return STORE.types[message.type_name](**made)


def ros_value(found: Any, node: Any) -> Any:
    kind, detail = node
    if kind == Nodetype.NAME:
        return to_ros(found)
    if kind == Nodetype.BASE:
        return found
    item = detail[0]
    if item[0] == Nodetype.NAME:
        return [to_ros(one) for one in found]
    name = item[1][0]
    if name == "string":
        return found
    dtype = "uint8" if name == "byte" else name
    return np.frombuffer(found, dtype) if isinstance(found, bytes) else np.array(found, dtype)


def from_ros(cls: type[Message], ros: Any) -> Message:
    """Return our message of a rosbags object, numpy arrays given as they are."""
    fields = [field for field in STORE.fielddefs[cls.type_name][1] if field[0] != PADDING]
    return cls(**{name: our_value(getattr(ros, name), node) for name, node in fields})


def our_value(found: Any, node: Any) -> Any:
    kind, detail = node
    if kind == Nodetype.NAME:
        return from_ros(next(t for t in TYPES if t.type_name == detail), found)
    if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE) and detail[0][0] == Nodetype.NAME:
        return [our_value(one, detail[0]) for one in found]
    return found


def test_array_module_is_taken_too() -> None:
    numbers: Any = array.array("d", range(9))
    imu = Imu(orientation_covariance=numbers)
    assert imu.orientation_covariance == [float(i) for i in range(9)]


def test_a_field_has_its_range_and_its_description_beside_it() -> None:
    class Moisture(Message):
        fraction: float = Field(0.5, ge=0, lt=1, description="volumetric, m3/m3")

    line = msg_text(Moisture).splitlines()[-1]
    assert line == "float64 fraction 0.5  # >= 0, < 1, volumetric, m3/m3"


def test_an_alias_is_shown_as_what_it_stands_for() -> None:
    meters: Any = TypeAliasType("meters", float)
    place: Any = TypeAliasType("place", Quaternion)

    class Walk(Message):
        steps: list[meters]
        turn: place = Quaternion()

    assert Walk.definition().startswith("float64[] steps\ngeometry_msgs/Quaternion turn\n")
    assert ros_type(Annotated[meters, Field(ge=0)]) == "float64"
    assert model_in(place) is Quaternion
    assert Walk(steps=[1.0, 2.0]).array("steps").tolist() == [1.0, 2.0]


def test_an_alias_that_contains_itself_is_shown_by_its_name() -> None:
    """As `type Json = str | list[Json]` is, from Python 3.12 on."""
    items: Any = typing.List[TypeVar("Own")]  # type: ignore[misc]  # noqa: UP006
    values: Any = TypeAliasType("Values", dict[str, items])
    items.__args__ = (values,)
    assert (ros_type(items), ros_type(values), model_in(items)) == ("Values[]", "Values", None)


def test_limits_that_are_not_set_are_not_shown() -> None:
    class Counted(Message):
        count: conint(gt=0)  # type: ignore[valid-type]

    assert Counted.definition() == "int64 count  # > 0\n"


T = TypeVar("T")


class Mode(Enum):
    IDLE = 0
    DRIVE = 1


class Gearbox(Message):
    mode: Mode = Mode.DRIVE
    modes: list[Mode] = []
    side: typing.Literal["left", "right"] = Field("left", description="seen from behind")
    only: typing.Literal[Mode.DRIVE] = Mode.DRIVE
    former: list[Mode] = [Mode.DRIVE]


def test_an_enumeration_is_the_type_of_its_values_which_are_named_beside_it() -> None:
    assert msg_text(Gearbox).splitlines() == [
        "int64 mode 1  # IDLE 0, DRIVE 1",
        "int64[] modes",
        'string side "left"  # left, right, seen from behind',
        "int64 only 1  # DRIVE 1",
        "int64[] former",
    ]
    defaults = [field.default for field in message_definition(Gearbox).fields]
    assert defaults == [1, None, "left", 1, [1]]


class Cargo(Message, type_name="cargo_msgs/msg/Cargo"):
    either: list[Range | Gearbox] = []
    size: uint8 | None = None
    words: typing.Literal["a", 3, None] = "a"
    parts: dict[str, list[Any]] = {}
    mode: Mode | None = None
    ends: tuple[Annotated[int, Field(ge=0)], ...] = ()


def test_what_ros_has_no_type_for_reads_as_in_python_with_the_types_of_ros_in_it() -> None:
    assert msg_text(Cargo).splitlines() == [
        f"(sensor_msgs/Range | {Gearbox.type_name.replace('/msg/', '/')})[] either",
        "uint8 | None size",
        "Literal['a', 3, None] words \"a\"  # a, 3, None",
        "dict[string, Any[]] parts",
        "int64 | None mode  # IDLE 0, DRIVE 1",
        "tuple[int64, ...] ends",
    ]


def test_a_field_without_a_type_in_ros_is_named() -> None:
    class Odd(Message, type_name="odd_msgs/msg/Odd"):
        x: float | None = None

    with pytest.raises(MessageError, match=r"^odd_msgs/msg/Odd\.x: in ROS 'float"):
        message_definition(Odd)


class Stamped(Message, Generic[T]):
    values: list[T] = []
    value: T


def test_a_generic_type_with_its_types_has_one_name_wherever_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = ModuleType("another_program")
    monkeypatch.setitem(sys.modules, other.__name__, other)
    vars(other)["Stamped"] = Stamped
    exec("Numbers = Stamped[float]", vars(other))
    assert vars(other)["Numbers"].type_name == f"{Stamped.type_name}[float]"


def test_the_definition_of_a_generic_type_has_its_types() -> None:
    class Counted(Stamped[int32]):
        pass

    assert msg_text(Stamped[str]) == "string[] values\nstring value\n"
    assert msg_text(Counted) == "int32[] values\nint32 value\n"
