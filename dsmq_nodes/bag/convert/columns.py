"""The kind of the values in a field: from its JSON Schema, or else from the values themselves.

In the kit's JSON the number NaN and the text "NaN" look alike, as do bytes and texts; only the
schema distinguishes them. Without a schema, "NaN" among numbers is a number, otherwise a text.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final, NamedTuple

from dsmq_nodes.messages.schema.ros_base import NON_FINITE
from dsmq_nodes.messages.schema.schema_walk import (
    ANYTHING,
    DEEPEST,
    Schema,
    as_list,
    as_mapping,
    resolved,
)

_EXACT: Final = 2**53  # up to this value every integer is exact as a float
_DEEPEST: Final = 20  # nested kinds


class ColumnKind(NamedTuple):
    """The kind of values in a column.

    Attributes:
        name: "nothing" (all are missing), "boolean", "integer", "unsigned" (up to 2**64), "number",
            "special" (a text that may be a number), "string", "bytes" (in base64), "list",
            "object", "mixed".
        item: the kind of a list's items.
        fields: the kinds of an object's fields.
    """

    name: str
    item: "ColumnKind | None" = None
    fields: tuple[tuple[str, "ColumnKind"], ...] = ()


NOTHING: Final = ColumnKind("nothing")
_NAMES: Final = {bool: "boolean", int: "integer", float: "number", str: "string"}
# The common kind of two kinds; "mixed" if it is not in this table.
_TOGETHER: Final = {
    frozenset({"integer", "unsigned"}): "unsigned",
    frozenset({"integer", "number"}): "number",
    frozenset({"unsigned", "number"}): "number",
    frozenset({"special", "integer"}): "number",
    frozenset({"special", "unsigned"}): "number",
    frozenset({"special", "number"}): "number",
    frozenset({"special", "string"}): "string",
    frozenset({"special", "bytes"}): "string",
    frozenset({"string", "bytes"}): "string",
}


def together(one: ColumnKind, other: ColumnKind) -> ColumnKind:
    """Return the kind of a column that has values of two kinds."""
    if other in {one, NOTHING}:
        return one
    if one == NOTHING:
        return other
    if one.name == other.name == "list":
        return ColumnKind("list", together(one.item or NOTHING, other.item or NOTHING))
    if one.name == other.name == "object":
        mine, others = dict(one.fields), dict(other.fields)
        names = mine | others
        return ColumnKind(
            "object",
            fields=tuple(
                (each, together(mine.get(each, NOTHING), others.get(each, NOTHING)))
                for each in names
            ),
        )
    return ColumnKind(_TOGETHER.get(frozenset({one.name, other.name}), "mixed"))


def _all(kinds: Iterable[ColumnKind]) -> ColumnKind:
    return reduce(together, kinds, NOTHING)


class Described:
    """The kinds of a message's fields by its JSON Schema."""

    def __init__(self, schema: Schema) -> None:
        """Use the schema of a message; an empty one when it is unknown."""
        self._root = schema

    def plain(self, node: Any) -> Schema:
        """Return a part of the schema with its reference resolved, without "or null"."""
        for _ in range(DEEPEST):
            found = resolved(self._root, node)
            choices = [each for each in as_list(found.get("anyOf")) if each != {"type": "null"}]
            if len(choices) != 1:
                return found
            (node,) = choices
        return ANYTHING

    def inside(self, node: Schema, name: str) -> Schema:
        """Return the part of the schema for a field of an object."""
        more = node.get("additionalProperties")
        return self.plain(as_mapping(node.get("properties")).get(name, more))

    def item(self, node: Schema, index: int) -> Schema:
        """Return the part of the schema for an item of a list."""
        first = as_list(node.get("prefixItems"))
        return self.plain(first[index] if index < len(first) else node.get("items"))

    def declared(self, node: Schema, depth: int = 0) -> ColumnKind:
        """Return the kind in a part of the schema."""
        match node.get("type"):
            case "string":
                return ColumnKind("bytes" if node.get("contentEncoding") == "base64" else "string")
            case "integer":
                most = node.get("maximum")
                is_wide = isinstance(most, int) and most >= 2**63 and node.get("minimum") == 0
                return ColumnKind("unsigned" if is_wide else "integer")
            case "number" | "boolean" as name:
                return ColumnKind(name)
            case "array" if depth < _DEEPEST:
                count = max(len(as_list(node.get("prefixItems"))), 1)
                items = [self.item(node, index) for index in range(count)]
                return ColumnKind("list", _all(self.declared(each, depth + 1) for each in items))
            case "object" if depth < _DEEPEST and isinstance(node.get("properties"), dict):
                return ColumnKind(
                    "object",
                    fields=tuple(
                        (name, self.declared(self.inside(node, name), depth + 1))
                        for name in node["properties"]
                    ),
                )
        return NOTHING

    def read(self, value: Any, node: Schema) -> tuple[Any, ColumnKind]:
        """Return a value, converted by the schema, and its kind."""
        if isinstance(value, list):
            return self._read_list(value, node)
        if isinstance(value, dict):
            pairs = {name: self.read(each, self.inside(node, name)) for name, each in value.items()}
            kinds = tuple((name, kind) for name, (_, kind) in pairs.items())
            return {name: each for name, (each, _) in pairs.items()}, ColumnKind(
                "object", fields=kinds
            )
        if value is None:
            return None, NOTHING
        wanted = node.get("type")
        if wanted == "number":
            value = _as_number(value)
        if type(value) is not str or wanted == "number":
            return value, ColumnKind(_NAMES[type(value)])
        if wanted == "string":
            return value, self.declared(node)
        return value, ColumnKind("special" if value in NON_FINITE else "string")

    def _read_list(self, values: list[Any], node: Schema) -> tuple[Any, ColumnKind]:
        types = set(map(type, values))
        if len(types) == 1 and types <= {float, bool} and "prefixItems" not in node:
            # A shortcut for long lists, as in a scan.
            return values, ColumnKind("list", ColumnKind(_NAMES[types.pop()]))
        item = self.plain(node.get("items"))
        if types == {int} and item.get("type") != "number":
            return values, ColumnKind("list", ColumnKind("integer"))
        pairs = [self.read(each, self.item(node, index)) for index, each in enumerate(values)]
        return [value for value, _ in pairs], ColumnKind("list", _all({kind for _, kind in pairs}))


def _as_number(value: Any) -> Any:
    """Convert a value of a numeric field to a float; return other values unchanged."""
    if type(value) is str:
        return NON_FINITE.get(value, value)
    return float(value) if type(value) is int and abs(value) <= _EXACT else value


@dataclass(slots=True)
class Column:
    """The values of a field, one for each row; None for a missing value.

    Attributes:
        kind: the kind of all values together.
        values: the values, converted by the schema.
    """

    kind: ColumnKind = NOTHING
    values: list[Any] = field(default_factory=list)

    def uniform(self) -> "Column | None":
        """Return a column with all values converted to one type, or None if they have several."""
        if not _is_plain(self.kind):
            return None
        try:
            return Column(self.kind, [fitted(value, self.kind) for value in self.values])
        except (ValueError, OverflowError):  # an integer among floats has no equal float
            return None

    def as_texts(self) -> "Column":
        """Return a column with each value as JSON text."""
        texts = [None if value is None else json.dumps(value) for value in self.values]
        return Column(ColumnKind("string"), texts)


def _is_plain(kind: ColumnKind) -> bool:
    inner = [each for _, each in kind.fields] + ([kind.item] if kind.item else [])
    return kind.name != "mixed" and all(_is_plain(each) for each in inner)


def fitted(value: Any, kind: ColumnKind) -> Any:
    """Return a value, converted to its column's kind.

    Raises:
        ValueError: the value is an integer without an equal float, in a column of floats.
    """
    if value is None:
        return None
    if kind.name == "number" and type(value) is not float:
        number = NON_FINITE[value] if isinstance(value, str) else float(value)
        if isinstance(value, int) and int(number) != value:
            raise ValueError(value)
        return number
    if kind.name == "object":
        return {name: fitted(value.get(name), inner) for name, inner in kind.fields}
    if kind.name == "list" and kind.item and kind.item.name in {"number", "list", "object"}:
        if kind.item.name == "number" and set(map(type, value)) <= {float}:
            return value
        return [fitted(each, kind.item) for each in value]
    return value
