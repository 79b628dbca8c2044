"""The names of topics that the kit itself uses, each written once. Imports nothing of the kit."""

from typing import Final

_OWN: Final = "/dsmq/"

GRAPH_TOPIC: Final = "/dsmq/graph"
GRAPH_TYPE: Final = "dsmq_msgs/msg/Graph"
STATISTICS_TOPIC: Final = "/dsmq/statistics"
TYPES_TOPIC: Final = "/dsmq/types"
BROKERS_TOPICS: Final = frozenset({GRAPH_TOPIC, STATISTICS_TOPIC, TYPES_TOPIC})
"""The broker itself writes them, and is no publisher in its own graph."""
NODES_TOPIC: Final = "/dsmq/nodes"
PROBE_TOPIC: Final = "/dsmq/probe"

RECORDER_NODE: Final = "/dsmq/recorder"
LAUNCH_NODE: Final = "/dsmq/launch"

EPISODE_TOPIC: Final = "/episode"
MARK_EPISODE: Final = "/mark_episode"
"""The marks of episodes in a recording, and the recorder's service that makes them."""

CLOCK_TOPIC: Final = "/clock"
ROSOUT_TOPIC: Final = "/rosout"
PARAMETER_EVENTS_TOPIC: Final = "/parameter_events"
DIAGNOSTICS_TOPIC: Final = "/diagnostics"
TF_TOPIC: Final = "/tf"
TF_STATIC_TOPIC: Final = "/tf_static"
EMERGENCY_STOP_TOPIC: Final = "/emergency_stop"
EVERY_NODES_TOPICS: Final = frozenset({ROSOUT_TOPIC, PARAMETER_EVENTS_TOPIC})
"""Every node publishes these, whatever its class declares."""

UPLINK: Final = "/uplink"
UPLINK_STATUS_TOPIC: Final = f"{UPLINK}/_status"
"""The node that joins this machine's broker to others, and the topic of its status."""
REQUEST: Final = "/_request"
REPLY: Final = "/_reply"
"""The suffixes of a service's name in the names of its two topics."""
ACTION: Final = "/_action"
"""The suffix of an action's name in the names of its services and topics."""


def launch_node(pid: int = 0) -> str:
    """Return the node of a launch; with a pid, of one that uses another launch's broker."""
    return f"{LAUNCH_NODE}_{pid}" if pid else LAUNCH_NODE


def is_launch(node: str) -> bool:
    """Whether it is the name of a launch's node."""
    return node == LAUNCH_NODE or node.startswith(f"{LAUNCH_NODE}_")


def is_kits_own(name: str) -> bool:
    """Whether a topic or a node is the kit's own: the names of all of these begin with `/dsmq/`."""
    return name.startswith(_OWN)


def is_hidden(name: str) -> bool:
    """Whether lists leave a name out: those of the kit itself, and of services.

    In ROS 2 a name with a token that begins with an underscore is hidden.
    """
    return name.startswith(_OWN) or "/_" in name


def is_emergency_stop(topic: str) -> bool:
    """Whether it is the name of an emergency stop: this machine's, or another's of a fleet."""
    return topic.endswith(EMERGENCY_STOP_TOPIC)


def is_call(topic: str) -> bool:
    """Whether a topic is one of those that a service or an action consists of."""
    return topic.endswith((REQUEST, REPLY)) or f"{ACTION}/" in topic
