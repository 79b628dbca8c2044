"""Decides which topics are sent and received, and maps their names. Does no I/O.

Nothing is sent unless the sending side names it, and nothing is received unless the receiving side
names it. A rule is a topic's name or a pattern such as `/r*/odom`.

**Fleet names.** On the machine with `as: r1`, the topic `/imu` has the fleet name `r1/imu`. A
machine without a name calls that topic `/r1/imu`. A machine with a name thus has access only to
names below its own, and offers nothing else; a machine without a name has access to the whole
fleet.

**Services and actions** are topics: `serve: /add` sends `/add/_reply` and receives `/add/_request`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.gateways.hub import REQUEST_LASTS_SEC, VELOCITIES
from dsmq_nodes.topic_names import ACTION, EVERY_NODES_TOPICS, REPLY, REQUEST, is_kits_own

_FEEDBACK: Final = (f"{ACTION}/feedback", f"{ACTION}/status")
_ACTION_SERVICES: Final = ("send_goal", "cancel_goal", "get_result")
_FROM_SERVER: Final = (REPLY, *_FEEDBACK, *(f"{ACTION}/{name}{REPLY}" for name in _ACTION_SERVICES))
_FROM_CLIENT: Final = (REQUEST, *(f"{ACTION}/{name}{REQUEST}" for name in _ACTION_SERVICES))
_CANCEL: Final = f"{ACTION}/cancel_goal{REQUEST}"
_MOST_TOPICS: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class UplinkRules:
    """The topics to send and to receive.

    Attributes:
        name: this machine's name in the fleet; empty for access to the whole fleet.
        publish: topics to send.
        subscribe: topics to receive.
        serve: services and actions of this machine that others may call.
        call: services and actions of others that this machine calls.
    """

    name: str = ""
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    serve: tuple[str, ...] = ()
    call: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse rules that carry nothing, or something that is never carried.

        Raises:
            CommandError: a rule is refused; the text says which, and what to write.
        """
        rules = (self.publish, self.subscribe, self.serve, self.call)
        if not any(rules):
            raise CommandError(
                "nothing is carried unless it is named: name topics (publish, subscribe) or "
                "services and actions (serve, call)"
            )
        for name in (each for rule in rules for each in rule):
            if not name.startswith("/"):
                raise CommandError(f"{name!r}: write the full name, as '/{name}'")
            if _is_never(name):
                raise CommandError(f"{name} is never carried: each machine has its own")
        for name in self.serve:
            if name in self.call:
                raise CommandError(
                    f"{name} is in serve and call: use serve on the machine that has it, and call "
                    "on the others"
                )

    def fleet_name(self, topic: str) -> str:
        """Return the fleet name of a topic of this machine."""
        return f"{self.name}{topic}" if self.name else topic[1:]

    def topic(self, fleet_name: str) -> str:
        """Return this machine's name of a fleet topic; empty if it is not below its name."""
        if not self.name:
            return f"/{fleet_name}"
        own = f"{self.name}/"
        return fleet_name[len(self.name) :] if fleet_name.startswith(own) else ""

    def may_send(self, topic: str) -> bool:
        """Whether a topic of this machine may be sent."""
        return _is_allowed(self.publish, topic) or (
            _rule_covers(self.serve, topic, _FROM_SERVER)
            or _rule_covers(self.call, topic, _FROM_CLIENT)
        )

    def may_receive(self, topic: str) -> bool:
        """Whether a topic may be received, by this machine's name of it."""
        return _is_allowed(self.subscribe, topic) or (
            _rule_covers(self.serve, topic, _FROM_CLIENT)
            or _rule_covers(self.call, topic, _FROM_SERVER)
        )


def is_offered_rightly(machine: str, fleet_name: str) -> bool:
    """Whether a machine may offer a topic: one with a name only topics below that name."""
    return not machine or fleet_name.startswith(f"{machine}/")


def may_be_late(topic: str) -> bool:
    """Whether a topic's messages are valid however late: all except calls.

    A goal is cancelled however late the request arrives.
    """
    return not topic.endswith(REQUEST) or topic.endswith(_CANCEL)


def is_too_late(topic: str, age_sec: float) -> bool:
    """Whether a message of this age must be dropped."""
    return age_sec > REQUEST_LASTS_SEC and not may_be_late(topic)


def is_best_effort(announced: bool | None, type_name: str) -> bool:
    """Whether only new messages of a topic count: by its settings, or else by its type.

    A velocity that is seconds old must not move a robot.
    """
    return type_name in VELOCITIES if announced is None else announced


def _is_never(topic: str) -> bool:
    """Whether a topic belongs to each machine, or has a name that no key can have."""
    return is_kits_own(topic) or topic in EVERY_NODES_TOPICS or "//" in topic or topic[-1] == "/"


@lru_cache(_MOST_TOPICS)  # each change of the graph checks all of its topics
def _is_allowed(rule: tuple[str, ...], topic: str) -> bool:
    if not topic.startswith("/") or _is_never(topic):
        return False
    if "/_" in topic:  # a hidden topic has to be named
        return topic in rule
    return _matches(rule, topic)


@lru_cache(_MOST_TOPICS)
def _rule_covers(rule: tuple[str, ...], topic: str, parts: tuple[str, ...]) -> bool:
    """Whether a topic is one of these parts of a service or an action in a rule."""
    if not topic.startswith("/") or _is_never(topic):
        return False
    return any(topic.endswith(part) and _matches(rule, topic.removesuffix(part)) for part in parts)


def _matches(rule: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rule)
