"""Bags as numpy arrays, one for each field of each topic, in one `.npz`.

A second array holds what an array of one type cannot: `<field>:missing` marks the rows without a
value, `<field>:offsets` has the offsets of the bytes of each row.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pybase64

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.convert.columns import Column
from dsmq_nodes.bag.convert.tables import names, tables
from dsmq_nodes.bag.file.atomic import removed_if_unfinished

# The value that stands for a missing value.
_EMPTY: Final = {"boolean": False, "integer": 0, "unsigned": 0, "number": math.nan}


def write_npz(
    source: BagSource, path: Path, on_progress: Callable[[int], None]
) -> tuple[int, dict[str, str]]:
    """Write one array for each field, named `<topic>/<field>`.

    Lists of one length make an array of more dimensions, bytes of one length an array of uint8.
    Other lists, objects and fields of mixed types are JSON texts. Returns the number of messages,
    and the numbered names of topics.

    Raises:
        BagError: the file exists already, or cannot be written.
    """
    with removed_if_unfinished(path, lambda: path.open("xb")) as stream, stream:
        found = tables(source, on_progress)
        called, numbered = names(found, lambda topic: topic.strip("/"))
        arrays = {
            f"{called[topic]}/{name}{more}": array
            for topic, table in found.items()
            for name, column in table.columns.items()
            for more, array in _arrays(column)
        }
        np.savez_compressed(stream, **arrays)
    return sum(table.rows for table in found.values()), numbered


def _arrays(column: Column) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a column, each with the suffix of its name."""
    uniform = column.uniform()
    made = _of_one_type(uniform) if uniform is not None else None
    if made is not None:
        yield from made.items()
    else:
        texts = column.as_texts().values
        yield "", np.array(["" if each is None else each for each in texts], str)
    missing = np.array([value is None for value in column.values])
    if missing.any():
        yield ":missing", missing


def _of_one_type(column: Column) -> dict[str, Any] | None:
    """Return the arrays for values of one type, or None when numpy has no such type."""
    match column.kind.name:
        case "list":
            array = _of_lists(column)
        case "bytes":
            return _of_bytes(column.values)
        case "object":
            return None
        case name:
            empty = _EMPTY.get(name, math.nan if name == "nothing" else "")
            array = _of_type(name, [empty if each is None else each for each in column.values])
    return None if array is None else {"": array}


def _of_type(name: str, values: list[Any]) -> Any:
    types: dict[str, tuple[Any, ...]] = {
        "boolean": (np.bool_,),
        "integer": (np.int64, np.uint64),
        "unsigned": (np.uint64,),
        "number": (np.float64,),
        "nothing": (np.float64,),
    }
    for dtype in types.get(name, (np.str_,)):
        try:
            return np.array(values, dtype)
        except (OverflowError, ValueError, TypeError):
            continue  # too large for the type; or lists of different lengths, or with nulls
    return None


def _of_lists(column: Column) -> Any:
    kind = column.kind
    while kind.name == "list" and kind.item is not None:
        kind = kind.item
    if kind.name in {"bytes", "object"} or any(_has_null(each) for each in column.values):
        return None
    return _of_type(kind.name, column.values)


def _has_null(value: Any) -> bool:
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def _of_bytes(values: list[str | None]) -> dict[str, Any] | None:
    try:
        rows = [pybase64.b64decode(each or "", validate=True) for each in values]
    except ValueError:
        return None
    flat = np.frombuffer(b"".join(rows), np.uint8)
    lengths = [len(each) for each in rows]
    if len(set(lengths)) == 1 and None not in values:
        return {"": flat.reshape(len(rows), lengths[0])}
    return {"": flat, ":offsets": np.cumsum([0, *lengths])}
