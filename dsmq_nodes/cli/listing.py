"""Prints lists of names: with their types, counted, or as JSON."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from dsmq_nodes.tools.offers import Offer


def print_offers(
    offers: Iterable[Offer],
    *,
    show_types: bool = False,
    count: bool = False,
    as_json: bool = False,
    none: str = "",
) -> None:
    """Print services or actions, a line each; if there are none, print `none` on standard error."""
    found = list(offers)
    if as_json:
        print_json(found)
        return
    print_names(
        (f"{each.name} [{each.type or 'unknown'}]" if show_types else each.name for each in found),
        count=count,
        none=none,
    )


def print_names(
    names: Iterable[str], *, count: bool = False, as_json: bool = False, none: str = ""
) -> None:
    """Print names, a line each; if there are none, print `none` on standard error."""
    found = list(names)
    if as_json:
        print_json(found)
    elif count:
        print(len(found))
    elif found:
        print("\n".join(found))
    elif none:
        print(none, file=sys.stderr)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines, each column as wide as its longest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def print_json(value: Any) -> None:
    """Print a value of lists, mappings and structs as JSON."""
    print(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))


def is_type(name: str, wanted: str) -> bool:
    """Whether two type names mean the same: `std_msgs/String` is `std_msgs/msg/String`."""
    package, _, rest = name.partition("/")
    return wanted in {name, f"{package}/{rest.rpartition('/')[2]}"}
