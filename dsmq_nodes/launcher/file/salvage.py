"""The usable part of an entry with mistakes, so that one mistake does not hide others."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from pydantic import ValidationError

from dsmq_nodes.launcher.file.entries import BaseEntry
from dsmq_nodes.suggest import nearest

# If one of these is wrong, it is not known which nodes, or how many, are meant.
_DECISIVE: Final = frozenset(
    {"if", "unless", "count", "name", "namespace", "process", "include", "args"}
)


class Salvage(NamedTuple):
    """The usable keys of an entry, and the doubtful keys of its model."""

    data: dict[str, object]
    doubtful: frozenset[str]


def salvage(
    model: type[BaseEntry], data: Mapping[str, object], error: ValidationError
) -> Salvage | None:
    """Return an entry without its mistakes; None if too little of it is usable.

    A misspelt key counts as the key that was meant.
    """
    keys = [field.alias or name for name, field in model.model_fields.items()]
    kept, doubtful = dict(data), set()
    for detail in error.errors(include_url=False, include_input=False):
        key = f"{detail['loc'][0]}" if detail["loc"] else ""
        if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
            value = kept.pop(key, None)
            meant = nearest(key, [each for each in keys if each not in data])
            if meant == "args":
                return None  # the included file would lack them
            if meant is not None:
                kept[meant] = value
        elif detail["type"] == "missing" and len(detail["loc"]) == 1:
            continue  # it may be the misspelt key
        elif key in _DECISIVE or key not in kept:
            return None
        else:
            del kept[key]
            doubtful.add(key)
    return Salvage(kept, frozenset(doubtful))
