"""Why a callback is silent: findings from the broker, the nodes and the launcher.

Nothing here does I/O: gathering.py does. Counters are read twice, `before` and `now`, and only the
difference counts, so that an old loss is not a finding of today.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product
from typing import Final, NamedTuple

from dsmq_nodes.announced_qos import USUAL, AnnouncedQoS, announced_qos, misfit, nodes_of_rclpy
from dsmq_nodes.messages.diagnostic import DiagnosticStatus
from dsmq_nodes.messages.dsmq_msgs import LaunchProcess, NodeStatistics, SubscriptionStatistics
from dsmq_nodes.suggest import nearest
from dsmq_nodes.tools.graph_model import (
    BrokerCounters,
    EdgeCounters,
    EndpointModel,
    GraphModel,
    TopicCounters,
    TopicModel,
)
from dsmq_nodes.topic_names import (
    CLOCK_TOPIC,
    DIAGNOSTICS_TOPIC,
    EMERGENCY_STOP_TOPIC,
    EVERY_NODES_TOPICS,
    TF_STATIC_TOPIC,
    TF_TOPIC,
    is_hidden,
)

ERROR: Final = "ERROR"
WARNING: Final = "WARNING"
NOTE: Final = "NOTE"

_A_STREAM: Final = 10  # messages; a topic that has had fewer may have messages on demand only
_STALE_SEC: Final = 1.0  # an older stamp at its publishing is stale
_MOST_DROPPED: Final = 0.05  # a reader of depth 1 drops some on purpose
_AHEAD_SEC: Final = 0.1  # a message takes less; beyond this the clock is ahead of ours
_BEHIND_SEC: Final = 5.0  # the clock is behind, or the message was delayed
SILENT_SEC: Final = 10.0  # a node publishes its counters once a second; the launcher waits as long
_DEAD: Final = frozenset({"failed", "restarting"})
# Published by every node, and subscribed by tools: having no subscriber is no fault.
_EVERYBODYS: Final = EVERY_NODES_TOPICS | {
    CLOCK_TOPIC,
    EMERGENCY_STOP_TOPIC,  # it may be pressed by hand, and is silent until then
    TF_TOPIC,
    TF_STATIC_TOPIC,
}


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


CHECKS: Final = (
    "no emergency stop stands in the way",
    "every topic that is heard is published",
    "types and QoS fit",
    "publishers publish",
    "readers keep up",
    "stamps and clocks agree",
    "no callback raises",
    "no node has died or hangs",
    "no part of a node is faulty",
)


def findings(seen: Seen) -> list[Finding]:
    """Return the findings: the worst first, and causes before their effects."""
    found = [
        *_stopped(seen),
        *_dead(seen),
        *_hanging(seen),
        *_raising(seen),
        *_faulty(seen),
        *_unpublished(seen),
        *_types(seen),
        *_profiles(seen),
        *_causes_first(seen, [*_silent(seen)]),
        *_slow(seen),
        *_times(seen),
        *_clocks(seen),
        *_late(seen),
    ]
    return sorted(dict.fromkeys(found), key=lambda each: (ERROR, WARNING, NOTE).index(each.level))


def _topics(seen: Seen) -> Iterator[TopicModel]:
    for topic in seen.graph.topics:
        if not is_hidden(topic.name):
            yield topic


def _readers(topic: TopicModel) -> list[str]:
    """Return the nodes that subscribe; tools and plain clients have no callbacks of ours."""
    return sorted({end.node for end in topic.subscribers if end.node})


def _writers(topic: TopicModel) -> list[str]:
    return sorted({end.node or "a client" for end in topic.publishers})


def _stopped(seen: Seen) -> Iterator[Finding]:
    for topic, since_sec in sorted(seen.stops.items()):
        text = f"{topic} is pressed"
        if _SANE_SEC[0] < since_sec < _SANE_SEC[1]:
            since = datetime.fromtimestamp(since_sec).astimezone()
            text += f" since {since.strftime('%Y-%m-%d %H:%M:%S')}"
        ends = (each.ends for each in seen.graph.topics if each.name == topic)
        obeying = {end.node for each in ends for end in each}
        refusing = []
        for name in sorted(obeying & seen.nodes.keys()):
            refused = _refused(seen.nodes[name]) - _refused(seen.nodes_before.get(name))
            if refused > 0:
                refusing.append(name)
                text += f"; {name} refused {_count(refused, 'command')} in {seen.window_sec:.1f} s"
        advice = (
            "Release it when the robot may move: "
            f"`dsmq-nodes topic pub --once {topic} std_msgs/msg/Bool '{{data: false}}'`"
        )
        level = ERROR if refusing else WARNING
        yield Finding(level, "emergency stop", (topic, *sorted(obeying)), text, advice)


def _refused(node: NodeStatistics | None) -> int:
    return sum(each.refused for each in node.subscriptions) if node is not None else 0


def _unpublished(seen: Seen) -> Iterator[Finding]:
    published = [topic for topic in _topics(seen) if topic.publishers]
    counters = {topic.name: topic for topic in seen.now.topics}
    for topic in _topics(seen):
        readers = [node for node in _readers(topic) if not is_hidden(node)]
        if topic.publishers or not readers or topic.name in _EVERYBODYS:
            continue
        before = counters.get(topic.name, TopicCounters(name=topic.name)).messages
        about = (topic.name, *readers)
        who = ", ".join(readers)
        if before:
            text = f"{topic.name}: subscribed by {who}; its publisher has gone after "
            text += _count(before, "message")
            advice = "Start its publisher again: `dsmq-nodes node list -v` has the processes."
            if before < _A_STREAM:
                yield Finding(NOTE, "publisher gone", about, text, f"{_ON_DEMAND} {advice}")
            else:
                yield Finding(ERROR, "publisher gone", about, text, advice)
            continue
        text = f"{topic.name}: subscribed by {who}, published by nobody"
        close = _near_miss(
            topic, [each for each in published if not _is_published_by(each, readers)]
        )
        if close is None:
            yield Finding(NOTE, "no publisher", about, text, f"{_ON_DEMAND} {_START_IT}")
            continue
        yield Finding(
            ERROR,
            "near miss",
            (*about, close.name),
            f"{text}; {', '.join(_writers(close))} publishes {close.name} [{close.type}]",
            _rename_advice(topic.name, close.name, who),
        )


_ON_DEMAND: Final = "That is fine where it comes on demand."
_START_IT: Final = (
    "Start a node that publishes it, or correct the name: `dsmq-nodes topic list` has those there "
    "are."
)


def _rename_advice(heard: str, published: str, who: str) -> str:
    """Return advice for a subscription that may mean a topic of another name."""
    remap = f"`remap: {{{_base_name(heard)}: {published}}}`"
    if _base_name(heard) != _base_name(published):
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
        if _base_name(each.name) == _base_name(topic.name):
            return each
    name = nearest(topic.name, [each.name for each in fitting])
    return next((each for each in fitting if each.name == name), None)


def _base_name(name: str) -> str:
    return name.rpartition("/")[2]


def _types(seen: Seen) -> Iterator[Finding]:
    for topic in _topics(seen):
        for fault in topic.faults:
            about = (topic.name, *_readers(topic), *(end.node for end in topic.publishers))
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

    for topic in _topics(seen):
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
    before = {topic.name: topic for topic in seen.before.topics}
    now = {topic.name: topic for topic in seen.now.topics}
    for topic in _topics(seen):
        readers, counted = _readers(topic), now.get(topic.name)
        if not (topic.publishers and readers and counted) or topic.name in _EVERYBODYS:
            continue
        about = (topic.name, *readers, *(end.node for end in topic.publishers))
        suppressed = _suppressed(seen, topic)
        if suppressed:
            text = f"{topic.name}: {suppressed} publishes it, but is not active"
            advice = _activated(seen, suppressed)
            yield Finding(ERROR, "inactive publisher", about, text, advice)
            continue
        who = ", ".join(_writers(topic))
        if not counted.total:
            text = f"{topic.name}: {who} has published nothing yet"
        elif not topic.latched and _grown(before.get(topic.name), counted) == 0:
            text = f"{topic.name}: nothing comes from {who} "
            text += f"({_count(counted.total, 'message')} earlier)"
        else:
            continue
        level, advice = WARNING, _advice_on(_writers(topic))
        if counted.total < _A_STREAM:
            level, advice = NOTE, f"{_ON_DEMAND} {advice}"
        yield Finding(level, "silent publisher", about, text, advice)


def _causes_first(seen: Seen, silent: list[Finding]) -> list[Finding]:
    """Sort silent topics: one whose publisher subscribes to another silent topic comes last."""
    topics = {topic.name: topic for topic in seen.graph.topics}

    def follows(one: Finding) -> bool:
        writers = {end.node for end in topics[one.about[0]].publishers}
        others = (topics[each.about[0]] for each in silent if each is not one)
        return any(not writers.isdisjoint(_readers(other)) for other in others)

    return sorted(silent, key=follows)


def _advice_on(writers: list[str]) -> str:
    if "a client" in writers:
        return "A plain client or a tool publishes it: look there."
    return (
        f"`dsmq-nodes node log {writers[0]}` shows what it says, `dsmq-nodes node info "
        f"{writers[0]}` which topics it may be waiting for."
    )


def _grown(before: TopicCounters | None, now: TopicCounters) -> int:
    return now.total - (before.total if before is not None else 0)


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
    own = _subscription_of(seen.nodes, now.subscriber, topic.name)
    own_before = _subscription_of(seen.nodes_before, now.subscriber, topic.name)
    dropped = now.dropped - before.dropped
    if own is not None and own_before is not None:
        dropped = max(dropped, own.dropped - own_before.dropped)
    about = (topic.name, now.subscriber)
    got = max(now.delivered - before.delivered, 0)
    if dropped > _MOST_DROPPED * (dropped + got):
        text = (
            f"{topic.name}: {now.subscriber} is too slow for it: {_count(dropped, 'message')} "
            f"dropped in {seen.window_sec:.1f} s, {got} delivered (depth {now.depth}, "
            f"lag {now.lag}){_busy(seen, now.subscriber)}"
        )
        advice = "Do less in the callback, or publish less often; more depth bridges bursts only."
        yield Finding(WARNING, "slow reader", about, text, advice)
    elif now.lag > max(now.depth, 1) and now.lag >= before.lag and not got:
        text = (
            f"{topic.name}: {now.subscriber} reads nothing: {now.lag} messages wait for it"
            f"{_busy(seen, now.subscriber)}"
        )
        advice = "Its process is stopped, or a callback blocks it: `dsmq-nodes top` shows which."
        peer = next((each for each in seen.graph.peers if each.name == now.subscriber), None)
        if peer is not None and peer.state == "starting":  # it is "ready" as soon as it is spun
            advice = "Nothing has spun it yet: its program calls neither `run` nor `spin`."
        yield Finding(ERROR, "stuck reader", about, text, advice)
    if own is not None and own_before is not None and own.invalid > own_before.invalid:
        wrong = _count(own.invalid - own_before.invalid, "message")
        text = f"{topic.name}: {wrong} did not fit the type {own.type} of {now.subscriber}"
        advice = f"dsmq-nodes topic echo {topic.name} --once"
        yield Finding(ERROR, "wrong message", about, text, advice)


def _subscription_of(
    nodes: dict[str, NodeStatistics], name: str, topic: str
) -> SubscriptionStatistics | None:
    subscriptions = nodes[name].subscriptions if name in nodes else []
    return next((each for each in subscriptions if each.topic == topic), None)


def _busy(seen: Seen, name: str) -> str:
    if name in seen.blocked:
        return f"; {seen.blocked[name]}"
    node = seen.nodes.get(name)
    if node is None or not node.callbacks:
        return ""
    longest = max(node.callbacks, key=lambda each: each.longest_sec)
    if longest.longest_sec < 0.0005:
        return ""
    return f"; its callback {longest.name} takes up to {longest.longest_sec * 1e3:.0f} ms"


def _times(seen: Seen) -> Iterator[Finding]:
    for topic in _topics(seen):
        stamp = seen.stamps.get(topic.name)
        if stamp is None:
            continue
        about = (topic.name, *_readers(topic), *(end.node for end in topic.publishers))
        who = ", ".join(_writers(topic))
        sent_sec = stamp.clock_sec or stamp.published_sec or stamp.received_sec
        age_sec = 0.0 if stamp.header_sec is None else sent_sec - stamp.header_sec
        transit_sec = stamp.received_sec - stamp.published_sec if stamp.published_sec else 0.0
        if stamp.header_sec == 0.0:
            text = f"{topic.name}: the stamps of {who} are not set"
            yield Finding(WARNING, "no stamp", about, text, "Publish with `header=self.stamp()`.")
        elif age_sec > _STALE_SEC or age_sec < -_AHEAD_SEC:
            how = "older" if age_sec > 0 else "newer"
            text = f"{topic.name}: stamps of {who} are {abs(age_sec):.1f} s {how} than "
            text += CLOCK_TOPIC if stamp.clock_sec is not None else "their publishing"
            advice = "Set the stamp when it is measured; all nodes or none with use_sim_time."
            yield Finding(WARNING, "stale stamp", about, text, advice)
        if transit_sec > _BEHIND_SEC or transit_sec < -_AHEAD_SEC:
            how = "behind" if transit_sec > 0 else "ahead of"
            text = f"{topic.name}: the clock of {who} is {abs(transit_sec):.1f} s {how} this one"
            yield Finding(WARNING, "clock offset", about, text, _AGREE)


def _clocks(seen: Seen) -> Iterator[Finding]:
    """Yield the faults of the clocks themselves."""
    if seen.clock_sec and not _SANE_SEC[0] < seen.clock_sec < _SANE_SEC[1]:
        date = datetime.fromtimestamp(seen.clock_sec, UTC).strftime("%Y-%m-%d")
        text = f"the clock of this machine says {date}: "
        text += (
            "stamps cannot say more than 2038-01-19" if seen.clock_sec > 1e9 else "it is not set"
        )
        yield Finding(WARNING, "clock not set", (), text, _SET_IT)
    for name, transit_sec in sorted(seen.transits_sec.items()):
        if transit_sec > _LONGEST_TRANSIT_SEC or transit_sec < -_AHEAD_SEC:
            how = "behind" if transit_sec > 0 else "ahead of"
            text = f"the clock of {name} is {abs(transit_sec):.1f} s {how} this one"
            yield Finding(WARNING, "clock offset", (name,), text, _AGREE)
    set_back: dict[float, list[str]] = {}
    for name, node in sorted(seen.nodes.items()):
        if node.clock_set_back_sec:
            set_back.setdefault(round(node.clock_set_back_sec, 1), []).append(name)
    for sec, names in set_back.items():
        text = (
            f"the clock of {', '.join(names)} was set back by {sec:.1f} s in the last 5 minutes: "
        )
        text += "earlier stamps lie in the future"
        advice = "Have it slewed while nodes run (chrony), and restart what keeps old stamps."
        yield Finding(WARNING, "clock set back", tuple(names), text, advice)


_SANE_SEC: Final = (1_577_836_800.0, 2.0**31)  # from 2020 on, up to what int32 seconds can say
_LONGEST_TRANSIT_SEC: Final = 1.0
_AGREE: Final = "Set the clocks of both machines (chrony, timedatectl)."
_SET_IT: Final = "Set it (chrony, timedatectl), or look at the battery of its real-time clock."


def _late(seen: Seen) -> Iterator[Finding]:
    for name, node in seen.nodes.items():
        for now in node.subscriptions:
            before = _subscription_of(seen.nodes_before, name, now.topic)
            late = now.late - before.late if before is not None else 0
            if late > 0:
                text = f"{now.topic}: {_count(late, 'message')} came too late to {name} and were "
                text += "skipped: older than the lifespan, or than an Actuator's timeout"
                advice = "Raise that limit, or find what delays the messages: "
                advice += f"`dsmq-nodes topic delay {now.topic}` measures it."
                yield Finding(WARNING, "late messages", (now.topic, name), text, advice)


def _raising(seen: Seen) -> Iterator[Finding]:
    for name, node in seen.nodes.items():
        before = seen.nodes_before.get(name)
        raised = node.exceptions - (before.exceptions if before is not None else 0)
        if raised > 0:
            text = f"{name}: {_count(raised, 'exception')} in its callbacks, the last one "
            text += node.last_exception
            yield Finding(ERROR, "exception", (name,), text, f"dsmq-nodes node log {name}")


def _faulty(seen: Seen) -> Iterator[Finding]:
    """Yield a finding for each error, stale state or warning on `/diagnostics`."""
    there = {peer.name for peer in seen.graph.peers}
    red = {node for node, each in seen.statuses if each.level == DiagnosticStatus.ERROR}
    for node, each in seen.statuses:
        if each.level == DiagnosticStatus.STALE and (node in red or _is_gone(each.name, there)):
            continue  # the error is reported, or the node has ended and cannot report
        if each.level != DiagnosticStatus.OK:
            hangs = each.level == DiagnosticStatus.STALE and each.name in there
            level = ERROR if hangs or each.level == DiagnosticStatus.ERROR else WARNING
            text = f"{each.name.replace(_base_name(node), node, 1)}: {each.message}"
            text += _busy(seen, each.name) if hangs else ""
            what = f"node log {each.name}" if hangs else f"topic echo {DIAGNOSTICS_TOPIC} --once"
            advice = f"dsmq-nodes {what}"
            about = (node, each.name) if each.name.startswith("/") else (node,)
            yield Finding(level, "faulty part", about, text, advice)


def _is_gone(name: str, there: set[str]) -> bool:
    """Whether it is the name of a node that has ended."""
    return name.startswith("/") and name not in there


def _dead(seen: Seen) -> Iterator[Finding]:
    there = {peer.name for peer in seen.graph.peers}
    for process in seen.processes:
        if process.state in _DEAD:
            why = f": {process.last_end}" if process.last_end else ""
            text = f"{process.name} does not run ({process.state}{why})"
            if process.restarts:
                text += f", after {_count(process.restarts, 'restart')}"
            advice = f"`dsmq-nodes node log {process.name}` has its last lines, "
            advice += f"`dsmq-nodes node start {process.name}` starts it."
            about = (process.name, *process.nodes)
            yield Finding(ERROR, "dead node", about, text, advice)
        elif process.state == "ready":
            for name in [name for name in process.nodes if name not in there]:
                text = f"{name} has left the graph, but its process runs (pid {process.pid})"
                advice = "It has lost the broker, or is stopped: "
                advice += f"`dsmq-nodes node restart {process.name}`"
                yield Finding(ERROR, "lost node", (process.name, name), text, advice)


def _hanging(seen: Seen) -> Iterator[Finding]:
    pids = {peer.name: peer.pid for peer in seen.graph.peers}
    launched = {node for process in seen.processes for node in process.nodes}
    for name in seen.silent:
        text = f"{name} has told nothing for {SILENT_SEC:g} s: it hangs{_busy(seen, name)}"
        advice = f"A callback blocks it, its process (pid {pids.get(name, 0)}) is stopped, or "
        advice += "nothing spins it any longer"
        advice += f": `dsmq-nodes node log {name}`." if name in launched else "; its log says more."
        yield Finding(ERROR, "silent node", (name,), text, advice)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
