"""Bags: messages of topics, recorded in MCAP files, read, played and converted.

    for topic, msg, stamp in Bag("run.mcap"):
        ...

and written by hand:

    channel = Channel("/scan", LaserScan.type_name, schema_text(LaserScan.schema()))
    with BagWriter("run.mcap") as writer:
        writer.write(channel, stamp, msg.to_json().encode(), stamp)

The files hold JSON messages with JSON Schemas, which other MCAP tools can open too (mcap.dev).
Needs the extra `bag`.

Names are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from dsmq_nodes.lazy_names import lazily

if TYPE_CHECKING:
    from dsmq_nodes.bag.decoded_bag import Bag, BagMessage, Untyped
    from dsmq_nodes.bag.file.contents import Attachment, Channel
    from dsmq_nodes.bag.file.mcap_reader import Record
    from dsmq_nodes.bag.file.recorded_schemas import schema_text
    from dsmq_nodes.bag.file.writing import BagWriter, Limits
    from dsmq_nodes.bag.rerunning.comparing import Tolerance
    from dsmq_nodes.bag.rerunning.rerun import Difference, NodeRaisedError, Rerun, feed, rerun

__all__ = [
    "Attachment", "Bag", "BagMessage", "BagWriter", "Channel", "Difference", "Limits",
    "NodeRaisedError", "Record", "Rerun", "Tolerance", "Untyped", "feed", "rerun", "schema_text",
]  # fmt: skip

_NAMES = {
    "bag.decoded_bag": "Bag BagMessage Untyped",
    "bag.file.contents": "Attachment Channel",
    "bag.file.mcap_reader": "Record",
    "bag.file.recorded_schemas": "schema_text",
    "bag.file.writing": "BagWriter Limits",
    "bag.rerunning.comparing": "Tolerance",
    "bag.rerunning.rerun": "Difference NodeRaisedError Rerun feed rerun",
}
__getattr__, __dir__ = lazily(__name__, _NAMES)
