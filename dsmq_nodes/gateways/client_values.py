"""Converts the values in a client's message to the kit's form.

Clients of rosbridge were written for ROS 1, for ROS 2 and for JavaScript. Their forms are
recognized by the schema of the type, never by a guess:

- a time `{secs, nsecs}` (ROS 1, roslibpy) or `{sec, nsec}` (Foxglove), and the text "now";
- a header with a `seq`; a header without a stamp, or with null, gets the present time;
- null for a number is NaN, which JSON does not have; another null is the field's default;
- 3.0 for an integer, as programs without integers write it;
- bytes as base64 or as a list of integers; base64 is checked here, because a schema does not.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pybase64

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.known_types import KnownType
from dsmq_nodes.messages.schema.dynamic import encoded
from dsmq_nodes.messages.schema.schema_walk import (
    DEEPEST,
    Schema,
    alternative,
    as_mapping,
    field_schemas,
    item_schemas,
    kinds,
    resolved,
)

_NANOSECONDS: Final = 1_000_000_000
_TIME: Final = {"sec", "nanosec"}
_HEADER: Final = {"stamp", "frame_id"}


def message_text(values: Any, kind: KnownType, now_ns: int) -> str:
    """Return a client's message as JSON text to publish; absent fields have their defaults.

    Args:
        values: the client's values.
        kind: the type; any value is accepted without its schema, and a class checks what a
            schema cannot.
        now_ns: the present time, for headers.

    Raises:
        CommandError: a value does not fit; the text names its field.
        MessageError: as above.
    """
    if not isinstance(values, dict):
        raise CommandError(f"{kind.name}: expects an object with its fields, got {values!r:.60}")
    if kind.schema:
        understood = _ClientValues(kind.schema, now_ns).read(values, kind.schema, "", 0)
        values = encoded(understood, kind.schema, kind.name)
    try:
        text = msgspec.json.encode(values).decode()
    except (ValueError, TypeError, RecursionError) as error:
        raise CommandError(f"{kind.name}: {error}") from None
    if kind.cls is not None:
        kind.cls.from_json(text)
    return text


class _ClientValues:
    """Walks the values of one message."""

    def __init__(self, root: Schema, now_ns: int) -> None:
        self._root = root
        sec, nanosec = divmod(now_ns, _NANOSECONDS)
        self._now = {"sec": sec, "nanosec": nanosec}

    def read(self, value: Any, schema: object, field: str, depth: int) -> Any:
        """Return a value in the kit's form."""
        if depth > DEEPEST:
            raise CommandError(f"{field:.60}: nested too deeply")
        found = resolved(self._root, schema)
        if value is None:
            return "NaN" if "number" in kinds(found, self._root) else None
        if isinstance(value, dict) or value == "now":
            kind = alternative(found, "object", self._root, value)
            return self._object(value, kind, field, depth)
        if isinstance(value, list):
            array = alternative(found, "array", self._root)
            if self._are_numbers(value, array):
                return value
            items = item_schemas(array, len(value))
            pairs = zip(value, items, strict=True)
            return [
                self.read(each, item, f"{field}[{at}]", depth + 1)
                for at, (each, item) in enumerate(pairs)
            ]
        if isinstance(value, float) and value.is_integer():
            return int(value) if kinds(found, self._root) == ["integer"] else value
        if isinstance(value, str) and found.get("contentEncoding") == "base64":
            _check_base64(value, field)
        return value

    def _are_numbers(self, values: list[Any], array: Schema) -> bool:
        """Whether all items are numbers that stay as they are, found without a call for each."""
        types = set(map(type, values))
        if types <= {int} or not types <= {int, float} or "prefixItems" in array:
            return types <= {int}
        return kinds(resolved(self._root, array.get("items")), self._root) != ["integer"]

    def _object(self, value: Any, schema: Schema, field: str, depth: int) -> Any:
        names = as_mapping(schema.get("properties")).keys()
        if names == _TIME:
            return self._time(value)
        if not isinstance(value, dict):
            return value
        if names == _HEADER:
            value = {name: each for name, each in value.items() if name != "seq"}
            value["stamp"] = value.get("stamp") or self._now
        elif not depth and "header" not in value and self._is_header(schema, "header"):
            value = {"header": {"stamp": self._now}, **value}
        inside, prefix = field_schemas(schema, value), f"{field}." if field else ""
        read = {
            name: self.read(each, inside.get(name), f"{prefix}{name}", depth + 1)
            for name, each in value.items()
        }
        return {
            name: each
            for name, each in read.items()
            if each is not None or self._may_be_null(inside.get(name))
        }

    def _time(self, value: Any) -> Any:
        if value == "now":
            return self._now
        if isinstance(value, Mapping) and not value.keys() <= _TIME:
            sec = value.get("secs", value.get("sec", 0))
            nanosec = value.get("nsecs", value.get("nsec", value.get("nanosec", 0)))
            known = {"secs", "nsecs", "sec", "nsec", "nanosec"}
            others = {name: each for name, each in value.items() if name not in known}
            value = {"sec": sec, "nanosec": nanosec, **others}
        return value

    def _is_header(self, schema: Schema, name: str) -> bool:
        inner = as_mapping(schema.get("properties")).get(name)
        return as_mapping(resolved(self._root, inner).get("properties")).keys() == _HEADER

    def _may_be_null(self, schema: object) -> bool:
        found = kinds(resolved(self._root, schema), self._root)
        return not found or "null" in found


def _check_base64(value: str, field: str) -> None:
    try:
        pybase64.b64decode(value, validate=True)
    except ValueError:
        raise CommandError(f"{field}: bytes are standard base64, got {value!r:.60}") from None
