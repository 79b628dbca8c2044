"""A message class as ROS's generator makes it, from a definition: slots, properties, checks, texts.

The parts that depend on the fields are written as Python text once a type and compiled, so that a
message is made and read as fast as a class that somebody wrote. The module of a class is that of
ROS (`std_msgs.msg._string`); `interface_modules` puts it there.
"""

import array
import os
import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from dsmq_nodes import installing
from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.interface_text import (
    FieldType,
    MessageConstant,
    MessageDefinition,
    MessageField,
)
from dsmq_nodes.rclpy.interfaces.field_checks import TYPECODES, check_names, check_of, dtype_name
from dsmq_nodes.rclpy.interfaces.idl_types import AbstractSequence, BasicType, slot_type, type_text

ClassNamed = Callable[[str], type]
_BY_HAND: Final = "array('X', "  # as long as the beginning of every array.array's repr
_ARRAYS: Final = frozenset(
    ("float", "double", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
)
_VIEW_CODES: Final = {"l": "q", "L": "Q"}
_ZEROS: Final = {"bool": "False", "byte": "b'\\x00'", "string": "''", "wstring": "''"}


def make_message_class(definition: MessageDefinition, class_named: ClassNamed) -> type:
    """Return the class of a definition.

    Args:
        definition: the type.
        class_named: returns the class of another message type, for fields that hold messages.

    Raises:
        MessageError: an array of numbers needs numpy, and it is not installed.
    """
    name = definition.type_name.rpartition("/")[2]
    classes = {
        field.name: class_named(field.type.base)
        for field in definition.fields
        if field.type.is_message
    }
    defaults = {
        field.name: _ros_value(field.default, field.type)
        for field in definition.fields
        if field.default is not None
    }
    readonly = {each.name: _constant(each) for each in definition.constants}
    readonly |= {f"{field.upper()}__DEFAULT": value for field, value in defaults.items()}
    code = _compiled(definition, name, classes, defaults)
    body: dict[str, Any] = {
        "__module__": module_of(definition.type_name),
        "__qualname__": name,
        "__doc__": _doc(name, definition),
        "__slots__": [*(f"_{field.name}" for field in definition.fields), "_check_fields"],
        "_fields_and_field_types": {each.name: type_text(each.type) for each in definition.fields},
        "SLOT_TYPES": tuple(slot_type(each.type) for each in definition.fields),
        "__init__": code["__init__"],
        "__repr__": _repr,
        "__eq__": code["__eq__"],
        "get_fields_and_field_types": classmethod(_fields_and_types),
        **readonly,
    }
    for field in definition.fields:
        doc = f"Message field '{field.name}'."
        get = code.get(f"get_{field.name}") or attrgetter(f"_{field.name}")
        body[field.name] = property(get, code[f"set_{field.name}"], doc=doc)
    made: type = metaclass(definition.type_name, "message", readonly)(name, (), body)
    code["Own"] = made
    return made


def module_of(type_name: str) -> str:
    """Return a type's Python module in ROS: `std_srvs/srv/SetBool_Request` is in `_set_bool`."""
    package, kind, name = type_name.split("/")
    base = name if kind == "msg" else name.split("_")[0]
    return f"{package}.{kind}._{snake_case(base)}"


def snake_case(name: str) -> str:
    """Return a class's name as ROS names its file: `UInt8` is `u_int8`."""
    words = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def metaclass(type_name: str, what: str, readonly: dict[str, Any]) -> type[type]:
    """Return the metaclass of an interface: constants and defaults can be read from it, not set."""
    name = type_name.rpartition("/")[2]
    body: dict[str, Any] = {
        "__module__": module_of(type_name),
        "__doc__": f"Metaclass of {what} '{name}'.",
        "_TYPE_SUPPORT": f"dsmq_nodes {what} {name}",
        "__import_type_support__": classmethod(_nothing_to_import),
    }
    if what == "message":
        conversions = ("CREATE_ROS_MESSAGE", "CONVERT_FROM_PY", "CONVERT_TO_PY")
        body |= {f"_{each}": _of_c for each in (*conversions, "DESTROY_ROS_MESSAGE")}
    for each, value in readonly.items():
        body[each] = property(_returns(value))
    return type(f"Metaclass_{name}", (type,), body)


def _nothing_to_import(cls: type) -> None:
    """Do nothing: every type is ready when its class is."""


def _of_c(*args: object) -> None:
    """Stand for a function of ROS's C library; messages are converted by `conversion`."""


def _returns(value: Any) -> Callable[[type], Any]:
    return lambda cls: value


def _doc(name: str, definition: MessageDefinition) -> str:
    first = f"Message class '{name}'."
    if not definition.constants:
        return first
    names = "\n".join(f"      {each.name}" for each in definition.constants)
    return f"\n    {first}\n\n    Constants:\n{names}\n    "


def _constant(constant: MessageConstant) -> Any:
    return bytes([constant.value]) if constant.base == "byte" else constant.value


def _ros_value(value: Any, kind: FieldType) -> Any:
    """Return a default in the form of the field: one byte, an array, an ndarray, a list."""
    if not kind.is_list:
        return bytes([value]) if kind.base == "byte" else value
    if kind.base in TYPECODES:
        if kind.size is not None:
            return numpy_for(kind.base).array(list(value), dtype_name(kind.base))
        return array.array(TYPECODES[kind.base], list(value))
    return [bytes([each]) if kind.base == "byte" else each for each in value]


def numpy_for(why: str) -> Any:
    """Return numpy, for a type that holds arrays of it.

    Raises:
        MessageError: it is not installed; the text names `why`.
    """
    try:
        import numpy  # noqa: ICN001, PLC0415  65 ms, only for types with such an array
    except ModuleNotFoundError:
        raise MessageError(
            f"{why}: an array of numbers in a ROS message is a numpy array: "
            f"{installing.libraries('numpy')}"
        ) from None
    return numpy


class LateNumpy:
    """numpy, imported when a message that holds an array of it is made: 62 ms."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __getattr__(self, name: str) -> Any:
        found = getattr(numpy_for(self._why), name)
        setattr(self, name, found)
        return found


def _fields_and_types(cls: Any) -> dict[str, str]:
    return dict(cls._fields_and_field_types)


def _repr(self: Any) -> str:
    cls = type(self)
    parts = cls.__module__.split(".")[:-1]
    fields = zip(self.get_fields_and_field_types(), self.SLOT_TYPES, strict=True)
    inner = [f"{name}={_field_text(getattr(self, name), kind)}" for name, kind in fields]
    return f"{'.'.join((*parts, cls.__name__))}({', '.join(inner)})"


def _field_text(value: Any, kind: Any) -> str:
    """Return a value's text; of an `array.array` only the list in it."""
    text = repr(value)
    is_array = isinstance(kind, AbstractSequence) and isinstance(kind.value_type, BasicType)
    if not is_array or kind.value_type.typename not in _ARRAYS:
        return text
    return text[len(_BY_HAND) : -1] if len(value) else "[]"


def as_array(typecode: str, value: Any) -> "array.array[Any]":
    """Return an `array.array` of any iterable; arrays of numpy and views are copied as a whole."""
    if not isinstance(value, list | tuple | bytes | array.array):
        view = _view(typecode, value)
        if view is not None:
            made = array.array(typecode)
            made.frombytes(view)
            return made
    return array.array(typecode, value)


def _view(typecode: str, value: Any) -> memoryview | None:
    try:
        view = memoryview(value)
    except TypeError:
        return None
    code = _VIEW_CODES.get(view.format, view.format)
    return view.cast("B") if code == typecode and view.ndim == 1 and view.c_contiguous else None


def _compiled(
    definition: MessageDefinition,
    name: str,
    classes: dict[str, type],
    defaults: dict[str, Any],
) -> dict[str, Any]:
    """Return the methods of a class that depend on its fields."""
    found: dict[str, Any] = {
        "CHECK": os.getenv("ROS_PYTHON_CHECK_FIELDS") == "1",
        "as_array": as_array,
        "array": array.array,
        "KNOWN": check_names,
    }
    plain, given, equal, setters = [], [], [], []
    for field in definition.fields:
        kind, own = field.type, field.name
        found[f"check_{own}"] = check_of(own, kind, classes.get(own))
        found[f"C_{own}"] = classes.get(own)
        found[f"D_{own}"] = defaults.get(own)
        default = _default_text(field, definition.type_name, found)
        plain.append(f"self._{own} = {default}")
        value = _given_text(field, f"given['{own}']")
        given.append(f"self.{own} = {value} if '{own}' in given else {default}")
        differs = f"self.{own} != other.{own}"
        equal.append(f"if {f'any({differs})' if is_ndarray(kind) else differs}: return False")
        setters += _getter_lines(own, kind) + _setter_lines(own, kind)
    lines = [
        "def __init__(self, **given):",
        "    if not given:",
        "        self._check_fields = CHECK",
        *(f"        {line}" for line in plain),
        "        return",
        "    self._check_fields = given['check_fields'] if 'check_fields' in given else CHECK",
        "    if self._check_fields: KNOWN(self, given)",
        *(f"    {line}" for line in given),
        "def __eq__(self, other):",
        "    if not isinstance(other, self.__class__): return False",
        *(f"    {line}" for line in equal),
        "    return True",
        *setters,
    ]
    exec(compile("\n".join(lines), f"<{definition.type_name}>", "exec"), found)
    for method in ("__init__", "__eq__"):
        found[method].__qualname__ = f"{name}.{method}"
    return found


def _default_text(field: MessageField, type_name: str, found: dict[str, Any]) -> str:
    """Return the expression of a new message's value of a field."""
    kind, name = field.type, field.name
    has_default = field.default is not None
    if not kind.is_list:
        zero = f"C_{name}()" if kind.is_message else _zero(kind.base)
        return f"D_{name}" if has_default else zero
    if kind.base not in TYPECODES:
        zero = f"C_{name}()" if kind.is_message else _zero(kind.base)
        return f"[*D_{name}]" if has_default else f"[{zero} for _ in range({kind.size or 0})]"
    if kind.size is None:
        code = TYPECODES[kind.base]
        return f"array('{code}', D_{name})" if has_default else f"array('{code}')"
    found["numpy"] = LateNumpy(type_name)
    dtype = f"numpy.{dtype_name(kind.base)}"
    return f"D_{name}.copy()" if has_default else f"numpy.zeros({kind.size}, {dtype})"


def _given_text(field: MessageField, read: str) -> str:
    """Return the code of a constructor's argument: a sequence becomes an array, then is checked."""
    kind = field.type
    is_sequence = kind.is_list and kind.base in TYPECODES and kind.size is None
    if is_sequence and field.default is None:
        return f"as_array('{TYPECODES[kind.base]}', {read})"
    return read


def _zero(base: str) -> str:
    return _ZEROS.get(base) or ("0.0" if base.startswith("float") else "0")


def is_ndarray(kind: FieldType) -> bool:
    """Whether a field holds an array of numpy; in a received message it is a list until read."""
    return kind.is_list and kind.base in TYPECODES and kind.size is not None


def _getter_lines(name: str, kind: FieldType) -> list[str]:
    if not is_ndarray(kind):
        return []
    made = f"numpy.array(value, numpy.{dtype_name(kind.base)})"
    return [
        f"def get_{name}(self):",
        f"    value = self._{name}",
        f"    if value.__class__ is list: value = self._{name} = {made}",
        "    return value",
    ]


def _setter_lines(name: str, kind: FieldType) -> list[str]:
    head = f"def set_{name}(self, value):"
    check = f"self._check_fields and check_{name}(value)"
    if not kind.is_list or kind.base not in TYPECODES:
        return [head, f"    {check}", f"    self._{name} = value"]
    made = f"as_array('{TYPECODES[kind.base]}', value)"
    if is_ndarray(kind):
        made = f"numpy.array(value, numpy.{dtype_name(kind.base)})"
    return [head, f"    self._{name} = value if {check} else {made}"]
