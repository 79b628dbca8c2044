"""Makes a ROS type from a JSON Schema, for types with a recorded schema only.

A numeric field is float64, an integer field the narrowest type with its limits, bytes are uint8[].
An object in a field is a separate type, named after the field. Times and headers are ROS's. A
schema may expand into billions of fields, and so may a message of few bytes: there are limits.
"""

import re
from typing import Any, Final

from rosbags.interfaces import Nodetype

from dsmq_nodes.bag.convert.columns import Described
from dsmq_nodes.messages.schema.ros_base import INTEGER_TYPES
from dsmq_nodes.messages.schema.schema_walk import Schema

Node = tuple[Nodetype, Any]
Types = dict[str, tuple[list[Any], list[tuple[str, Node]]]]

# The library generates Python code with these names, so nothing else is allowed.
_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*/msg/[A-Za-z][A-Za-z0-9_]*")
_FIELD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DEEPEST: Final = 20
_MOST_TYPES: Final = 1000
_MOST_DEFAULTS: Final = 10_000  # values of a fixed array, which a message may omit
_TIME: Final = "builtin_interfaces/msg/Time"
_PLAIN: Final = {"number": "float64", "boolean": "bool", "string": "string"}


def types_of(type_name: str, schema: Schema) -> Types:
    """Return the definitions of a type and of the types that it contains.

    Raises:
        ValueError: ROS has no such type; the text says what is missing.
    """
    made = _Made(schema)
    made.add(type_name, made.described.plain(schema), 0)
    return made.types


class _Made:
    def __init__(self, schema: Schema) -> None:
        self.types: Types = {}
        self.described = Described(schema)
        self.count = 0

    def add(self, name: str, node: Schema, depth: int) -> None:
        if not _TYPE.fullmatch(name):
            raise ValueError(f"{name!r} is no valid name of a type in ROS")
        properties = node.get("properties")
        if not isinstance(properties, dict) or depth > _DEEPEST:
            raise ValueError(f"its schema has no fields of {name}, and no class has that name")
        self.count += 1
        if self.count > _MOST_TYPES:
            raise ValueError(f"its schema expands into more than {_MOST_TYPES} types")
        fields = []
        for field in properties:
            if not _FIELD.fullmatch(field):
                raise ValueError(f"{field!r} is no valid field name in ROS")
            inner = self.described.inside(node, field)
            fields.append(
                (field, self.field(f"{name}{field.title().replace('_', '')}", inner, depth))
            )
        self.types[name] = ([], fields)

    def field(self, name: str, node: Schema, depth: int) -> Node:
        kind = node.get("type")
        if kind == "object":
            return Nodetype.NAME, self.object(name, node, depth)
        if kind == "array":
            return self.list_of(name, node, depth)
        if kind == "string" and node.get("contentEncoding") == "base64":
            return Nodetype.SEQUENCE, (_base("uint8"), 0)
        if kind == "integer":
            return _base(INTEGER_TYPES.get((node.get("minimum"), node.get("maximum")), "int64"))
        if kind in _PLAIN:
            return _base(_PLAIN[kind])
        raise ValueError(f"{name}: its schema has no known type")

    def list_of(self, name: str, node: Schema, depth: int) -> Node:
        item = self.field(name, self.described.item(node, 0), depth + 1)
        if item[0] in {Nodetype.ARRAY, Nodetype.SEQUENCE}:
            raise ValueError(f"{name}: ROS has no lists of lists")
        count = node.get("minItems")
        if isinstance(count, int) and 0 < count == node.get("maxItems"):
            array = Nodetype.ARRAY, (item, count)
            if self.values(array) <= _MOST_DEFAULTS:
                return array
        return Nodetype.SEQUENCE, (item, 0)

    def values(self, node: Node) -> int:
        """Return how many values a field has when a message omits it."""
        kind, detail = node
        if kind == Nodetype.NAME:
            fields = self.types[detail][1] if detail in self.types else ()
            return sum(self.values(each) for _, each in fields)
        return detail[1] * self.values(detail[0]) if kind == Nodetype.ARRAY else 1

    def object(self, name: str, node: Schema, depth: int) -> str:
        fields = node.get("properties")
        names = set(fields) if isinstance(fields, dict) else set()
        if names == {"sec", "nanosec"}:
            return _TIME
        if names == {"stamp", "frame_id"}:
            return "std_msgs/msg/Header"
        self.add(name, node, depth + 1)
        return name


def _base(name: str) -> Node:
    return Nodetype.BASE, (name, 0)
