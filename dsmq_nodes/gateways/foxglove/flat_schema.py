"""Converts JSON Schemas to a form that the viewers' parsers support.

The viewers require an object at the root, and support no `$ref`, no `anyOf` or `oneOf`, no null and
no arrays of arrays; for these the nearest form that they can show is used. A schema comes from
another process: its converted size is limited, whatever it refers to.
"""

from typing import Any, Final

from dsmq_nodes.messages.schema.schema_walk import (
    Schema,
    alternatives,
    as_list,
    as_mapping,
    resolved,
)

_DEEPEST: Final = 12  # nested types; a type that contains itself ends there
_MOST_PARTS: Final = 5000
_OBJECT: Final[dict[str, Any]] = {"type": "object", "properties": {}}
_SIMPLE: Final = ("string", "number", "integer", "boolean")
_KEPT: Final = ("minimum", "maximum", "contentEncoding")


def flat_schema(schema: Schema) -> dict[str, Any]:
    """Return the schema of a message for a viewer; an object without fields when unknown."""
    found = _Flattening(schema).flat(schema, 0)
    return found if found["type"] == "object" else dict(_OBJECT)


class _Flattening:
    def __init__(self, root: Schema) -> None:
        self._root = root
        self._remaining = _MOST_PARTS

    def flat(self, part: object, depth: int) -> dict[str, Any]:
        """Return a part of the schema without what viewers do not support."""
        self._remaining -= 1
        if depth > _DEEPEST or self._remaining < 0:
            return dict(_OBJECT)
        found = resolved(self._root, part)
        for each in alternatives(found, self._root):
            if each.get("type") != "null":  # the first choice: values of the others show unchanged
                return self.flat(each, depth + 1)
        kind = found.get("type") or _kind_of_values(found)
        if kind == "object" or "properties" in found:
            properties = as_mapping(found.get("properties"))
            inner = {str(name): self.flat(each, depth + 1) for name, each in properties.items()}
            return {"type": "object", "properties": inner}
        if kind == "array":
            return {"type": "array", "items": self._item(found, depth)}
        kept = {name: found[name] for name in _KEPT if name in found}
        return {"type": kind if kind in _SIMPLE else "string", **kept}

    def _item(self, found: Schema, depth: int) -> dict[str, Any]:
        first = as_list(found.get("prefixItems"))
        item = found.get("items") or (first[0] if first else {"type": "number"})
        flat = self.flat(item, depth + 1)
        is_deeper = flat["type"] == "array" or "contentEncoding" in flat
        return dict(_OBJECT) if is_deeper else flat


def _kind_of_values(found: Schema) -> str:
    """Return the type of a schema that lists its values."""
    values = as_list(found.get("enum")) or ([found["const"]] if "const" in found else [])
    is_whole = bool(values) and all(isinstance(each, int) for each in values)
    return "integer" if is_whole else "string"
