"""Walks a message and the JSON Schema of its type together.

A schema comes from another process: what it does not describe, or describes wrongly, is anything.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
ANYTHING: Final[Schema] = {}
DEEPEST: Final = 50
"""Of references, and of what is walked: a schema may lead to itself."""


def resolved(root: Schema, schema: object) -> Schema:
    """A part of the schema `root`, with its reference followed."""
    for _ in range(DEEPEST):
        found = as_mapping(schema)
        reference = found.get("$ref")
        if not isinstance(reference, str):
            return found
        schema = as_mapping(root.get("$defs")).get(reference.rpartition("/")[2])
    return ANYTHING


def alternative(schema: Schema, kind: str, root: Schema) -> Schema:
    """The alternative of a kind in a schema; without alternatives the schema itself."""
    choices = [resolved(root, each) for each in as_list(schema.get("anyOf"))]
    return next((each for each in choices if each.get("type") == kind), schema)


def field_schemas(schema: Schema, value: Mapping[str, Any]) -> Schema:
    """The schema of each field of an object; of a mapping the same for all."""
    more = as_mapping(schema.get("additionalProperties"))
    fields = as_mapping(schema.get("properties"))
    return {**dict.fromkeys(value, more), **fields} if more else fields


def item_schemas(schema: Schema, count: int) -> list[object]:
    """The schema of each item of an array; the first ones may have their own."""
    first = as_list(schema.get("prefixItems"))[:count]
    return [*first, *[schema.get("items")] * (count - len(first))]


def walked(
    value: Any, schema: object, root: Schema, leaf: Callable[[Any, Schema], Any], depth: int = 0
) -> Any:
    """A value in which `leaf` has changed the texts and the numbers with a fraction.

    Args:
        value: of a message.
        schema: its part of the schema.
        root: the schema.
        leaf: takes each with its part of the schema.
        depth: how deep the value lies; below `DEEPEST` nothing is changed.
    """
    if not isinstance(value, dict | list | str | float) or depth > DEEPEST:
        return value
    found = resolved(root, schema)
    if isinstance(value, dict):
        inside = field_schemas(alternative(found, "object", root), value)
        return {k: walked(v, inside.get(k), root, leaf, depth + 1) for k, v in value.items()}
    if isinstance(value, list) and not _is_plain(value):
        items = item_schemas(alternative(found, "array", root), len(value))
        pairs = zip(value, items, strict=True)
        return [walked(each, item, root, leaf, depth + 1) for each, item in pairs]
    return value if isinstance(value, list) else leaf(value, found)


def _is_plain(values: list[Any]) -> bool:
    """Whether a list has only numbers that JSON has: most long lists."""
    types = set(map(type, values))
    return not types & {str, list, dict} and all(
        math.isfinite(each) for each in values if isinstance(each, float)
    )


def kinds(schema: Schema, root: Schema) -> list[str]:
    """The JSON types that a value may have; empty when any."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    choices = [resolved(root, each).get("type") for each in as_list(schema.get("anyOf"))]
    return [each for each in choices if isinstance(each, str)]


def as_list(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def as_mapping(value: object) -> Schema:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else ANYTHING
