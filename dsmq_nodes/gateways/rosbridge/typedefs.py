"""Describes types in rosapi's form: the names of fields, their types, and constants.

The kit's own types are described by their classes. Of a user's type only the JSON Schema is known:
its inner types are assumed to be of the same package, and a number to be float64.
"""

from typing import Any, Final

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.model_class import models_in, outer_names
from dsmq_nodes.messages.schema.definition import constants_of, field_hints, msg_text, ros_type
from dsmq_nodes.messages.schema.schema_walk import Schema, as_mapping, kinds, resolved

TypeDef = dict[str, Any]

_RULE: Final = "=" * 80 + "\n"
_EMPTY: Final = {"string": "", "bool": "False", "float32": "0.0", "float64": "0.0"}
_BY_KIND: Final = {"string": "string", "boolean": "bool", "integer": "int64", "number": "float64"}


def short(type_name: str) -> str:
    """Return rosapi's name of a type: `std_msgs/String` for `std_msgs/msg/String`."""
    parts = type_name.split("/")
    return f"{parts[0]}/{parts[2]}" if len(parts) == 3 else type_name


def typedefs(cls: type[Message]) -> list[TypeDef]:
    """Return the descriptions of a type and of its inner types, each once."""
    return [_typedef(each) for each in _with_inner(cls)]


def full_text(cls: type[Message]) -> str:
    """Return a type's `.msg` text and those of its inner types, as `gendeps --cat` writes them."""
    first, *others = _with_inner(cls)
    inner = [f"MSG: {short(each.type_name)}\n{msg_text(each)}" for each in others]
    return _RULE.join([msg_text(first), *inner])


def _with_inner(cls: type[Message]) -> list[Any]:
    found: list[Any] = [cls]
    for each in found:  # the list grows
        hints = field_hints(each)
        inner = (kind for name in each.model_fields for kind in models_in(hints[name]))
        found += [kind for kind in dict.fromkeys(inner) if kind not in found]
    return found


def _typedef(cls: type[Message]) -> TypeDef:
    hints = field_hints(cls)
    types = {outer: ros_type(hints[name]) for name, outer in outer_names(cls).items()}
    constants = [each.partition(" ")[2].partition("=") for each in constants_of(cls)]
    return _described(cls.type_name, types) | {
        "constnames": [name for name, _, _ in constants],
        "constvalues": [value for _, _, value in constants],
    }


def _described(type_name: str, types: dict[str, str]) -> TypeDef:
    bases = [short(each.partition("[")[0]) for each in types.values()]
    lengths = [_length(each) for each in types.values()]
    return {
        "type": short(type_name),
        "fieldnames": list(types),
        "fieldtypes": bases,
        "fieldarraylen": lengths,
        "examples": [_example(*each) for each in zip(bases, lengths, strict=True)],
        "constnames": [],
        "constvalues": [],
    }


def _length(ros: str) -> int:
    """Return the length of an array: -1 for a single value, 0 for any length."""
    _, bracket, length = ros.partition("[")
    if not bracket:
        return -1
    return int(length[:-1]) if length[:-1].isdigit() else 0


def _example(base: str, length: int) -> str:
    if length >= 0:
        return "[]"
    return _EMPTY.get(base, "{}" if "/" in base else "0")


def schema_typedefs(type_name: str, schema: Schema) -> list[TypeDef]:
    """Return the descriptions of a type and its inner types from its JSON Schema, each once."""
    package = type_name.partition("/")[0]
    known = {type_name: schema}
    found = []
    for name in (waiting := [type_name]):  # the list grows
        properties = as_mapping(resolved(schema, known[name]).get("properties"))
        types = {}
        for field, each in properties.items():
            types[field], inner = _of_schema(each, schema, package)
            if inner and inner not in known:
                known[inner] = as_mapping(
                    as_mapping(schema.get("$defs")).get(short(inner)[len(package) + 1 :])
                )
                waiting.append(inner)
        found.append(_described(name, types))
    return found


def _of_schema(part: object, root: Schema, package: str) -> tuple[str, str]:
    """Return the ROS type of a field, and the name of its message type, or ""."""
    reference, named = as_mapping(part).get("$ref"), resolved(root, part)
    kind = next(iter(kinds(named, root)), "")
    if isinstance(reference, str) and kind == "object":
        inner = f"{package}/msg/{reference.rpartition('/')[2]}"
        return inner, inner
    if kind == "array":
        base, inner = _of_schema(named.get("items"), root, package)
        least, most = named.get("minItems"), named.get("maxItems")
        return f"{base.partition('[')[0]}[{most if most == least and most else ''}]", inner
    if kind == "string" and named.get("contentEncoding") == "base64":
        return "uint8[]", ""
    return _BY_KIND.get(kind, kind or "string"), ""
