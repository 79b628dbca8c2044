"""Messages as text: YAML as ros2 prints it, CSV, one field of it.

A message is shown as what its JSON says, so that every topic can be shown, of whatever type.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from dsmq_nodes.cli.schemas import Schema, decoded
from dsmq_nodes.errors import CommandError
from dsmq_nodes.launcher.suggest import did_you_mean

_Dumper: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_NONE: Final[Schema] = {}
_WIDEST: Final = 2**31 - 1
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Style:
    """How `topic echo` shows a message; the defaults are ros2's."""

    field: str = ""
    form: str = "yaml"
    flow: bool = False
    longest: int | None = 128
    arrays: bool = True
    strings: bool = True

    def show(self, text: str, schema: Schema = _NONE) -> str:
        """A message's text as it is printed, in ROS 2's form where its type's schema is known.

        Raises:
            CommandError: the message has no such field.
        """
        value = _read(text)
        if schema:
            value = decoded(value, schema)
        if self.field:
            value = pick(value, self.field)
        if self.form == "json":
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        value = self._shortened(value)
        if self.form == "csv":
            line = io.StringIO()
            csv.writer(line, lineterminator="").writerow(_leaves(value))
            return line.getvalue()
        return f"{self.yaml(value)}---"

    def yaml(self, value: object) -> str:
        """A value, as it is, as YAML."""
        if not isinstance(value, dict | list):
            # A text may hold what a terminal would act on.
            return _UNSEEN.sub("\ufffd", str(value)) + "\n"
        shown: str = yaml.dump(
            value,
            Dumper=_Dumper,
            allow_unicode=True,
            default_flow_style=self.flow,
            sort_keys=False,
            width=_WIDEST,
        )
        return shown

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
    """A part of a message: `header.stamp`, `ranges[3]`.

    Raises:
        CommandError: there is no such part; the text has the nearest.
    """
    for step in _STEP.finditer(path):
        index, name = step.groups()
        try:
            value = value[int(index) if index else name]
        except (KeyError, IndexError, TypeError):
            at = path[: step.start()].rstrip(".") or "the message"
            raise CommandError(f"--field {path}: {_missing(value, step.group(), at)}") from None
    return value


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


def _read(text: str) -> Any:
    """The value in a JSON text; a text that is no JSON object or list is its own value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict | list) else text


def _item_type(value: list[Any]) -> str:
    names = {bool: "boolean", int: "int64", float: "double", str: "string"}
    return names.get(type(value[0]), "message") if value else "unknown"


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value
