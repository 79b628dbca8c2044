"""Bags: what went over the topics, recorded in MCAP files, read, played, converted.

    for topic, msg, stamp in Bag("run.mcap"):
        ...

and written by hand:

    channel = Channel("/scan", LaserScan.type_name, schema_text(LaserScan.schema()))
    with BagWriter("run.mcap") as writer:
        writer.write(channel, stamp, msg.to_json().encode(), stamp)

Files hold JSON messages with JSON Schemas, which other people's MCAP tools open too (mcap.dev).
Needs the extra `bag`: `pip install 'dsmq-nodes[bag]'`.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsmq_nodes.bag.channel import Attachment, Channel
    from dsmq_nodes.bag.comparing import Tolerance
    from dsmq_nodes.bag.reading import Bag, BagMessage, Record, Untyped
    from dsmq_nodes.bag.rerunning import Difference, NodeRaisedError, Rerun, feed, rerun
    from dsmq_nodes.bag.schemas import schema_text
    from dsmq_nodes.bag.writing import BagWriter, Limits

__all__ = [
    "Attachment", "Bag", "BagMessage", "BagWriter", "Channel", "Difference", "Limits",
    "NodeRaisedError", "Record", "Rerun", "Tolerance", "Untyped", "feed", "rerun", "schema_text",
]  # fmt: skip

_HOMES = {
    "Attachment": "channel",
    "Bag": "reading",
    "BagMessage": "reading",
    "BagWriter": "writing",
    "Channel": "channel",
    "Difference": "rerunning",
    "Limits": "writing",
    "NodeRaisedError": "rerunning",
    "Record": "reading",
    "Rerun": "rerunning",
    "Tolerance": "comparing",
    "Untyped": "reading",
    "feed": "rerunning",
    "rerun": "rerunning",
    "schema_text": "schemas",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
