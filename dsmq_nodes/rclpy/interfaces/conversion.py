"""Converts between ROS's messages and ours; the code of each type is generated once.

To publish, `values_of` reads a ROS message into plain values, which become our message or its JSON
text. To receive, msgspec decodes the text into a struct of the type, and the ROS message is made
from its fields. A text that the struct refuses (NaN, a missing field) takes the slow path: our
class decodes it or refuses it. A wrong value is an error here where it is one in ROS's C code;
where that code would send garbage (an int in a float field), the value is converted or refused.
"""

import contextlib
import operator
import struct
from array import array
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Annotated, Any, Final

import msgspec

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.from_definition import attribute_of
from dsmq_nodes.messages.schema.interface_text import FieldType, MessageDefinition, MessageField
from dsmq_nodes.messages.schema.large_field import LARGE_BYTES, large_field
from dsmq_nodes.rclpy.impl.c_errors import RMWError
from dsmq_nodes.rclpy.interfaces.field_checks import INTEGER_RANGES, TYPECODES
from dsmq_nodes.rclpy.interfaces.message_class import as_array, is_ndarray

_BYTES: Final = frozenset(("uint8", "char", "byte"))
_FLOAT32: Final = struct.Struct("f")
_encode: Final = msgspec.json.Encoder().encode


class Conversion:
    """The conversions of one type.

    Attributes:
        definition: the type.
        ros_class: the class in ROS's clothes.
        values_of: returns a ROS message as plain values, checked.
        to_ros: returns the ROS message of one of ours, or of a `struct`.
        struct: a msgspec type with our class's attributes that takes the JSON of a whole message.
    """

    def __init__(
        self,
        definition: MessageDefinition,
        ros_class: type,
        inner: Callable[[str], "Conversion"],
        message_class: Callable[[], type[Message]],
    ) -> None:
        self.ros_class = ros_class
        self.definition = definition
        self._inner = inner
        self._find_message_class = message_class
        self._found_message_class: type[Message] | None = None
        self._slow_values: Callable[[Any], dict[str, Any]] | None = None

    # The code of each direction is generated at its first use.

    @cached_property
    def struct(self) -> Any:
        """See the class."""
        return _struct(self.definition, self._inner)

    @cached_property
    def to_ros(self) -> Callable[[Any], Any]:
        """See the class."""
        return _ros_maker(self.definition, self.ros_class, self._inner)

    @cached_property
    def _decode(self) -> Callable[[str | bytes], Any]:
        decode: Callable[[str | bytes], Any] = msgspec.json.Decoder(self.struct).decode
        return decode

    @cached_property
    def _large_field(self) -> str:
        return large_field(self.message_class)

    @cached_property
    def _fast_values(self) -> Callable[[Any], dict[str, Any]]:
        return self._values("_")

    @property
    def message_class(self) -> type[Message]:
        """Our class of the type, made at its first use."""
        if self._found_message_class is None:
            self._found_message_class = self._find_message_class()
        return self._found_message_class

    def values_of(self, message: Any) -> dict[str, Any]:
        """Return the plain values of a ROS message.

        Raises:
            TypeError: a field holds a value of another type.
            OverflowError: an integer is out of its range.
            AttributeError: a field holds no message of its type.
        """
        with contextlib.suppress(AttributeError):
            return self._fast_values(message)
        # Another type with the same fields is accepted; an error for any other names the field.
        if self._slow_values is None:
            self._slow_values = self._values("")
        return self._slow_values(message)

    def from_ros(self, message: Any) -> Message:
        """Return our message; raises as `values_of`."""
        validate = self.message_class.__pydantic_validator__.validate_python
        return validate(self.values_of(message))  # type: ignore[no-any-return]

    def to_json(self, message: Any) -> str:
        """Return the JSON text of a ROS message, as our class writes it; raises as `values_of`."""
        text = _encode(self.values_of(message))
        # Where msgspec wrote null for NaN or infinity, our JSON has texts.
        return self.from_ros(message).to_json() if b"null" in text else text.decode()

    def to_record(self, message: Any) -> tuple[bytes, str, Any]:
        """Return the JSON without the one large field, and that field, as `Message.to_record`."""
        values, field, raw = self.values_of(message), self._large_field, b""
        if field and len(values[field]) >= LARGE_BYTES:
            raw = values.pop(field)
        text = _encode(values)
        if b"null" in text:
            return self.from_ros(message).to_record()
        return text, field if raw else "", raw

    def from_json(self, text: str | bytes) -> Any:
        """Return the ROS message of a JSON text.

        Raises:
            MessageError: it is no message of this type.
        """
        try:
            return self.to_ros(self._decode(text))
        except (msgspec.DecodeError, TypeError, RecursionError):
            return self.to_ros(self.message_class.from_json(text))

    def from_parts(self, text: str | bytes, raw: bytes | memoryview) -> Any:
        """Return the ROS message of the parts of `to_parts`; raises as `from_json`."""
        found = self.from_json(text)
        setattr(found, self._large_field, raw)
        return found

    def _values(self, prefix: str) -> Callable[[Any], dict[str, Any]]:
        where: dict[str, Any] = {}
        return _function(
            "m", self.values_text(f"m.{prefix}", where), where, self.definition.type_name
        )

    def values_text(self, read: str, where: dict[str, Any]) -> str:
        """Return the expression of the values of a message whose fields are at `read`."""
        pairs = [
            f"'{field.name}': {self._value_text(field, f'{read}{field.name}', where)}"
            for field in self.definition.fields
        ]
        return f"{{{', '.join(pairs)}}}"

    def _value_text(self, field: MessageField, read: str, where: dict[str, Any]) -> str:
        kind, name = field.type, f"c{len(where)}"
        if kind.is_message and not kind.is_list:
            is_fast = read.rpartition(".")[2].startswith("_")
            inner = f"{read}.{'_' * is_fast}"
            return self._inner(kind.base).values_text(inner, where)
        if kind.is_message:
            where[name] = self._inner(kind.base).values_of
        else:
            where[name] = _Checker(field.name, kind, self.definition.type_name)
        if kind.is_list:
            return _list_text(kind, name, read)
        if kind.base == "byte":
            return f"{name}.one({read})"
        test = _fast_test(kind)
        return f"v if {test.format(f'(v := {read})')} else {name}.one(v)"


def _fast_test(kind: FieldType) -> str:
    """Return an expression that is true for nearly every valid value; `{}` stands for the value."""
    if kind.base in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind.base]
        return f"({{}}).__class__ is int and {low} <= v <= {high}"
    python = {"bool": "bool", "float32": "float", "float64": "float"}.get(kind.base)
    return f"({{}}).__class__ is {python or 'str'}"


def _list_text(kind: FieldType, name: str, read: str) -> str:
    if kind.is_message:
        return f"[{name}(each) for each in {read}]"
    if kind.base not in TYPECODES:
        return f"{name}.list({read})"
    is_bytes = kind.base in _BYTES
    made = f"{read}.tobytes()" if is_bytes else f"{read}.tolist()"
    if is_ndarray(kind):
        listed = "bytes(v)" if is_bytes else "v"
        array = made.replace(read, "v")
        made = f"{listed} if (v := {read}).__class__ is list else {array}"
    return f"{name}.sized({made})" if kind.size is not None or kind.limit is not None else made


class _Checker:
    """Checks values that are not of the plain Python type of their field."""

    def __init__(self, name: str, kind: FieldType, type_name: str) -> None:
        self.name = name
        self.kind = kind
        self.where = f"{type_name}: {name}"

    def one(self, value: Any) -> Any:
        base = self.kind.base
        if base in INTEGER_RANGES:
            return self._integer(value)
        if base.startswith("float"):
            return self._float(value)
        if base == "bool":
            return self._bool(value)
        if base == "byte":
            if isinstance(value, bytes | bytearray) and len(value) == 1:
                return value[0]
            raise self._type_error(value, "bytes of length 1")
        if isinstance(value, str):
            return str(value)
        raise self._type_error(value, "a str")

    def list(self, values: Any) -> Any:
        """Check texts, booleans and octets; any iterable of them is accepted."""
        if not isinstance(values, Iterable):
            raise TypeError(f"expected a sequence in '{self.name}'")
        if self.kind.base == "byte" and isinstance(values, bytes | bytearray):
            return self.sized(bytes(values))
        found = [self.one(each) for each in values]
        return self.sized(bytes(found) if self.kind.base == "byte" else found)

    def sized(self, values: Any) -> Any:
        """Return the values, if there are as many as the type allows."""
        size, limit = self.kind.size, self.kind.limit
        if size is not None and len(values) != size:
            raise ValueError(f"{self.where}: {len(values)} items, not {size}")
        if limit is not None and len(values) > limit:
            raise RMWError(f"{self.where}: {len(values)} items, more than {limit}")
        return values

    def _integer(self, value: Any) -> int:
        try:
            number = operator.index(value)
        except TypeError:
            raise self._type_error(value, "an int") from None
        low, high = INTEGER_RANGES[self.kind.base]
        if not low <= number <= high:
            raise OverflowError(f"{self.where}: {number} is not in [{low}, {high}]")
        return number

    def _float(self, value: Any) -> float:
        if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
            raise self._type_error(value, "a float")
        return float(value)

    def _bool(self, value: Any) -> bool:
        if isinstance(value, bool) or type(value).__name__ in {"bool_", "bool"}:
            return bool(value)
        if isinstance(value, int) and value in {0, 1}:
            return bool(value)
        raise self._type_error(value, "a bool")

    def _type_error(self, value: Any, wanted: str) -> TypeError:
        # Python's own text, as in ROS; the note names the field.
        error = TypeError("bad argument type for built-in operation")
        error.add_note(
            f"{self.where} is to be {wanted}, not {type(value).__name__} ({value!r:.40})"
        )
        return error


def _struct(definition: MessageDefinition, inner: Callable[[str], Conversion]) -> Any:
    """Return a msgspec type of the whole message: each field is required except a large one."""
    fields: list[Any] = []
    for field in definition.fields:
        kind = field.type
        annotation = _struct_type(kind, inner)
        is_large = kind.is_list and kind.base in _BYTES and kind.size is None
        own = attribute_of(field.name)
        fields.append((own, annotation, b"") if is_large else (own, annotation))
    names = {attribute_of(field.name): field.name for field in definition.fields}
    name = definition.type_name.replace("/", "_")
    return msgspec.defstruct(name, fields, kw_only=True, gc=False, rename=names)


def _struct_type(kind: FieldType, inner: Callable[[str], Conversion]) -> Any:
    item: Any = inner(kind.base).struct if kind.is_message else _plain_type(kind)
    if not kind.is_list:
        return item
    of: Any = bytes if kind.base in _BYTES else list[item]
    if kind.size is not None:
        return Annotated[of, msgspec.Meta(min_length=kind.size, max_length=kind.size)]
    return of if kind.limit is None else Annotated[of, msgspec.Meta(max_length=kind.limit)]


def _plain_type(kind: FieldType) -> Any:
    if kind.base in {"bool", "float32", "float64"}:
        return bool if kind.base == "bool" else float
    if kind.base == "byte":
        return Annotated[int, msgspec.Meta(ge=0, le=255)]
    if kind.base not in INTEGER_RANGES:
        return str
    low, high = INTEGER_RANGES[kind.base]
    # msgspec's limits are of 64 bits with a sign.
    return Annotated[int, msgspec.Meta(ge=low, le=min(high, 2**63 - 1))] if high < 2**63 else int


def _ros_maker(
    definition: MessageDefinition, ros_class: type, inner: Callable[[str], Conversion]
) -> Callable[[Any], Any]:
    where: dict[str, Any] = {
        "array": array,
        "as_array": as_array,
        "float32": _float32,
        "new": ros_class.__new__,
    }
    lines = ["def convert(m):", *_making("o", "m", definition, ros_class, inner, where)]
    lines.append("    return o")
    return _executed(lines, where, definition.type_name)


def _making(
    made: str,
    read: str,
    definition: MessageDefinition,
    ros_class: type,
    inner: Callable[[str], Conversion],
    where: dict[str, Any],
) -> list[str]:
    """Return the lines that make the variable `made` from what is at `read`."""
    own = f"c{len(where)}"
    where[own] = ros_class
    lines = [f"    {made} = new({own})", f"    {made}._check_fields = False"]
    for field in definition.fields:
        kind, name = field.type, f"c{len(where)}"
        own = f"{read}.{attribute_of(field.name)}"
        text = ""
        if kind.is_message:
            found = inner(kind.base)
            if not kind.is_list:
                text = f"{made}_{field.name}"
                lines += _making(text, own, found.definition, found.ros_class, inner, where)
            else:
                where[name] = found.to_ros
        text = text or _ros_text(kind, name, own, where)
        lines.append(f"    {made}._{field.name} = {text}")
    return lines


def _ros_text(kind: FieldType, name: str, read: str, where: dict[str, Any]) -> str:
    if kind.is_message:
        return f"[{name}(each) for each in {read}]"
    if not kind.is_list:
        return {"byte": f"bytes(({read},))", "float32": f"float32({read})"}.get(kind.base, read)
    if kind.base == "byte":
        return f"[bytes((each,)) for each in {read}]"
    if kind.base not in TYPECODES:
        return read
    if kind.size is None:
        make = "as_array" if kind.base in _BYTES else "array"
        return f"{make}('{TYPECODES[kind.base]}', {read})"
    return f"list({read})" if kind.base in _BYTES else read


def _float32(value: float) -> float:
    """Return a number rounded to 32 bits; beyond their range it is infinite, as in C."""
    try:
        return _FLOAT32.unpack(_FLOAT32.pack(value))[0]  # type: ignore[no-any-return]
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _function(argument: str, text: str, where: dict[str, Any], name: str) -> Callable[[Any], Any]:
    return _executed([f"def convert({argument}):", f"    return {text}"], where, name)


def _executed(lines: list[str], where: dict[str, Any], name: str) -> Callable[[Any], Any]:
    exec(compile("\n".join(lines), f"<{name}>", "exec"), where)
    return where["convert"]  # type: ignore[no-any-return]
