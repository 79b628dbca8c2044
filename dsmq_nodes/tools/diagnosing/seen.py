"""The input of a diagnosis, gathered from broker, nodes and launcher, and its findings.

Counters are read twice, `before` and `now`, and only the difference counts, so that an old loss is
not a finding of today.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dsmq_nodes.messages.diagnostic import DiagnosticStatus
from dsmq_nodes.messages.dsmq_msgs import LaunchProcess, NodeStatistics, SubscriptionStatistics
from dsmq_nodes.tools.graph_model import BrokerCounters, GraphModel, TopicModel
from dsmq_nodes.topic_names import is_hidden

ERROR: Final = "ERROR"
WARNING: Final = "WARNING"
NOTE: Final = "NOTE"
SILENT_SEC: Final = 10.0  # a node publishes its counters once a second; the launcher waits as long


class Finding(NamedTuple):
    """A fault, and advice.

    Attributes:
        level: ERROR if a callback is silent because of it; WARNING if one may be; NOTE if it may be
            normal, as for a topic with messages on demand, such as a goal or a setpoint.
        kind: the kind of fault, as a fixed word.
        about: the names of its topics and nodes.
        text: the fault, with its numbers.
        advice: sentences that say what to do, or one command.
    """

    level: str
    kind: str
    about: tuple[str, ...]
    text: str
    advice: str


class Stamp(NamedTuple):
    """The times of a message, in seconds of the wall clock.

    Attributes:
        header_sec: the time in its header; None if it has none.
        published_sec: when it was sent, by the publisher's clock; 0 if unknown.
        received_sec: when we received it, by our clock.
        clock_sec: the last time on `/clock`; None if nobody publishes that.
    """

    header_sec: float | None
    published_sec: float
    received_sec: float
    clock_sec: float | None = None


@dataclass
class Seen:
    """The gathered input of the diagnosis.

    Attributes:
        clock_sec: the wall clock of this machine; 0 if it was not read.
        transits_sec: by node, the shortest time from the stamp of its statistics to our clock.
        statuses: the nodes, each with a status of one of its parts on `/diagnostics`.
        stops: the emergency stops that are pressed, by topic, with the time since when.
        blocked: by node, the log line about a callback that blocks.
        silent: the nodes that have published no counters for `SILENT_SEC`.
    """

    graph: GraphModel
    before: BrokerCounters
    now: BrokerCounters
    nodes: dict[str, NodeStatistics] = field(default_factory=dict)
    nodes_before: dict[str, NodeStatistics] = field(default_factory=dict)
    processes: list[LaunchProcess] = field(default_factory=list)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    clock_sec: float = 0.0
    transits_sec: dict[str, float] = field(default_factory=dict)
    statuses: list[tuple[str, DiagnosticStatus]] = field(default_factory=list)
    stops: dict[str, float] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)

    @property
    def window_sec(self) -> float:
        """The time between the two readings."""
        return self.now.at_sec - self.before.at_sec


def visible_topics(seen: Seen) -> Iterator[TopicModel]:
    """Yield the topics of the graph that are not hidden."""
    for topic in seen.graph.topics:
        if not is_hidden(topic.name):
            yield topic


def readers_of(topic: TopicModel) -> list[str]:
    """Return the nodes that subscribe; tools and plain clients have no callbacks of ours."""
    return sorted({end.node for end in topic.subscribers if end.node})


def writers_of(topic: TopicModel) -> list[str]:
    """Return the nodes that publish, and plain clients as one."""
    return sorted({end.node or "a client" for end in topic.publishers})


def subscription_of(
    nodes: dict[str, NodeStatistics], name: str, topic: str
) -> SubscriptionStatistics | None:
    """Return the counters of a node's subscription of a topic; None if it has none."""
    subscriptions = nodes[name].subscriptions if name in nodes else []
    return next((each for each in subscriptions if each.topic == topic), None)


def busy(seen: Seen, name: str) -> str:
    """Return the end of a sentence about a node: which callback blocks it; may be empty."""
    if name in seen.blocked:
        return f"; {seen.blocked[name]}"
    node = seen.nodes.get(name)
    if node is None or not node.callbacks:
        return ""
    longest = max(node.callbacks, key=lambda each: each.longest_sec)
    if longest.longest_sec < 0.0005:
        return ""
    return f"; its callback {longest.name} takes up to {longest.longest_sec * 1e3:.0f} ms"


def base_name(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition("/")[2]


def count(number: int, what: str) -> str:
    """Return a number of things in words: "3 messages"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
