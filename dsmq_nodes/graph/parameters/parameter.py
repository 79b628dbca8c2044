"""One parameter: a name, one of ROS 2's types, a value."""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Final

from dsmq_nodes import messages
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.messages.python_numbers import unpacked

if TYPE_CHECKING:
    from dsmq_nodes.messages import Parameter as ParameterMessage
    from dsmq_nodes.messages import ParameterValue


class ParameterKind(IntEnum):
    """The types a parameter may have; the numbers are those of rcl_interfaces/msg/ParameterType."""

    NOT_SET = 0
    BOOL = 1
    INTEGER = 2
    DOUBLE = 3
    STRING = 4
    BYTE_ARRAY = 5
    BOOL_ARRAY = 6
    INTEGER_ARRAY = 7
    DOUBLE_ARRAY = 8
    STRING_ARRAY = 9

    @classmethod
    def from_parameter_value(cls, value: object) -> "ParameterKind":
        """Return the type of a value; an int is an INTEGER, [] of any array type a BYTE_ARRAY.

        Raises:
            TypeError: no parameter can have this value.
        """
        value = _plain(value)
        found = _SCALARS.get(type(value))
        if found is not None:
            return found
        if isinstance(value, Sequence) and not isinstance(value, str):
            for kind, array in _ARRAYS.items():
                if all(type(item) is kind for item in value):
                    return array if value else cls.BYTE_ARRAY
            if all(type(item) in {int, float} for item in value):
                return cls.DOUBLE_ARRAY
        raise TypeError(
            f"a parameter is a bool, int, float, str, bytes or a list of one of the first four, "
            f"not {value!r:.60}"
        )

    def fit(self, value: Any) -> Any:
        """Return the value in this type: an int is accepted as a DOUBLE, a tuple as a list.

        A list of integers is accepted as bytes, since YAML has bytes in this form.

        Raises:
            TypeError: the value is of another type, or out of the type's range.
        """
        try:
            return self._converted(_plain(value))
        except (OverflowError, UnicodeEncodeError):
            raise TypeError(f"it is beyond what {self.words} can hold: {value!r:.60}") from None

    def _converted(self, value: Any) -> Any:
        if self is ParameterKind.DOUBLE and type(value) is int:
            return float(value)
        if _SCALARS.get(type(value)) is self:  # None fits NOT_SET
            return _checked(value)
        if self in _ITEMS and _is_list(value):
            wanted = _ITEMS[self]
            items = [float(i) if wanted is float and type(i) is int else i for i in value]
            if all(type(item) is wanted for item in items):
                return list(map(_checked, items))
        if self is ParameterKind.BYTE_ARRAY and _is_list(value) and all(map(is_byte, value)):
            return bytes(value) if value else []  # the type of its items is unknown
        hint = ": write true or false" if self is ParameterKind.BOOL else ""
        raise TypeError(f"it is to be {self.words}, not {value!r:.60}{hint}")

    @property
    def words(self) -> str:
        """The type as ROS 2's command line names it: "double", "string array"."""
        return self.name.lower().replace("_", " ").replace("bool", "boolean")


def _plain(value: Any) -> Any:
    """Return a value in Python's own types, without numpy's types, IntEnum and StrEnum."""
    value = unpacked(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    for kind in (int, float, str):
        if isinstance(value, kind) and type(value) not in _SCALARS:
            return kind.__str__(value) if kind is str else kind(value)
    return value


_LARGEST_BYTE: Final = 255
INTEGERS: Final = range(-(2**63), 2**63)
"""The values that an integer parameter may have."""


def _is_list(value: object) -> bool:
    """Whether a value is a list; empty bytes count, since `[]` fits any array type."""
    if isinstance(value, bytes):
        return not value
    return isinstance(value, Sequence) and not isinstance(value, str)


def is_byte(value: object) -> bool:
    """Whether a value is an integer that fits into a byte."""
    return type(value) is int and 0 <= value <= _LARGEST_BYTE


def _checked(value: Any) -> Any:
    if type(value) is int and value not in INTEGERS:
        raise TypeError(f"an integer parameter has 64 bits: {value!r:.60} is too large")
    if type(value) is str:
        value.encode()  # half of a surrogate pair cannot be sent
    return value


_SCALARS = {
    type(None): ParameterKind.NOT_SET,
    bool: ParameterKind.BOOL,
    int: ParameterKind.INTEGER,
    float: ParameterKind.DOUBLE,
    str: ParameterKind.STRING,
    bytes: ParameterKind.BYTE_ARRAY,
}
_ARRAYS = {
    bool: ParameterKind.BOOL_ARRAY,
    int: ParameterKind.INTEGER_ARRAY,
    float: ParameterKind.DOUBLE_ARRAY,
    str: ParameterKind.STRING_ARRAY,
}
MESSAGE_FIELDS: Final[dict[int, str]] = {
    kind: f"{kind.name.lower()}_value" for kind in ParameterKind if kind
}
"""The field of rcl_interfaces/msg/ParameterValue that holds a value of the type."""
_ITEMS = {array: item for item, array in _ARRAYS.items()}


class Parameter:
    """A parameter's name and value, as `get_parameter` returns and `set_parameters` takes it.

    Attributes:
        name: the name; with dots if it is part of a group: `pid.kp`.
        type_: the type of the value.
        value: the value; None when it is not set.
    """

    Type: ClassVar[type[ParameterKind]] = ParameterKind

    def __init__(self, name: str, type_: ParameterKind | None = None, value: Any = None) -> None:
        """Make a parameter; without a type, it has the type of the value.

        Raises:
            TypeError: the value is not of the type.
        """
        self.name = of_kind(name, str, "a parameter's name")
        try:
            self.type_ = ParameterKind.from_parameter_value(value) if type_ is None else type_
            self.value = self.type_.fit(value)
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, {self.type_.name}, {self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parameter) and repr(self) == repr(other)

    __hash__ = None  # type: ignore[assignment]  # its value may change

    def get_parameter_value(self) -> "ParameterValue":
        """Return the value as a message."""
        if self.type_ is ParameterKind.NOT_SET:
            return messages.ParameterValue()
        value: Any = self.value
        if self.type_ is ParameterKind.BYTE_ARRAY:
            value = bytes(value)  # [] if it was set to an empty list, which any array type has
        return messages.ParameterValue(type=int(self.type_), **{MESSAGE_FIELDS[self.type_]: value})

    def to_parameter_msg(self) -> "ParameterMessage":
        """Return the parameter as a message."""
        return messages.Parameter(name=self.name, value=self.get_parameter_value())

    @classmethod
    def from_parameter_msg(cls, msg: "ParameterMessage") -> "Parameter":
        """Return the parameter that a message holds.

        Raises:
            TypeError: the message has an unknown type.
        """
        try:
            kind = ParameterKind(msg.value.type)
        except ValueError:
            raise TypeError(f"{msg.name}: there is no parameter type {msg.value.type}") from None
        is_set = kind is not ParameterKind.NOT_SET
        return cls(msg.name, kind, getattr(msg.value, MESSAGE_FIELDS[kind]) if is_set else None)


def listed(given: object) -> list[Parameter]:
    """Return the parameters that are given to `set_parameters`.

    Raises:
        TypeError: it is no list of Parameter.
    """
    every = list(given) if isinstance(given, Iterable) else [given]
    found = [each for each in every if isinstance(each, Parameter)]
    if isinstance(given, Iterable) and len(found) == len(every):
        return found
    raise TypeError(
        'parameters are set by a list such as `[Parameter("gain", value=1.0)]`, not by '
        f"{given!r:.60}"
    )
