"""Bags as tables, one a topic: CSV, Parquet (where pyarrow is installed), numpy.

A message is a row. Its first columns are `log_time_ns` and `publish_time_ns`, the others its fields
by their paths, `pose.position.x`. NaN and infinities are numbers here again.
"""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.bag.extra import need
from dsmq_nodes.bag.output import whole_or_gone
from dsmq_nodes.bag.source import Source

_NUMBERS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
Progress = Callable[[int], None]


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a message by their paths; lists stay lists."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return _NUMBERS.get(value, value)
    if isinstance(value, list) and any(each in _NUMBERS for each in value if type(each) is str):
        return [_number(each) for each in value]
    return value


def _rows(source: Source, on_progress: Progress) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, record in enumerate(source.records(), 1):
        row = {"log_time_ns": record.log_time_ns, "publish_time_ns": record.publish_time_ns}
        try:
            values = json.loads(record.data)
        except ValueError:
            values = record.data.decode()  # a plain client's text
        row |= flat(values if isinstance(values, dict) else {"text": values})
        yield record.channel.topic, row
        on_progress(number)


def _file_name(topic: str) -> str:
    return re.sub(r"[^\w.-]+", "_", topic.strip("/")) or "topic"


def _tables(source: Source, on_progress: Progress) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for topic, row in _rows(source, on_progress):
        tables.setdefault(topic, []).append(row)
    return tables


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def write_csv(source: Source, output: Path, on_progress: Progress) -> int:
    """Write a folder of `<topic>.csv`; lists are JSON in their cell. Gives how many messages.

    Raises:
        BagError: the folder is there already.
    """
    count = 0
    with whole_or_gone(output, lambda: output.mkdir(parents=True)):
        for topic, rows in _tables(source, on_progress).items():
            with (output / f"{_file_name(topic)}.csv").open("x", newline="") as stream:
                writer = csv.DictWriter(stream, _columns(rows))
                writer.writeheader()
                for row in rows:
                    writer.writerow({name: _cell(value) for name, value in row.items()})
            count += len(rows)
    return count


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def write_parquet(source: Source, output: Path, on_progress: Progress) -> int:
    """Write a folder of `<topic>.parquet`; lists are lists. Gives how many messages.

    Raises:
        BagError: the folder is there already, or pyarrow is not installed.
    """
    need("", "pyarrow")
    import pyarrow as pa  # noqa: PLC0415  54 MB that few have
    import pyarrow.parquet as pq  # noqa: PLC0415

    count = 0
    with whole_or_gone(output, lambda: output.mkdir(parents=True)):
        for topic, rows in _tables(source, on_progress).items():
            pq.write_table(pa.Table.from_pylist(rows), output / f"{_file_name(topic)}.parquet")
            count += len(rows)
    return count


def write_npz(source: Source, output: Path, on_progress: Progress) -> int:
    """Write one `.npz`: an array a column, called `<topic>/<field>`. Gives how many messages.

    Lists of one length make a two-dimensional array; others are JSON texts.

    Raises:
        BagError: the file is there already, or numpy is not installed.
    """
    need("", "numpy")
    import numpy as np  # noqa: PLC0415  an extra's

    with whole_or_gone(output, lambda: output.open("xb")) as stream, stream:
        tables = _tables(source, on_progress)
        arrays = {
            f"{topic.strip('/')}/{name}": _array([row.get(name) for row in rows])
            for topic, rows in tables.items()
            for name in _columns(rows)
        }
        np.savez_compressed(stream, **arrays)
    return sum(len(rows) for rows in tables.values())


def _array(column: list[Any]) -> Any:
    import numpy as np  # noqa: PLC0415

    lists = [value for value in column if isinstance(value, list)]
    if lists and (len(lists) < len(column) or len({len(each) for each in lists}) > 1):
        column = [json.dumps(value) for value in column]
    if any(value is None for value in column):
        column = [math.nan if value is None else value for value in column]
    try:
        array = np.array(column)
    except ValueError:  # lists of lists of several lengths
        array = np.array([json.dumps(value) for value in column])
    return array if array.dtype != object else np.array([json.dumps(value) for value in column])
