"""The JSON Schema of a recorded topic, in a form that other tools can read.

Their parsers expect an object at the root and do not support `$ref`, so definitions in `$defs` are
inserted where they are used. A type that contains itself keeps its references, and so does a type
that would become too large: a few definitions that contain each other expand to billions of fields.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.topics.compatible import compare
from dsmq_nodes.json_text import read_loose_json
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.find import find_type, from_others
from dsmq_nodes.messages.schema.schema_walk import as_mapping

ANYTHING: Final[dict[str, Any]] = {"type": "object"}
"""The schema of an unknown type."""

_DEFINITIONS: Final = "#/$defs/"
_MOST_PARTS: Final = 100_000


def schema_text(schema: dict[str, Any]) -> bytes:
    """Return a schema in the form for a file."""
    try:
        plain = _Inlining(as_mapping(schema.get("$defs"))).of(schema, ())
    except RecursionError:
        plain = schema
    return json.dumps(plain, separators=(",", ":")).encode()  # keeps the order of the fields


class _Inlining:
    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._parts = 0

    def of(self, part: Any, inside: tuple[str, ...]) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise RecursionError
        if isinstance(part, list):
            return [self.of(each, inside) for each in part]
        if not isinstance(part, dict):
            return part
        reference = str(part.get("$ref"))
        name = reference.removeprefix(_DEFINITIONS)
        if name != reference and name in self._definitions:
            if name in inside:
                raise RecursionError
            beside = {key: value for key, value in part.items() if key != "$ref"}
            return self.of({**as_mapping(self._definitions[name]), **beside}, (*inside, name))
        return {key: self.of(value, inside) for key, value in part.items() if key != "$defs"}


def recorded_schema(channel: Channel) -> dict[str, Any]:
    """Return the JSON Schema of a channel's messages, or an empty one when it is unknown."""
    if channel.schema_encoding != "jsonschema":
        return {}
    try:
        schema = read_loose_json(channel.schema)
    except ValueError:
        return {}
    return schema if isinstance(schema, dict) and schema != ANYTHING else {}


def lost_fields(channel: Channel, found: type[Message]) -> list[str]:
    """Return the recorded fields that a class lacks if they may have other names there.

    Its own fields would have their defaults then. A class that lacks fields and has no new ones is
    an older one, which ignores them.
    """
    differences = compare(found.schema(), recorded_schema(channel)).differences
    return [each.field for each in differences if not each.expected]


def class_of(type_name: str) -> type[Message] | None:
    """Return the message class with this type name, or None.

    Classes that the program has imported come first, then the kit's, then those of packages.
    """
    if not from_others(type_name):
        return None
    for known in _subclasses(Message):
        if known.type_name == type_name:
            return known
    try:
        return find_type(type_name)
    except CommandError:
        return None


def _subclasses(of: type[Message]) -> list[type[Message]]:
    found = of.__subclasses__()
    return found + [deeper for each in found for deeper in _subclasses(each)]
