"""Messages as text: YAML as ros2 prints it, CSV, or one field.

Only a message's JSON is needed, so that a topic of any type can be shown.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.parameters.yaml12 import to_yaml
from dsmq_nodes.json_text import read_loose_json
from dsmq_nodes.messages.schema.dynamic import decoded
from dsmq_nodes.messages.schema.schema_walk import (
    ANYTHING,
    Schema,
    alternatives,
    as_mapping,
    resolved,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean

_NONE: Final[Schema] = {}
_STEP: Final = re.compile(r"\[(-?\d+)\]\.?|([^.\[\]]+)\.?")


@dataclass(frozen=True)
class Style:
    """The format of `topic echo`; the defaults are ros2's."""

    field: str = ""
    form: str = "yaml"
    flow: bool = False
    longest: int | None = 128
    arrays: bool = True
    strings: bool = True

    def show(self, text: str, schema: Schema = _NONE) -> str:
        """Return a message's text for printing, in ROS 2's form if its type's schema is known.

        Raises:
            CommandError: the message has no such field.
        """
        value = read(text)
        if schema:
            value = decoded(value, schema)
        if self.field:
            value = pick(value, self.field)
        try:
            return self._printed(value)
        except RecursionError:  # nested too deeply
            return f"{one_line(text)}\n---"

    def _printed(self, value: object) -> str:
        if self.form == "json":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        value = self._shortened(value)
        if self.form == "csv":
            line = io.StringIO()
            # A text with a line break would fill two lines: it is escaped.
            leaves = (one_line(each) if isinstance(each, str) else each for each in _leaves(value))
            csv.writer(line, lineterminator="").writerow(leaves)
            return line.getvalue()
        return f"{self.yaml(value)}---"

    def yaml(self, value: object) -> str:
        """Return a value, unchanged, as YAML."""
        if not isinstance(value, dict | list):
            return f"{one_line(str(value))}\n"
        return to_yaml(value, flow=self.flow)

    def _shortened(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._shortened(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return self._shortened_list(value)
        if isinstance(value, str):
            return self._shortened_text(value)
        return value

    def _shortened_list(self, items: list[object]) -> object:
        if not self.arrays:
            return f"<sequence type: {_item_type(items)}, length: {len(items)}>"
        if self.longest is not None and len(items) > self.longest:
            return [*map(self._shortened, items[: self.longest]), "..."]
        return [self._shortened(item) for item in items]

    def _shortened_text(self, text: str) -> str:
        if not self.strings:
            return f"<string length: <{len(text)}>>"
        if self.longest is not None and len(text) > self.longest:
            return f"{text[: self.longest]}..."
        return text


def pick(value: Any, path: str) -> Any:
    """Return a part of a message: `header.stamp`, `ranges[3]`.

    Raises:
        CommandError: there is no such part; the text has the nearest name.
    """
    done = 0
    while done < len(path):
        step = _STEP.match(path, done)
        if step is None:
            raise CommandError(f"--field {path}: write it as header.stamp, ranges[3] or ranges[-1]")
        index, name = step.groups()
        at = path[:done].rstrip(".") or "the message"
        done = step.end()
        if index and isinstance(value, list) and -len(value) <= int(index) < len(value):
            value = value[int(index)]
        elif name and isinstance(value, dict) and name in value:
            value = value[name]
        else:
            missing = _missing(value, step.group().rstrip("."), at)
            raise CommandError(f"--field {path}: {missing}")
    return value


def may_have_field(schema: Schema, path: str) -> bool:
    """Whether messages of a type may have a part: one message may lack what the next one has.

    Without a schema the answer is no.
    """
    parts = {0: schema} if schema else {}
    for index, name in _STEP.findall(path):
        inner = [
            each for part in parts.values() for each in _inner_schemas(part, schema, index, name)
        ]
        parts = {id(each): each for each in inner}  # a type may contain itself in several places
    return bool(parts)


def _inner_schemas(part: Schema, root: Schema, index: str, name: str) -> Iterator[Schema]:
    """Yield the schemas that an item or a field of a part may have: one for each of its types."""
    for found in alternatives(part, root) or [part]:
        kind = "array" if found.get("contentEncoding") == "base64" else found.get("type")
        fields = as_mapping(found.get("properties"))
        if kind is None:
            yield ANYTHING
        elif index and kind == "array":
            yield resolved(root, found.get("items"))
        elif name and kind == "object" and (name in fields or "additionalProperties" in found):
            yield resolved(root, fields.get(name, found.get("additionalProperties")))


def _missing(value: object, step: str, at: str) -> str:
    match value:
        case dict() if step.startswith("["):
            return f"{at} is no list, it has fields; {did_you_mean(step, value)}"
        case dict():
            return f"{at} has no field {step!r}; {did_you_mean(step, value)}"
        case list():
            return f"{at} is a list of {len(value)}: no {step} in it"
        case _:
            return f"{at} has no parts"


def read(text: str) -> Any:
    """Return a JSON text's value; a text that is not a JSON object or list is its own value."""
    try:
        value = read_loose_json(text)
    except ValueError:
        return text
    return value if isinstance(value, dict | list) else text


def _item_type(value: list[Any]) -> str:
    names = {bool: "boolean", int: "int64", float: "double", str: "string"}
    return names.get(type(value[0]), "message") if value else "unknown"


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value or [""]:
            yield from _leaves(inner)
    else:
        yield value
