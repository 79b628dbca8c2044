"""dsmq_msgs: the reports of the broker and the nodes, on topics like any other.

`/dsmq/graph` (Graph) and `/dsmq/statistics` (BrokerStatistics) are published by the broker,
`/dsmq/nodes` (NodeStatistics) by every node once a second.

The launcher publishes `/dsmq/launch/state` (LaunchState), receives LaunchCommand messages on
`/dsmq/launch/command` and answers with a LaunchResult on `/dsmq/launch/result`. It also publishes
the output lines of its processes on `/dsmq/launch/lines` (LaunchLines) while that topic has a
subscriber.

A recorder serves `/mark_episode` (MarkEpisode) and publishes each mark on `/episode` (EpisodeMark).
"""

from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.node_counters import *  # noqa: F403  they belong to this package too
from dsmq_nodes.messages.service_base import Service


class Peer(Message):
    """A connection to the broker; `name` is empty for tools and plain clients.

    `client` is the signature of its service calls; empty when it calls no service.
    """

    name: str = ""
    pid: int = 0
    host: str = ""
    address: str = ""
    state: str = ""
    client: str = ""


class Endpoint(Message):
    """One end of a topic: the node (empty: a tool or plain client) and the type it uses.

    `schema_id` is the id of its schema on `/dsmq/types`; empty without a schema.
    """

    node: str = ""
    pid: int = 0
    type: str = ""
    schema_id: str = ""


class GraphTopic(Message):
    """A topic, its endpoints, and in `faults` the mismatches of their types.

    A latched topic keeps its newest `latched_depth` messages for late subscribers.
    """

    name: str
    type: str = ""
    latched: bool = False
    latched_depth: int = 0
    publishers: list[Endpoint] = []
    subscribers: list[Endpoint] = []
    faults: list[str] = []


class Graph(Message):
    """The peers, and the endpoints of each topic; on `/dsmq/graph`, at every change.

    `left_out` is a text that names what did not fit into the frame; empty when all did.
    """

    epoch: str = ""
    peers: list[Peer] = []
    topics: list[GraphTopic] = []
    left_out: str = ""


class TypeDescription(Message):
    """The JSON Schema of a type, as text; published once on `/dsmq/types`, which is latched."""

    type: str = ""
    schema_id: str = ""
    json_schema: str = ""


class Edge(Message):
    """The counters of one subscriber of a topic; `lag` messages are not sent yet.

    `latency_sec` is from `publish()` until the broker sends the message, by the publisher's clock.
    It is 0 when messages have no stamp, or stamps of another clock.
    """

    subscriber: str = ""
    pid: int = 0
    depth: int = 0
    delivered: int = 0
    dropped: int = 0
    rate_hz: float = 0.0
    bytes_per_sec: float = 0.0
    latency_sec: float = 0.0
    lag: int = 0


class Source(Message):
    """The counters of one publisher; `latency_sec` is from its `publish()` to the broker."""

    node: str = ""
    pid: int = 0
    messages: int = 0
    rate_hz: float = 0.0
    latency_sec: float = 0.0


class TopicStatistics(Message):
    """The counters of a topic; the rates are over the last second.

    A `shared` topic is in shared memory, and the broker follows it; `missed` counts messages that
    were overwritten before the broker had read them.
    """

    name: str
    messages: int = 0
    size_bytes: int = 0
    rate_hz: float = 0.0
    bytes_per_sec: float = 0.0
    kept: int = 0
    refused: int = 0
    missed: int = 0
    shared: bool = False
    publishers: list[Source] = []
    edges: list[Edge] = []


class BrokerStatistics(Message):
    """The broker's counters; on `/dsmq/statistics` once a second while it has a subscriber.

    Rates are since the previous report: the first report after a time without subscribers covers
    that time. New topics have no rate yet. `left_out` is as in `Graph`.
    """

    at_sec: float = 0.0
    stored_bytes: int = 0
    budget_bytes: int = 0
    ttl_sec: float = 0.0
    topics: list[TopicStatistics] = []
    left_out: str = ""


class LaunchProcess(Message):
    """A process of a launch; `nodes` are its nodes' full names, `pid` is 0 while stopped."""

    name: str
    nodes: list[str] = []
    state: str = ""
    pid: int = 0
    restarts: int = 0
    last_end: str = ""


class LaunchState(Message):
    """The processes of a launch; on `/dsmq/launch/state`, latched, at every change."""

    pid: int = 0
    processes: list[LaunchProcess] = []


class LaunchCommand(Message):
    """A command for one process of a launch; `name` is that of the process or of a node in it.

    `id` is any text, which the result repeats; `action` is restart, stop, start or lines.
    """

    id: str
    action: str
    name: str


class LaunchResult(Message):
    """The result of a command; for `lines`, the process's last lines and the first one's number."""

    id: str
    ok: bool
    text: str = ""
    process: str = ""
    first: int = 0
    lines: list[str] = []


class LaunchLines(Message):
    """Lines that a process wrote, and the number of the first one; numbers count from 1."""

    process: str
    first: int
    lines: list[str]


class EpisodeMark(Message):
    """A mark in a recording, on `/episode`; `mark` is start, stop or discard.

    `task` describes in words what the episode shows; `number` counts the kept episodes from 0.
    """

    mark: str
    task: str = ""
    number: int = 0


class MarkEpisode(Service):
    """Mark the start or the end of an episode in a recording, or discard the running or last one.

    `task` belongs to the start; a `task` given with the stop replaces it.
    """

    class Request(Message):
        """The mark: start, stop or discard."""

        mark: str
        task: str = ""

    class Response(Message):
        """Whether the mark was made, an explanation, and the episode's number."""

        success: bool = False
        message: str = ""
        number: int = 0
