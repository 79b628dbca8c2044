"""The broker's reports as the tools read them: the types of dsmq_msgs.py, as msgspec structs.

Importing the pydantic classes would take longer than everything else in `topic list`. A test
compares these fields with those of the messages.
"""

from typing import Any, Final

import msgspec

from dsmq_nodes.json_text import json_reader
from dsmq_nodes.printable import one_line, printable_json


class PeerModel(msgspec.Struct, kw_only=True):
    """A connection to the broker; `name` is empty for tools and plain clients."""

    name: str = ""
    pid: int = 0
    host: str = ""
    address: str = ""
    state: str = ""
    client: str = ""


class EndpointModel(msgspec.Struct, kw_only=True):
    """One end of a topic."""

    node: str = ""
    pid: int = 0
    type: str = ""
    schema_id: str = ""


class TopicModel(msgspec.Struct, kw_only=True):
    """A topic, its ends, and where their types do not fit."""

    name: str
    type: str = ""
    latched: bool = False
    latched_depth: int = 0
    publishers: list[EndpointModel] = []
    subscribers: list[EndpointModel] = []
    faults: list[str] = []

    @property
    def ends(self) -> list[EndpointModel]:
        """Publishers and subscribers."""
        return [*self.publishers, *self.subscribers]


class GraphModel(msgspec.Struct, kw_only=True):
    """The peers, and the publishers and subscribers of each topic."""

    epoch: str = ""
    peers: list[PeerModel] = []
    topics: list[TopicModel] = []
    left_out: str = ""


class TypeSchema(msgspec.Struct, kw_only=True):
    """The JSON Schema of a type, as a text."""

    type: str = ""
    schema_id: str = ""
    json_schema: str = ""


class EdgeCounters(msgspec.Struct, kw_only=True):
    """The counters of one subscriber of a topic."""

    subscriber: str = ""
    pid: int = 0
    depth: int = 0
    delivered: int = 0
    dropped: int = 0
    rate_hz: float = 0.0
    bytes_per_sec: float = 0.0
    latency_sec: float = 0.0
    lag: int = 0


class SourceCounters(msgspec.Struct, kw_only=True):
    """The counters of one publisher of a topic."""

    node: str = ""
    pid: int = 0
    messages: int = 0
    rate_hz: float = 0.0
    latency_sec: float = 0.0


class TopicCounters(msgspec.Struct, kw_only=True):
    """The counters of a topic; the rates are over the last second."""

    name: str
    messages: int = 0
    size_bytes: int = 0
    rate_hz: float = 0.0
    bytes_per_sec: float = 0.0
    kept: int = 0
    refused: int = 0
    missed: int = 0
    shared: bool = False
    publishers: list[SourceCounters] = []
    edges: list[EdgeCounters] = []

    @property
    def total(self) -> int:
        """The number of messages, including those of a shared topic that the broker missed."""
        return self.messages + self.missed


class BrokerCounters(msgspec.Struct, kw_only=True):
    """The broker's counters, once a second while they have a subscriber."""

    at_sec: float = 0.0
    stored_bytes: int = 0
    budget_bytes: int = 0
    ttl_sec: float = 0.0
    topics: list[TopicCounters] = []
    left_out: str = ""


decode_graph: Final = json_reader(GraphModel)
decode_statistics: Final = json_reader(BrokerCounters)
_decode_type: Final = json_reader(TypeSchema)
_decode_schema: Final = json_reader(dict[str, Any])


def read_graph(text: str) -> GraphModel:
    """Return the graph; names that peers chose are escaped, each to one line."""
    graph = decode_graph(text)
    if "\\" not in text and text.isprintable():
        return graph
    for peer in graph.peers:
        peer.name, peer.host = one_line(peer.name), one_line(peer.host)
        peer.address, peer.state = one_line(peer.address), one_line(peer.state)
    for topic in graph.topics:
        topic.name, topic.type = one_line(topic.name), one_line(topic.type)
        for end in topic.ends:
            end.node, end.type = one_line(end.node), one_line(end.type)
    return graph


def read_schema(text: str) -> tuple[str, dict[str, Any]]:
    """Return a schema's id, and the schema."""
    published = _decode_type(text)
    return published.schema_id, _decode_schema(published.json_schema)


def read_statistics(text: str) -> BrokerCounters:
    """Return the broker's counters."""
    return decode_statistics(printable_json(text))
