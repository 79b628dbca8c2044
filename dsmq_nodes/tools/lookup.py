"""Finds topics by the names that users give."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.tools.graph_model import GraphModel, TopicModel
from dsmq_nodes.tools.offers import absolute
from dsmq_nodes.topic_names import GRAPH_TOPIC, GRAPH_TYPE, STATISTICS_TOPIC, TYPES_TOPIC, is_hidden

if TYPE_CHECKING:
    from dsmq_nodes.tools.session import Session

# The broker writes these, and is no publisher in its own graph.
_BROKERS: Final = {
    GRAPH_TOPIC: GRAPH_TYPE,
    STATISTICS_TOPIC: "dsmq_msgs/msg/BrokerStatistics",
    TYPES_TOPIC: "dsmq_msgs/msg/TypeDescription",
}


def visible_topics(graph: GraphModel, *, own: bool) -> list[TopicModel]:
    """Return the topics of a graph by name; with `own` also hidden ones: the kit's and services'.

    A topic of the node kit without publishers and subscribers is left out. A topic whose name has
    no leading slash is a plain client's, which does not advertise: it is kept.
    """
    topics = [
        topic
        for topic in graph.topics
        if (own or not is_hidden(topic.name))
        and (topic.publishers or topic.subscribers or _needs_no_ends(topic.name))
    ]
    return sorted(topics, key=lambda topic: topic.name)


def _needs_no_ends(name: str) -> bool:
    return not name.startswith("/") or name in _BROKERS


def find(graph: GraphModel, name: str) -> TopicModel | None:
    """Return the topic that a user calls `name`, exactly or without the leading slash; or None.

    A latched topic is there while the broker keeps its messages, also without ends.
    """
    topics = {
        topic.name: topic
        for topic in graph.topics
        if topic.ends or topic.latched or _needs_no_ends(topic.name)
    }
    return topics.get(name) or topics.get(f"/{name}")


def require_topic(graph: GraphModel, name: str) -> TopicModel:
    """Do as `find`, but raise.

    Raises:
        CommandError: there is no such topic; the text has the nearest name.
    """
    topic = find(graph, name)
    if topic is None:
        raise CommandError(f"Unknown topic '{absolute(name)}': {nearest(graph, name)}")
    return topic


def has_subscriber(session: "Session", name: str) -> bool:
    """Whether the topic that a user calls `name` has a subscriber."""
    topic = find(session.graph(), name)
    return topic is not None and bool(topic.subscribers)


def find_published(session: "Session", name: str, warn: Callable[[str], None]) -> TopicModel:
    """Return the topic that a user calls `name`; `warn` is called when it has no publisher.

    Raises:
        CommandError: there is no such topic; the text has the nearest name.
    """
    graph = session.graph()
    topic = find(graph, name)
    if topic is None:
        raise CommandError(f"{unpublished(absolute(name))}; {nearest(graph, name)}")
    if not topic.publishers and not _needs_no_ends(topic.name):
        warn(unpublished(topic.name))
    return topic


def unpublished(name: str) -> str:
    """Return the text of ros2 for a topic that does not exist."""
    return f"WARNING: topic [{name}] does not appear to be published yet"


def nearest(graph: GraphModel, name: str) -> str:
    """Return a sentence with the topic most similar to `name`, or with all topics."""
    names = [topic.name for topic in visible_topics(graph, own="dsmq" in name or "/_" in name)]
    return did_you_mean(absolute(name), names) if names else "no topic is published here now"


def types(topic: TopicModel) -> list[str]:
    """Return the types that a topic's ends use: usually one, none for plain clients."""
    used = dict.fromkeys(end.type for end in topic.ends if end.type)
    if topic.name in _BROKERS:
        used.setdefault(_BROKERS[topic.name])
    return list(used)


def types_shown(names: Iterable[str]) -> str:
    """Return types in one line; "untyped" for none."""
    return ", ".join(names) or "untyped"


def schema_of(session: "Session", topic: str) -> dict[str, Any]:
    """Return the schema that the ends of a topic have sent; empty: none is known."""
    found = find(session.graph(), topic)
    ids = [end.schema_id for end in (found.ends if found else ()) if end.schema_id]
    return session.schema(ids[0]) if ids else {}
