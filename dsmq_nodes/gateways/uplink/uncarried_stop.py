"""Finds commands to another machine without its emergency stop. Does no I/O.

Each broker has its own stop, `/emergency_stop`: it is carried to another machine only if it is
named, like any topic. A command is a velocity, or a topic of a node that also subscribes to the
stop, as a node with an `Actuator` does.
"""

from collections.abc import Iterable, Iterator

from dsmq_nodes.gateways.hub import VELOCITIES
from dsmq_nodes.gateways.uplink.uplink_rules import UplinkRules
from dsmq_nodes.messages.std import Bool
from dsmq_nodes.tools.graph_model import TopicModel
from dsmq_nodes.topic_names import EMERGENCY_STOP_TOPIC, UPLINK, is_call, is_emergency_stop


def is_stop(name: str, topic: TopicModel | None) -> bool:
    """Whether a topic is an emergency stop, which may have another name.

    A node that keeps a stop both subscribes to it and publishes its state.
    """
    if topic is None or topic.type != Bool.type_name or is_emergency_stop(name):
        return is_emergency_stop(name)
    keepers = {end.node for end in topic.subscribers} - {UPLINK, ""}
    return any(end.node in keepers for end in topic.publishers)


def uncarried_stops(rules: UplinkRules, topics: Iterable[TopicModel]) -> Iterator[str]:
    """Yield a line for each missing emergency stop: the commands, and what to write."""
    by_name = {topic.name: topic for topic in topics}
    stop = by_name.get(EMERGENCY_STOP_TOPIC)
    stopped = {end.node for end in stop.subscribers} - {UPLINK} if stop is not None else set()
    come = [topic.name for topic in by_name.values() if _commands(rules, topic, stopped)]
    if come and not rules.may_receive(EMERGENCY_STOP_TOPIC):
        yield (
            f"commands on {come[0]} come from another machine without its emergency stop: write "
            f"{EMERGENCY_STOP_TOPIC} to subscribe here, and /*{EMERGENCY_STOP_TOPIC} to publish "
            "there"
        )
    for topic in by_name.values():
        there = _stop_of(topic.name)
        if _is_commanded_here(topic) and rules.may_send(topic.name) and not rules.may_send(there):
            yield (
                f"commands on {topic.name} go to another machine without {there}: add it to "
                f"publish here, and {EMERGENCY_STOP_TOPIC} to subscribe there"
            )


def _is_commanded_here(topic: TopicModel) -> bool:
    is_ours = any(end.node != UPLINK for end in topic.publishers)
    return is_ours and topic.type in VELOCITIES


def _commands(rules: UplinkRules, topic: TopicModel, stopped: set[str]) -> bool:
    """Whether an incoming topic moves something here."""
    readers = stopped & {end.node for end in topic.subscribers}
    # On a machine without a name, with the whole fleet, a node that reads both may just watch.
    is_command = topic.type in VELOCITIES or (bool(rules.name) and not is_call(topic.name))
    return bool(readers) and is_command and rules.may_receive(topic.name)


def _stop_of(topic: str) -> str:
    """Return the stop of the machine that a topic goes to: /r1/emergency_stop for /r1/cmd_vel."""
    _, machine, *rest = topic.split("/")
    return f"/{machine}{EMERGENCY_STOP_TOPIC}" if rest else EMERGENCY_STOP_TOPIC
