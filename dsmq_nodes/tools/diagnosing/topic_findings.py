"""Findings about topics: names, types, QoS, silent publishers, slow readers."""

from collections.abc import Iterator
from itertools import product
from typing import Final

from dsmq_nodes.announced_qos import USUAL, AnnouncedQoS, announced_qos, misfit, nodes_of_rclpy
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.suggest import may_be_meant, nearest
from dsmq_nodes.tools.diagnosing.seen import (
    ERROR,
    NOTE,
    WARNING,
    Finding,
    Seen,
    base_name,
    busy,
    count,
    readers_of,
    subscription_of,
    visible_topics,
    writers_of,
)
from dsmq_nodes.tools.graph_model import (
    EdgeCounters,
    EndpointModel,
    TopicCounters,
    TopicModel,
)
from dsmq_nodes.topic_names import (
    ACTION,
    CLOCK_TOPIC,
    EMERGENCY_STOP_TOPIC,
    EVERY_NODES_TOPICS,
    REPLY,
    TF_STATIC_TOPIC,
    TF_TOPIC,
    is_hidden,
)

_A_STREAM: Final = 10  # messages; a topic that has had fewer may have messages on demand only
_MOST_DROPPED: Final = 0.05  # a reader of depth 1 drops some on purpose
# Published by every node, and subscribed by tools: having no subscriber is no fault.
_EVERYBODYS: Final = EVERY_NODES_TOPICS | {
    CLOCK_TOPIC,
    EMERGENCY_STOP_TOPIC,  # it may be pressed by hand, and is silent until then
    TF_TOPIC,
    TF_STATIC_TOPIC,
}
_ON_DEMAND: Final = "That is fine where it comes on demand."
_LATE: Final = (
    "A subscriber that starts later gets it only where its publisher has "
    "QoSProfile(durability='transient_local'). "
)
_START_IT: Final = (
    "Start a node that publishes it, or correct the name: `dsmq-nodes topic list` has those there "
    "are."
)


def topic_findings(seen: Seen) -> Iterator[Finding]:
    """Yield the findings about topics, causes before their effects."""
    yield from _unpublished(seen)
    yield from _second_servers(seen)
    yield from _types(seen)
    yield from _profiles(seen)
    yield from _causes_first(seen, [*_silent(seen)])
    yield from _slow(seen)


def _unpublished(seen: Seen) -> Iterator[Finding]:
    published = {topic.name: topic for topic in visible_topics(seen) if topic.publishers}
    counters = {topic.name: topic for topic in seen.now.topics}
    for topic in visible_topics(seen):
        readers = [node for node in readers_of(topic) if not is_hidden(node)]
        if topic.publishers or not readers or topic.name in _EVERYBODYS:
            continue
        before = counters.get(topic.name, TopicCounters(name=topic.name)).messages
        about = (topic.name, *readers)
        who = ", ".join(readers)
        if before:
            text = f"{topic.name}: subscribed by {who}; its publisher has gone after "
            text += count(before, "message")
            advice = "Start its publisher again: `dsmq-nodes node list -v` has the processes."
            if before < _A_STREAM:
                yield Finding(NOTE, "publisher gone", about, text, f"{_ON_DEMAND} {advice}")
            else:
                yield Finding(ERROR, "publisher gone", about, text, advice)
            continue
        text = f"{topic.name}: subscribed by {who}, published by nobody"
        meant = [published[name] for name in may_be_meant(topic.name, published)]
        close = _near_miss(topic, [each for each in meant if not _is_published_by(each, readers)])
        if close is None:
            yield Finding(NOTE, "no publisher", about, text, f"{_ON_DEMAND} {_START_IT}")
            continue
        yield Finding(
            ERROR,
            "near miss",
            (*about, close.name),
            f"{text}; {', '.join(writers_of(close))} publishes {close.name} [{close.type}]",
            _rename_advice(topic.name, close.name, who),
        )


def _rename_advice(heard: str, published: str, who: str) -> str:
    """Return advice for a subscription that may mean a topic of another name."""
    remap = f"`remap: {{{base_name(heard)}: {published}}}`"
    if base_name(heard) != base_name(published):
        return (
            f"If {published} is meant, write this name in the source of {who}, or give {who} "
            f"{remap} in the launch file."
        )
    return (
        f"If {published} is meant, give {who} {remap} in the launch file, or both nodes the same "
        f"`namespace:`; where a `remap:` leads to {heard}, correct that one."
    )


def _is_published_by(topic: TopicModel, nodes: list[str]) -> bool:
    """Whether one of these nodes publishes the topic: no node means to hear itself."""
    return any(end.node in nodes for end in topic.publishers)


def _near_miss(topic: TopicModel, published: list[TopicModel]) -> TopicModel | None:
    """Return the topic that may be meant: the same name elsewhere, or a similar name."""
    fitting = [each for each in published if not topic.type or each.type in {"", topic.type}]
    for each in fitting:
        if base_name(each.name) == base_name(topic.name):
            return each
    name = nearest(topic.name, [each.name for each in fitting])
    return next((each for each in fitting if each.name == name), None)


def _second_servers(seen: Seen) -> Iterator[Finding]:
    for topic in seen.graph.topics:
        if not topic.name.endswith(REPLY):
            continue
        name = topic.name.removesuffix(REPLY).partition(f"{ACTION}/")[0]
        for end in topic.publishers[1:]:
            first = topic.publishers[0].node
            text = f"{name}: {end.node} stands by, since {first} serves it already"
            advice = "Stop one of them if it is started twice, else give it another name: "
            advice += f"`remap: {{{base_name(name)}: ...}}`"
            yield Finding(WARNING, "second server", (name, end.node, first), text, advice)


def _types(seen: Seen) -> Iterator[Finding]:
    for topic in visible_topics(seen):
        for fault in topic.faults:
            about = (topic.name, *readers_of(topic), *(end.node for end in topic.publishers))
            advice = (
                "Use the same message class at both ends: "
                f"`dsmq-nodes topic info -v {topic.name}` names the types."
            )
            yield Finding(ERROR, "type difference", about, fault, advice)


def _profiles(seen: Seen) -> Iterator[Finding]:
    """Yield pairs of ends, of programs for rclpy, that exchange nothing, as in ROS."""
    qos, of_rclpy = announced_qos(seen.graph.topics), nodes_of_rclpy(seen.graph.topics)

    def profile(kind: str, topic: TopicModel, end: EndpointModel) -> AnnouncedQoS | None:
        usual = USUAL if (end.node, end.pid) in of_rclpy else None
        return qos.get((kind, topic.name, end.node, end.pid), usual)

    for topic in visible_topics(seen):
        if topic.name in EVERY_NODES_TOPICS:
            continue
        for writer, reader in product(topic.publishers, topic.subscribers):
            offered = profile("publisher", topic, writer)
            requested = profile("subscription", topic, reader)
            if offered and requested and (why := misfit(offered, requested)):
                text = f"{topic.name}: {reader.node} gets nothing from {writer.node}: {why}"
                advice = "Give both ends QoS that fit: "
                advice += f"`dsmq-nodes topic info -v {topic.name}` shows it."
                about = (topic.name, writer.node, reader.node)
                yield Finding(ERROR, "QoS", about, text, advice)


def _silent(seen: Seen) -> Iterator[Finding]:
    before = {topic.name: topic.total for topic in seen.before.topics}
    now = {topic.name: topic for topic in seen.now.topics}
    for topic in visible_topics(seen):
        readers, counted = readers_of(topic), now.get(topic.name)
        if not (topic.publishers and readers and counted) or topic.name in _EVERYBODYS:
            continue
        about = (topic.name, *readers, *(end.node for end in topic.publishers))
        suppressed = _suppressed(seen, topic)
        if suppressed:
            text = f"{topic.name}: {suppressed} publishes it, but is not active"
            advice = _activated(seen, suppressed)
            yield Finding(ERROR, "inactive publisher", about, text, advice)
            continue
        who = ", ".join(writers_of(topic))
        if not counted.total:
            text = f"{topic.name}: {who} has published nothing yet"
        elif not topic.latched and before.get(topic.name) == counted.total:
            text = f"{topic.name}: nothing comes from {who} "
            text += f"({count(counted.total, 'message')} earlier)"
        else:
            continue
        level, advice = WARNING, _advice_on(writers_of(topic))
        if counted.total < _A_STREAM:
            level, advice = NOTE, f"{_ON_DEMAND} {_LATE if counted.total else ''}{advice}"
        yield Finding(level, "silent publisher", about, text, advice)


def _causes_first(seen: Seen, silent: list[Finding]) -> list[Finding]:
    """Sort silent topics: one whose publisher subscribes to another silent topic comes last."""
    topics = {topic.name: topic for topic in seen.graph.topics}

    def follows(one: Finding) -> bool:
        writers = {end.node for end in topics[one.about[0]].publishers}
        others = (topics[each.about[0]] for each in silent if each is not one)
        return any(not writers.isdisjoint(readers_of(other)) for other in others)

    return sorted(silent, key=follows)


def _advice_on(writers: list[str]) -> str:
    if "a client" in writers:
        return "A plain client or a tool publishes it: look there."
    return (
        f"`dsmq-nodes node log {writers[0]}` shows what it says, `dsmq-nodes node info "
        f"{writers[0]}` which topics it may be waiting for."
    )


def _suppressed(seen: Seen, topic: TopicModel) -> str:
    """Return the lifecycle node that suppresses its messages; empty: there is none."""
    for end in topic.publishers:
        now = _suppressed_by(seen.nodes.get(end.node), topic.name)
        before = _suppressed_by(seen.nodes_before.get(end.node), topic.name)
        if now > before:
            return end.node
    return ""


def _activated(seen: Seen, node: str) -> str:
    """Return advice on how to activate a lifecycle node in its current state."""
    states = {peer.name: peer.state for peer in seen.graph.peers}
    if states.get(node) == "finalized":
        return f"It is finalized, for good: `dsmq-nodes node restart {node}`, and look at its log."
    if states.get(node) == "unconfigured":
        return f"`dsmq-nodes lifecycle set {node} configure`, and then `activate`."
    return f"dsmq-nodes lifecycle set {node} activate"


def _suppressed_by(node: NodeStatistics | None, topic: str) -> int:
    publishers = node.publishers if node is not None else []
    return sum(each.suppressed for each in publishers if each.topic == topic)


def _slow(seen: Seen) -> Iterator[Finding]:
    before = {
        (topic.name, edge.subscriber, edge.pid): edge
        for topic in seen.before.topics
        for edge in topic.edges
    }
    for topic in seen.now.topics:
        if is_hidden(topic.name):
            continue
        for edge in topic.edges:
            earlier = before.get((topic.name, edge.subscriber, edge.pid))
            if edge.subscriber and earlier is not None:
                yield from _slow_edge(seen, topic, earlier, edge)


def _slow_edge(
    seen: Seen, topic: TopicCounters, before: EdgeCounters, now: EdgeCounters
) -> Iterator[Finding]:
    own = subscription_of(seen.nodes, now.subscriber, topic.name)
    own_before = subscription_of(seen.nodes_before, now.subscriber, topic.name)
    dropped = now.dropped - before.dropped
    if own is not None and own_before is not None:
        dropped = max(dropped, own.dropped - own_before.dropped)
    about = (topic.name, now.subscriber)
    got = max(now.delivered - before.delivered, 0)
    if dropped > _MOST_DROPPED * (dropped + got):
        text = (
            f"{topic.name}: {now.subscriber} is too slow for it: {count(dropped, 'message')} "
            f"dropped in {seen.window_sec:.1f} s, {got} delivered (depth {now.depth}, "
            f"lag {now.lag}){busy(seen, now.subscriber)}"
        )
        advice = "Do less in the callback, or publish less often; more depth bridges bursts only."
        yield Finding(WARNING, "slow reader", about, text, advice)
    elif now.lag > max(now.depth, 1) and now.lag >= before.lag and not got:
        text = (
            f"{topic.name}: {now.subscriber} reads nothing: {now.lag} messages wait for it"
            f"{busy(seen, now.subscriber)}"
        )
        advice = "Its process is stopped, or a callback blocks it: `dsmq-nodes top` shows which."
        peer = next((each for each in seen.graph.peers if each.name == now.subscriber), None)
        if peer is not None and peer.state == "starting":  # it is "ready" as soon as it is spun
            advice = "Nothing has spun it yet: its program calls neither `run` nor `spin`."
        yield Finding(ERROR, "stuck reader", about, text, advice)
    if own is not None and own_before is not None and own.invalid > own_before.invalid:
        wrong = count(own.invalid - own_before.invalid, "message")
        text = f"{topic.name}: {wrong} did not fit the type {own.type} of {now.subscriber}"
        advice = f"dsmq-nodes topic echo {topic.name} --once"
        yield Finding(ERROR, "wrong message", about, text, advice)
