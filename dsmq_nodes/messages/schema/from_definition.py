"""Makes a message class from a ROS definition: in memory, or as Python source.

The annotation and the default of each field are written twice: as objects, and as the text that
Python evaluates to these objects. A test holds the two equal.
"""

import json
import keyword
import math
import warnings
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field, create_model

from dsmq_nodes.messages import fields
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.interface_text import FieldType, MessageDefinition, MessageField
from dsmq_nodes.messages.schema.ros_base import INTEGERS

NameOf = Callable[[str], str]
ClassNamed = Callable[[str], type[Message]]
BYTES: Final = frozenset(("uint8", "char", "byte"))
_PYTHON: Final[dict[str, Any]] = {"bool": bool, "string": str, "wstring": str}
_PYTHON_TEXT: Final = {name: kind.__name__ for name, kind in _PYTHON.items()}
_ZEROS: Final = {"bool": "False", "string": '""', "wstring": '""'}
_TAKEN: Final = frozenset(dir(Message))
# Methods of a message that the kit does not call: JoyFeedbackArray has a field `array`.
_SHADOWED: Final = frozenset(("array", "copy", "definition", "dict", "json"))
# As a field's name in a class, each would be that field's default in the annotations.
_IN_ANNOTATIONS: Final = frozenset(
    ("bool", "byte", "bytes", "char", "float32", "float64", "list", "str")
)
_RENAMED: Final = (_TAKEN - _SHADOWED) | _IN_ANNOTATIONS | INTEGERS.keys()


def attribute_of(field_name: str) -> str:
    """Return a field's name in a class: `type_name_` for a name that every message has itself.

    A keyword of Python and a name that annotations use, as `list`, have an `_` behind them too.
    """
    is_renamed = field_name in _RENAMED or keyword.iskeyword(field_name)
    return f"{field_name}_" if is_renamed else field_name


def short_name(type_name: str) -> str:
    """Return the Python name of a message type: `Header`."""
    return type_name.rpartition("/")[2]


def message_from_definition(
    definition: MessageDefinition, class_named: ClassNamed
) -> type[Message]:
    """Return a message class made from a definition.

    Args:
        definition: the type.
        class_named: returns the class of another type, for fields that hold messages.

    A field that `attribute_of` renames keeps its name in JSON.
    """
    made: dict[str, Any] = {}
    for field in definition.fields:
        annotation = _annotation(field.type, class_named)
        default = _default(field, class_named)
        own = attribute_of(field.name)
        is_renamed = own != field.name
        made[own] = (annotation, Field(default, alias=field.name) if is_renamed else default)
    name = definition.type_name.rpartition("/")[2]
    package = definition.type_name.split("/")[0]
    with warnings.catch_warnings(action="ignore"):  # a field may have a method's name
        found = create_model(name, __base__=Message, __module__=package, **made)
    found.__doc__ = definition.comment or None
    found.type_name = definition.type_name
    for constant in definition.constants:
        kind = _annotation(FieldType(constant.base), class_named)
        found.__annotations__[constant.name] = ClassVar[kind]
        setattr(found, constant.name, constant.value)
    return found


def _extras(kind: FieldType) -> tuple[dict[str, Any], str]:
    """Return an annotation's parts besides Python's type: `Field` limits and the `Ros` name."""
    if not kind.is_list:
        limits = {} if kind.text_limit is None else {"max_length": kind.text_limit}
        return limits, "wstring" if kind.base == "wstring" else ""
    limits = {} if kind.size is None else {"min_length": kind.size}
    most = kind.limit if kind.size is None else kind.size
    limits |= {} if most is None else {"max_length": most}
    return limits, kind.base if kind.base in BYTES - {"uint8"} else ""


def _item(kind: FieldType) -> FieldType:
    return FieldType(kind.base, kind.text_limit)


def _annotation(kind: FieldType, class_named: ClassNamed) -> Any:
    """Return a field's annotation; `annotation_text` is its text."""
    limits, ros = _extras(kind)
    extras = [*([Field(**limits)] if limits else ()), *([fields.Ros(ros)] if ros else ())]
    if kind.is_list:
        item = None if kind.base in BYTES else _annotation(_item(kind), class_named)
        found: Any = bytes if item is None else list.__class_getitem__(item)
    elif kind.is_message:
        found = class_named(kind.base)
    else:
        found = _PYTHON.get(kind.base) or getattr(fields, kind.base)
    return Annotated[found, *extras] if extras else found


def _default(field: MessageField, class_named: ClassNamed) -> Any:
    """Return a field's default; `default_text` is its text."""
    kind, default = field.type, field.default
    if not kind.is_list:
        return _zero(kind, class_named) if default is None else default
    if kind.base in BYTES:
        return bytes(default or kind.size or 0)
    return list(default) if default is not None else _zeros(kind, class_named)


def _zeros(kind: FieldType, class_named: ClassNamed) -> list[Any]:
    return [_zero(kind, class_named) for _ in range(kind.size or 0)]


def _zero(kind: FieldType, class_named: ClassNamed) -> Any:
    if kind.is_message:
        return class_named(kind.base)()
    if kind.base in _PYTHON:
        return _PYTHON[kind.base]()
    return 0.0 if kind.base.startswith("float") else 0


def annotation_text(kind: FieldType, name_of: NameOf = short_name) -> str:
    """Return a field's annotation as Python source; `name_of` returns the Python name of a type."""
    limits, ros = _extras(kind)
    arguments = ", ".join(f"{name}={limit}" for name, limit in limits.items())
    extras = [*([f"Field({arguments})"] if limits else ()), *([f'Ros("{ros}")'] if ros else ())]
    if kind.is_list:
        name = "bytes" if kind.base in BYTES else f"list[{annotation_text(_item(kind), name_of)}]"
    elif kind.is_message:
        name = name_of(kind.base)
    else:
        name = _PYTHON_TEXT.get(kind.base, kind.base)
    return f"Annotated[{', '.join((name, *extras))}]" if extras else name


def default_text(field: MessageField, name_of: NameOf = short_name) -> str:
    """Return a field's default as Python source; zero or empty if the definition has none."""
    kind, default = field.type, field.default
    if not kind.is_list:
        return _zero_text(kind, name_of) if default is None else value_text(default)
    if kind.base in BYTES:
        return repr(bytes(default)) if default else f"bytes({kind.size})" if kind.size else 'b""'
    if default is not None:
        return f"[{', '.join(map(value_text, default))}]"
    if kind.is_message and kind.size:
        return f"[{_zero_text(kind, name_of)} for _ in range({kind.size})]"
    return f"[{_zero_text(kind, name_of)}] * {kind.size}" if kind.size else "[]"


def value_text(value: object) -> str:
    """Return a number or a text as Python source; NaN and infinity as `float("nan")`."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return repr(value) if is_finite else f'float("{value}")'


def _zero_text(kind: FieldType, name_of: NameOf) -> str:
    if kind.is_message:
        return f"{name_of(kind.base)}()"
    return _ZEROS.get(kind.base) or ("0.0" if kind.base.startswith("float") else "0")
