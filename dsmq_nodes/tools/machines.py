"""Finds the machine that a topic comes from, if an uplink publishes it here."""

from typing import Final

import msgspec

from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import printable_json
from dsmq_nodes.tools.graph_model import GraphModel
from dsmq_nodes.tools.lookup import find
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import UPLINK, UPLINK_STATUS_TOPIC

_STATUS_SEC: Final = 1.5  # the status is latched, and published once a second


class _MachineSource(msgspec.Struct):
    machines: list[str] = msgspec.field(name="from", default_factory=list)


class _UplinkStatus(msgspec.Struct):
    coming: dict[str, _MachineSource] = {}


_read: Final = json_reader(_UplinkStatus)


def is_brought(session: Session, name: str) -> bool:
    """Whether an uplink publishes the topic here for another machine."""
    topic = find(session.graph(), name)
    return topic is not None and any(end.node == UPLINK for end in topic.publishers)


def machines(session: Session, graph: GraphModel) -> dict[str, str]:
    """Return the machines by topic, as text; empty without an uplink."""
    if not any(peer.name == UPLINK for peer in graph.peers):
        return {}
    session.subscribe(UPLINK_STATUS_TOPIC, depth=1)
    reply = session.next_message([UPLINK_STATUS_TOPIC], _STATUS_SEC)
    session.unsubscribe(UPLINK_STATUS_TOPIC)
    try:
        status = _read(printable_json(reply.text or "") if reply else "{}")
    except ValueError:
        return {}
    return {topic: ", ".join(each.machines) for topic, each in status.coming.items()}
