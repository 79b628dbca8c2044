"""Writes bags as tables, one for each topic, and as CSV; see parquet_tables.py and numpy_arrays.py.

Each message is a row. The first columns are `log_time_ns` and `publish_time_ns`, the others are the
fields by their paths, such as `pose.position.x`. NaN and infinity are numbers again in tables.
"""

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.convert.columns import Column, ColumnKind, Described, together
from dsmq_nodes.bag.file.atomic import removed_if_unfinished
from dsmq_nodes.bag.file.contents import TEXT, Channel
from dsmq_nodes.bag.file.recorded_schemas import recorded_schema
from dsmq_nodes.messages.schema.schema_walk import Schema

Progress = Callable[[int], None]
_LONGEST_NAME_BYTES: Final = 200  # file systems allow 255, including a number and a suffix
_INTEGER: Final = ColumnKind("integer")
_STRING: Final = ColumnKind("string")


class Table:
    """The messages of a topic as columns.

    Attributes:
        rows: the number of rows.
        columns: the fields by their paths.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.columns: dict[str, Column] = {}

    def add(self, fields: Iterable[tuple[str, Any, ColumnKind]]) -> None:
        """Append a row."""
        for name, value, kind in fields:
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = Column()
            values = column.values
            del values[self.rows :]  # a field may be named as one of the first columns
            values += [None] * (self.rows - len(values))
            values.append(value)
            if kind is not column.kind:
                column.kind = together(column.kind, kind)
        self.rows += 1

    def end(self) -> None:
        """Fill all columns to the same length, and make their names valid Unicode."""
        for column in self.columns.values():
            column.values += [None] * (self.rows - len(column.values))
        # Parquet and npz have no name with half of a surrogate pair: it is a Python escape.
        self.columns = {
            name.encode(errors="backslashreplace").decode(): column
            for name, column in self.columns.items()
        }


class _Fields:
    """Splits the messages of a channel into fields."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._schema = recorded_schema(channel)
        self._described = Described(self._schema)
        self._declared: dict[str, tuple[Schema, ColumnKind]] = {}

    def of(self, data: bytes) -> Iterator[tuple[str, Any, ColumnKind]]:
        """Yield the fields of a message by their paths; lists stay lists."""
        if self._channel.encoding == TEXT:
            yield "text", data.decode(errors="backslashreplace"), _STRING
            return
        try:
            values = json.loads(data)
        except ValueError:
            values = data.decode(errors="backslashreplace")
        if isinstance(values, dict):
            yield from self._flat(values, self._described.plain(self._schema), "")
        else:
            yield from self._flat({"text": values}, {}, "")

    def _flat(
        self, values: dict[str, Any], node: Schema, prefix: str
    ) -> Iterator[tuple[str, Any, ColumnKind]]:
        for name, value in values.items():
            path = f"{prefix}{name}"
            known = self._declared.get(path)
            if known is None:
                inner = self._described.inside(node, name)
                known = self._declared[path] = inner, self._described.declared(inner)
            inner, declared = known
            if isinstance(value, dict):
                yield from self._flat(value, inner, f"{path}.")
            elif value is not None or declared.name != "object":
                read, kind = self._described.read(value, inner)
                yield path, read, together(declared, kind)


def tables(source: BagSource, on_progress: Progress) -> dict[str, Table]:
    """Return a table for each topic whose messages are JSON or texts.

    Raises:
        BagError: the source is damaged.
    """
    found: dict[str, Table] = {}
    fields: dict[Channel, _Fields] = {}
    for number, record in enumerate(source.records(), 1):
        channel = record.channel
        if channel.unreadable:
            source.omitted.topic(channel.topic, channel.unreadable)
            continue
        if channel not in fields:
            fields[channel] = _Fields(channel)
        times = (
            ("log_time_ns", record.log_time_ns, _INTEGER),
            ("publish_time_ns", record.publish_time_ns, _INTEGER),
        )
        try:
            row = [*times, *fields[channel].of(record.data)]
        except RecursionError:
            note_omitted(source, record, "it is nested too deeply")
            continue
        found.setdefault(channel.topic, Table()).add(row)
        on_progress(number)
    for table in found.values():
        table.end()
    return found


def names(
    topics: Iterable[str], plain: Callable[[str], str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return a unique name for each topic, also on file systems that ignore case.

    If two names are equal, as for `/a/b` and `/a_b`, the later topic gets a number. Returns
    all names, and separately those with a number.
    """
    found: dict[str, str] = {}
    numbered: dict[str, str] = {}
    taken: set[str] = set()
    for topic in sorted(topics):
        name, number = plain(topic), 1
        while (folded := unicodedata.normalize("NFC", name).casefold()) in taken:
            number += 1
            name = f"{plain(topic)}_{number}"
        taken.add(folded)
        found[topic] = name
        if number > 1:
            numbered[topic] = name
    return found, numbered


def file_name_of(topic: str) -> str:
    """Return a topic as a file name, without characters that file systems refuse."""
    plain = re.sub(r"[^\w.-]+", "_", topic.strip("/")) or "topic"
    return plain.encode(errors="replace")[:_LONGEST_NAME_BYTES].decode(errors="ignore")


def write_csv(source: BagSource, output: Path, on_progress: Progress) -> tuple[int, dict[str, str]]:
    """Write a folder of `<topic>.csv` files; a list is JSON in one cell.

    Returns the number of messages, and the numbered names of topics.

    Raises:
        BagError: the folder exists already, or cannot be written.
    """
    with removed_if_unfinished(output, lambda: output.mkdir(parents=True)):
        found = tables(source, on_progress)
        called, numbered = names(found, file_name_of)
        for topic, table in found.items():
            # Half of a surrogate pair has no encoding: it is written as a Python escape.
            with (output / f"{called[topic]}.csv").open(
                "x", newline="", encoding="utf-8", errors="backslashreplace"
            ) as stream:
                writer = csv.writer(stream)
                writer.writerow(table.columns)
                columns = [(each.uniform() or each).values for each in table.columns.values()]
                writer.writerows(map(_cell, row) for row in zip(*columns, strict=True))
    return sum(table.rows for table in found.values()), numbered


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value
