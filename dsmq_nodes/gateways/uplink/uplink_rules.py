"""The rules of which topics go to and come from other machines, and the topics' fleet names. Pure.

A topic goes only if its own machine names it, and comes only if the machine that wants it names it.
A rule is a topic's name or a pattern such as `/r*/odom`.

**Fleet names.** On the machine that is `as: r1`, the topic `/imu` has the fleet name `r1/imu`. A
machine without a name calls that topic `/r1/imu`. So a machine with a name sees and offers only the
topics below its name; a machine without one sees the whole fleet.

**Services and actions** are topics: `serve: /add` lets `/add/_reply` go and `/add/_request` come.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.topic_names import ACTION, EVERY_NODES_TOPICS, REPLY, REQUEST, is_call, is_kits_own

_FEEDBACK: Final = (f"{ACTION}/feedback", f"{ACTION}/status")
_ACTION_SERVICES: Final = ("send_goal", "cancel_goal", "get_result")
_FROM_SERVER: Final = (
    REPLY,
    *_FEEDBACK,
    *(f"{ACTION}/{name}{REPLY}" for name in _ACTION_SERVICES),
)
_FROM_CLIENT: Final = (REQUEST, *(f"{ACTION}/{name}{REQUEST}" for name in _ACTION_SERVICES))
_CANCEL: Final = f"{ACTION}/cancel_goal{REQUEST}"
REQUEST_LASTS_SEC: Final = 10.0
"""An older call is not carried out: its caller was told that the server is lost."""
_MOST_TOPICS: Final = 10_000
VELOCITIES: Final = {"geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"}


@dataclass(frozen=True, kw_only=True)
class UplinkRules:
    """The rules of one uplink.

    Attributes:
        name: this machine's name in the fleet; empty: this machine sees the whole fleet.
        publish: topics that go.
        subscribe: topics that come.
        serve: services and actions of this machine that others may call.
        call: services and actions of others that may be called here.
    """

    name: str = ""
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()
    call: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse rules that match nothing, or a topic that never goes.

        Raises:
            CommandError: a rule is such; the text says which one, and what to write.
        """
        rules = (self.publish, self.subscribe, self.serve, self.call)
        if not any(rules):
            raise CommandError(
                "nothing goes or comes unless it is named: name topics (publish, subscribe) or "
                "services and actions (serve, call)"
            )
        for name in (each for rule in rules for each in rule):
            if not name.startswith("/"):
                raise CommandError(f"{name!r}: write the full name, as '/{name}'")
            if _is_never(name):
                raise CommandError(f"{name} never goes: each machine has its own")
        for name in self.serve:
            if name in self.call:
                raise CommandError(
                    f"{name} is served and called: say serve on the machine that has it, and call "
                    "on the others"
                )

    def fleet_name(self, topic: str) -> str:
        """Return the fleet name of a topic of this machine."""
        return f"{self.name}{topic}" if self.name else topic[1:]

    def topic(self, fleet_name: str) -> str:
        """Return this machine's name of a fleet topic; empty if it is not below our name."""
        if not self.name:
            return f"/{fleet_name}"
        own = f"{self.name}/"
        return fleet_name[len(self.name) :] if fleet_name.startswith(own) else ""

    def goes(self, topic: str) -> bool:
        """Whether a topic of this machine may go."""
        return _may(self.publish, topic) or (
            _part_of(self.serve, topic, _FROM_SERVER) or _part_of(self.call, topic, _FROM_CLIENT)
        )

    def comes(self, topic: str) -> bool:
        """Whether a topic may come, by this machine's name of it."""
        return _may(self.subscribe, topic) or (
            _part_of(self.serve, topic, _FROM_CLIENT) or _part_of(self.call, topic, _FROM_SERVER)
        )


def is_offered_rightly(machine: str, fleet_name: str) -> bool:
    """Whether a machine may offer a topic: one with a name offers only topics below it."""
    return not machine or fleet_name.startswith(f"{machine}/")


def is_always_resumed(topic: str) -> bool:
    """Whether a topic's messages are requested again after any loss, not only an outage."""
    return is_call(topic)


def may_be_late(topic: str) -> bool:
    """Whether a topic's messages take effect however late they come: all except calls.

    A request to cancel a goal takes effect however late it comes.
    """
    return not topic.endswith(REQUEST) or topic.endswith(_CANCEL)


def is_too_late(topic: str, age_sec: float) -> bool:
    """Whether a message has waited too long to take effect."""
    return age_sec > REQUEST_LASTS_SEC and not may_be_late(topic)


def is_best_effort(told: bool | None, type_name: str) -> bool:
    """Whether a topic is of best effort: by its settings, else by its type.

    A velocity that is seconds old must not move a robot.
    """
    return type_name in VELOCITIES if told is None else told


def _is_never(topic: str) -> bool:
    """Whether a topic never goes: each machine has its own, or no Zenoh key can have its name."""
    return is_kits_own(topic) or topic in EVERY_NODES_TOPICS or "//" in topic or topic[-1] == "/"


@lru_cache(_MOST_TOPICS)  # each change of the graph looks up all of its topics
def _may(rule: tuple[str, ...], topic: str) -> bool:
    if not topic.startswith("/") or _is_never(topic):
        return False
    if "/_" in topic:  # a hidden topic has to be named
        return topic in rule
    return _matches(rule, topic)


@lru_cache(_MOST_TOPICS)
def _part_of(rule: tuple[str, ...], topic: str, parts: tuple[str, ...]) -> bool:
    """Whether a topic is one of the given parts of a service or an action in a rule."""
    if not topic.startswith("/") or _is_never(topic):
        return False
    return any(topic.endswith(part) and _matches(rule, topic.removesuffix(part)) for part in parts)


def _matches(rule: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rule)
