"""Writes bags as Parquet tables, one for each topic. Needs pyarrow."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.columns import Column, ColumnKind
from dsmq_nodes.bag.convert.tables import Progress, file_name_of, names, tables
from dsmq_nodes.bag.file.atomic import removed_if_unfinished
from dsmq_nodes.errors import BagError


def write_parquet(
    source: BagSource, output: Path, on_progress: Progress
) -> tuple[int, dict[str, str]]:
    """Write a folder of `<topic>.parquet` files; lists stay lists.

    A field of mixed types is a column of JSON texts. Returns the number of messages, and the
    numbered names of topics.

    Raises:
        BagError: the folder exists already, or cannot be written.
    """
    with removed_if_unfinished(output, lambda: output.mkdir(parents=True)):
        found = tables(source, on_progress)
        called, numbered = names(found, file_name_of)
        for topic, table in found.items():
            columns = {name: _arrow_array(column) for name, column in table.columns.items()}
            try:
                pq.write_table(pa.table(columns), output / f"{called[topic]}.parquet")
            except pa.ArrowException as error:
                if isinstance(error, OSError):
                    raise
                raise BagError(f"{topic} cannot be a Parquet table: {error}") from None
    return sum(table.rows for table in found.values()), numbered


def _arrow_array(column: Column) -> Any:
    uniform = column.uniform()
    for integers in (pa.int64(), pa.uint64()):
        if uniform is not None:
            try:
                return pa.array(uniform.values, _arrow_type(uniform.kind, integers))
            except (pa.ArrowException, OverflowError, ValueError, TypeError):
                continue  # an integer is too large for this type: try the next
    return pa.array(column.as_texts().values, pa.string())


def _arrow_type(kind: ColumnKind, integers: Any) -> Any:
    """Return the Parquet type of a kind; raises TypeError when there is none."""
    if kind.name == "list":
        return pa.list_(_arrow_type(kind.item or ColumnKind("nothing"), integers))
    if kind.name == "object":
        if not kind.fields:
            raise TypeError("an object without fields")
        return pa.struct([(name, _arrow_type(each, integers)) for name, each in kind.fields])
    types = {
        "nothing": pa.null(),
        "boolean": pa.bool_(),
        "integer": integers,
        "unsigned": pa.uint64(),
        "number": pa.float64(),
    }
    return types.get(kind.name, pa.string())
