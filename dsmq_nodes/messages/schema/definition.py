"""A message type as ROS 2 `.msg` text."""

import inspect
import json
import re
from enum import Enum
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Final,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic.fields import FieldInfo

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.fields import Ros
from dsmq_nodes.messages.model_class import limits_in, outer_names, unaliased
from dsmq_nodes.messages.schema.interface_text import (
    MessageConstant,
    MessageDefinition,
    MessageField,
    read_type,
)
from dsmq_nodes.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

_SIGNS: Final = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_ROS_NAMES: Final[dict[object, str]] = {
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "uint8",
    NoneType: "None",
    ...: "...",
}


def msg_text(cls: type["BaseModel"]) -> str:
    """Return the type as `.msg` text: its docstring, constants, fields, defaults."""
    doc = [f"# {line}".rstrip() for line in inspect.cleandoc(cls.__doc__ or "").splitlines()]
    return "\n".join([*doc, *constants_of(cls), *_fields(cls)]) + "\n"


def constants_of(cls: type["BaseModel"]) -> "Iterator[str]":
    """Yield a type's constants, each as a line such as `uint8 OK=0`."""
    for each in _constants(cls):
        yield f"{each.base} {each.name}={_literal(each.value)}"


def _constants(cls: type["BaseModel"]) -> "Iterator[MessageConstant]":
    for name, hint in field_hints(cls).items():
        if get_origin(hint) is ClassVar and name.isupper():
            yield MessageConstant(name, ros_type(get_args(hint)[0]), getattr(cls, name))


def field_hints(cls: type["BaseModel"]) -> dict[str, Any]:
    """Return the annotations of a class; in a generic one, with its types for type variables."""
    hints = get_type_hints(cls, include_extras=True)
    for name, field in cls.model_fields.items():
        if isinstance(hints[name], TypeVar) or getattr(hints[name], "__parameters__", False):
            hints[name] = Annotated[(field.annotation, *field.metadata, None)]
    return hints


def _fields(cls: type["BaseModel"]) -> "Iterator[str]":
    package = type_name_of(cls).split("/")[0]
    hints = field_hints(cls)
    for attribute, name in outer_names(cls).items():
        info = cls.model_fields[attribute]
        shown = ros_type(hints[attribute]).replace("/msg/", "/")
        of_package = re.sub(rf"\b{re.escape(package)}/", "", shown)
        default = _plain(info.get_default())
        is_shown = isinstance(default, int | float | str) and default
        line = f"{of_package} {name} {_literal(default)}" if is_shown else f"{of_package} {name}"
        names = (
            name if name == str(v) else f"{name} {v}"
            for name, v in _listed(info.annotation).items()
        )
        comment = ", ".join(filter(None, (_range(info), *names, info.description or "")))
        yield f"{line}  # {one_line(comment)}" if comment else line


def _range(info: FieldInfo) -> str:
    """Return the limits of a field's values, as `>= 0, <= 1`; empty for those of its type."""
    if any(isinstance(each, Ros) for each in info.metadata):
        return ""  # the limits are those of the ROS type, such as `uint8`
    limits = limits_in(info.metadata, "ge", "gt", "le", "lt")
    return ", ".join(f"{_SIGNS[name]} {limit}" for name, limit in limits.items())


def message_definition(cls: type["BaseModel"]) -> MessageDefinition:
    """Return a message type as a ROS definition, without defaults that are zero or empty.

    Raises:
        MessageError: ROS does not have the type of a field.
    """
    name = type_name_of(cls)
    package = name.split("/")[0]
    hints, fields = field_hints(cls), []
    for each, outer in outer_names(cls).items():
        try:
            kind = read_type(ros_type(hints[each]), package)
        except ValueError as error:
            raise MessageError(f"{name}.{outer}: in ROS {error}") from None
        fields.append(MessageField(outer, kind, _stated_default(cls.model_fields[each])))
    doc = inspect.cleandoc(cls.__doc__ or "")
    return MessageDefinition(name, tuple(fields), tuple(_constants(cls)), doc)


def _stated_default(info: FieldInfo) -> object:
    default = _plain(info.get_default())
    is_plain = isinstance(default, int | float | str | list) and bool(default)
    is_zeros = isinstance(default, list) and not any(default)
    return default if is_plain and not is_zeros else None


def _plain(value: Any) -> Any:
    """Return a value as it is written: members of an enumeration are their values."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.value if isinstance(value, Enum) else value


def type_name_of(cls: type["BaseModel"]) -> str:
    """Return a message type's ROS name; without `Message`, because base.py imports this file."""
    return str(getattr(cls, "type_name", cls.__name__))


def _literal(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def ros_type(annotation: Any) -> str:
    """Return the ROS type of a field's annotation, such as `float64[9]`.

    What has no ROS type (a dict, a union) is returned in Python's form, with ROS types inside.
    """
    extras: tuple[object, ...] = ()
    while get_origin(annotation := unaliased(annotation)) is Annotated:
        annotation, *rest = get_args(annotation)
        extras += tuple(rest)
    kinds = {type(each) for each in _listed(annotation).values()}
    if len(kinds) == 1 and not _is_union(annotation):
        annotation = kinds.pop()
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is list:
        item = ros_type(inner[0])
        return (f"({item})" if " | " in item else item) + _bounds(extras)
    if inner:
        return _python_form(annotation)
    marked = next((extra.name for extra in extras if isinstance(extra, Ros)), None)
    name = marked or getattr(annotation, "type_name", None) or _ROS_NAMES.get(annotation)
    if annotation is str and (limit := _limits(extras).get("max_length")) is not None:
        return f"{name}<={limit}"
    if annotation is bytes:
        return f"{name}{_bounds(extras)}"
    return str(name or getattr(annotation, "__name__", annotation))


def _python_form(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return f"Literal[{', '.join(map(repr, _listed(annotation).values()))}]"
    names = list(map(ros_type, get_args(annotation)))
    if _is_union(annotation):
        return " | ".join(names)
    return f"{get_origin(annotation).__name__}[{', '.join(names)}]"


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)


def _listed(annotation: Any) -> dict[str, Any]:
    """Return the values of an enumeration or a literal type, by name; in a union, of all."""
    if _is_union(annotation):
        return {k: v for each in get_args(annotation) for k, v in _listed(each).items()}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {name: each.value for name, each in annotation.__members__.items()}
    values = get_args(annotation) if get_origin(annotation) is Literal else ()
    return {getattr(each, "name", str(each)): _plain(each) for each in values}


def _limits(extras: tuple[object, ...]) -> dict[str, Any]:
    found = (each for extra in extras if isinstance(extra, FieldInfo) for each in extra.metadata)
    return limits_in(found, "min_length", "max_length")


def _bounds(extras: tuple[object, ...]) -> str:
    limits = _limits(extras)
    low, high = limits.get("min_length"), limits.get("max_length")
    if high is None:
        return "[]"
    return f"[{high}]" if low == high else f"[<={high}]"
