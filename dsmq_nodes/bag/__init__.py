"""Bags: messages of topics, recorded in MCAP files, read, played and converted.

    for topic, msg, stamp in Bag("run.mcap"):
        ...

and written by hand:

    channel = Channel("/scan", LaserScan.type_name, schema_text(LaserScan.schema()))
    with BagWriter("run.mcap") as writer:
        writer.write(channel, stamp, msg.to_json().encode(), stamp)

Files have JSON messages with JSON Schemas, which other MCAP tools open too (mcap.dev).
Needs the extra `bag`: `pip install 'dsmq-nodes[bag]'`.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.bag.file.contents import Attachment, Channel
    from dsmq_nodes.bag.file.reading import Bag, BagMessage, Record, Untyped
    from dsmq_nodes.bag.file.recorded_schemas import schema_text
    from dsmq_nodes.bag.file.writing import BagWriter, Limits
    from dsmq_nodes.bag.rerunning.comparing import Tolerance
    from dsmq_nodes.bag.rerunning.rerun import Difference, NodeRaisedError, Rerun, feed, rerun

__all__ = [
    "Attachment", "Bag", "BagMessage", "BagWriter", "Channel", "Difference", "Limits",
    "NodeRaisedError", "Record", "Rerun", "Tolerance", "Untyped", "feed", "rerun", "schema_text",
]  # fmt: skip

_HOMES = {
    "Attachment": "file.contents",
    "Bag": "file.reading",
    "BagMessage": "file.reading",
    "BagWriter": "file.writing",
    "Channel": "file.contents",
    "Difference": "rerunning.rerun",
    "Limits": "file.writing",
    "NodeRaisedError": "rerunning.rerun",
    "Record": "file.reading",
    "Rerun": "rerunning.rerun",
    "Tolerance": "rerunning.comparing",
    "Untyped": "file.reading",
    "feed": "rerunning.rerun",
    "rerun": "rerunning.rerun",
    "schema_text": "file.recorded_schemas",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
