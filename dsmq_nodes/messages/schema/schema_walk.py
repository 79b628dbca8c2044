"""Walks a message and the JSON Schema of its type together.

A schema comes from another process: a value that it does not describe may be anything.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
ANYTHING: Final[Schema] = {}
DEEPEST: Final = 50
"""The most nested values, and references in a row: a schema may refer to itself."""
MADE_BY_READERS: Final = "readOnly"
"""Marks a field that each reader of a message without it makes: a new id, the present time."""


def resolved(root: Schema, schema: object) -> Schema:
    """Return a part of the schema `root` with its references followed."""
    for _ in range(DEEPEST):
        found = as_mapping(schema)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        schema = as_mapping(root.get("$defs")).get(reference.rpartition("/")[2])
    return ANYTHING


def alternative(schema: Schema, kind: str, root: Schema, value: object = None) -> Schema:
    """Return the alternative of a kind in a schema, or the schema itself.

    Of several kinds of objects it is the first one that has the fields of `value`.
    """
    found = [each for each in alternatives(schema, root) if each.get("type") == kind] or [schema]
    if len(found) == 1:
        return found[0]
    return next((each for each in found if _has_fields(each, as_mapping(value), root)), found[0])


def alternatives(schema: Schema, root: Schema) -> list[Schema]:
    """Return the alternatives of a schema; none where it has one kind of values."""
    choices = as_list(schema.get("anyOf")) or as_list(schema.get("oneOf"))
    return [resolved(root, each) for each in choices]


def _has_fields(schema: Schema, value: Schema, root: Schema) -> bool:
    """Whether a schema of an object has all fields of a value, and lists none of other values."""
    fields = field_schemas(schema, value)
    return value.keys() <= fields.keys() and all(
        _is_listed(each, resolved(root, fields[name])) for name, each in value.items()
    )


def _is_listed(value: object, schema: Schema) -> bool:
    """Whether a value is one of those that a schema lists, if it lists any."""
    listed = as_list(schema.get("enum")) or ([schema["const"]] if "const" in schema else [])
    return not listed or value in listed


def field_schemas(schema: Schema, value: Mapping[str, Any]) -> Schema:
    """Return the schema of each field of an object; a mapping has the same one for all."""
    more = schema.get("additionalProperties")
    fields = as_mapping(schema.get("properties"))
    if more is None or more is False:
        return fields
    return {**dict.fromkeys(value, as_mapping(more)), **fields}


def item_schemas(schema: Schema, count: int) -> list[object]:
    """Return the schema of each item of an array; the first items may have their own."""
    first = as_list(schema.get("prefixItems"))[:count]
    return [*first, *[schema.get("items")] * (count - len(first))]


def walked(
    value: Any, schema: object, root: Schema, leaf: Callable[[Any, Schema], Any], depth: int = 0
) -> Any:
    """Return a value with `leaf` applied to its texts and its floats.

    Args:
        value: a value of a message.
        schema: the part of the schema for the value.
        root: the whole schema.
        leaf: called with each text or float and its part of the schema; returns the new one.
        depth: the depth of the value; values deeper than `DEEPEST` are not changed.
    """
    if not isinstance(value, dict | list | str | float) or depth > DEEPEST:
        return value
    found = resolved(root, schema)
    if isinstance(value, dict):
        inside = field_schemas(alternative(found, "object", root, value), value)
        return {k: walked(v, inside.get(k), root, leaf, depth + 1) for k, v in value.items()}
    if isinstance(value, list) and not _is_plain(value):
        items = item_schemas(alternative(found, "array", root), len(value))
        pairs = zip(value, items, strict=True)
        return [walked(each, item, root, leaf, depth + 1) for each, item in pairs]
    return value if isinstance(value, list) else leaf(value, found)


def _is_plain(values: list[Any]) -> bool:
    """Whether a list has only finite numbers, bools and null, as most long lists have."""
    types = set(map(type, values))
    return not types & {str, list, dict} and all(
        math.isfinite(each) for each in values if isinstance(each, float)
    )


def kinds(schema: Schema, root: Schema) -> list[str]:
    """Return the JSON types that a value may have; empty when any."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    choices = [each.get("type") for each in alternatives(schema, root)]
    return [each for each in choices if isinstance(each, str)]


def as_list(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def as_mapping(value: object) -> Schema:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else ANYTHING
