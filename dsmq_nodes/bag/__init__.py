"""Bags: what went over the topics, recorded in MCAP files, read, played, converted.

    for topic, msg, stamp in Bag("run.mcap"):
        ...

Files hold JSON messages with JSON Schemas, which other people's MCAP tools open too (mcap.dev).
Needs the extra `bag`: `pip install 'dsmq-nodes[bag]'`.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.bag.comparing import Tolerance
    from dsmq_nodes.bag.reading import Bag, BagMessage, Record, Untyped
    from dsmq_nodes.bag.rerunning import Difference, Rerun, feed, rerun
    from dsmq_nodes.bag.writing import BagWriter

__all__ = [
    "Bag", "BagMessage", "BagWriter", "Difference", "Record", "Rerun", "Tolerance", "Untyped",
    "feed", "rerun",
]  # fmt: skip

_HOMES = {
    "Bag": "reading",
    "BagMessage": "reading",
    "BagWriter": "writing",
    "Difference": "rerunning",
    "Record": "reading",
    "Rerun": "rerunning",
    "Tolerance": "comparing",
    "Untyped": "reading",
    "feed": "rerunning",
    "rerun": "rerunning",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
