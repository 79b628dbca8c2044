"""Decides which names a bridge carries, and maps them between both sides; does no I/O.

Only named things are carried. A rule is a name in ROS, or a pattern such as `/robot/*`; on this
side all names are below `prefix`. The name of an action stands for its three services and its two
topics; a pattern matches none of these, nor other hidden names.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.topic_names import (
    ACTION,
    EVERY_NODES_TOPICS,
    REPLY,
    REQUEST,
    TF_STATIC_TOPIC,
    TF_TOPIC,
    is_hidden,
)

_NEVER: Final = (*EVERY_NODES_TOPICS, "/dsmq/*")
is_name: Final = re.compile(r"(/[A-Za-z_*][\w*]*)+", re.ASCII).fullmatch
_BOTH_WAYS: Final = (TF_TOPIC, TF_STATIC_TOPIC)
ACTION_TOPICS: Final = (f"{ACTION}/feedback", f"{ACTION}/status")
ACTION_SERVICES: Final = (f"{ACTION}/send_goal", f"{ACTION}/cancel_goal", f"{ACTION}/get_result")


def check_name(name: str) -> str:
    """Return a name or a pattern that a rule may have.

    Raises:
        CommandError: the name is invalid; the text says why, and what to write.
    """
    if is_name(f"/{name}"):
        raise CommandError(f"{name!r}: write the full name, as '/{name}'")
    if not is_name(name):
        raise CommandError(
            f"{name!r} is not a name in ROS: use letters, digits and _, not starting with a digit, "
            "joined by single slashes; * stands for any of them"
        )
    if _matches(_NEVER, name):
        raise CommandError(f"{name} is never bridged: each side has its own")
    return name


@dataclass(frozen=True, kw_only=True)
class BridgeRules:
    """The topics and services to carry from ROS to this graph, and to ROS.

    Attributes:
        from_ros: topics of ROS that are published here.
        to_ros: topics of this graph that are published in ROS.
        services_from_ros: services and actions of ROS that can be called here.
        services_to_ros: services and actions of this graph that can be called in ROS.
        latched: topics that are latched in ROS, although they are not latched here.
        prefix: the namespace of everything from ROS on this side; empty for the same names.
    """

    from_ros: tuple[str, ...] = ()
    to_ros: tuple[str, ...] = ()
    services_from_ros: tuple[str, ...] = ()
    services_to_ros: tuple[str, ...] = ()
    latched: tuple[str, ...] = ()
    prefix: str = ""

    def check(self) -> None:
        """Refuse rules that carry nothing, or in a circle.

        Raises:
            CommandError: the rules do so; the text says which names, and what to write.
        """
        rules = (self.from_ros, self.to_ros, self.services_from_ros, self.services_to_ros)
        if not any(rules):
            raise CommandError(
                "nothing is bridged unless it is named: name topics (from_ros, to_ros) or services "
                "and actions (services_from_ros, services_to_ros)"
            )
        self._check_circles("topic", self.from_ros, self.to_ros, but=_BOTH_WAYS)
        self._check_circles("service", self.services_from_ros, self.services_to_ros)

    def _check_circles(
        self,
        kind: str,
        received_from: Iterable[str],
        sent_to: Iterable[str],
        but: tuple[str, ...] = (),
    ) -> None:
        for one in received_from:
            for other in sent_to:
                if one in but and other == one:
                    continue
                if _matches((one,), other) or _matches((other,), one):
                    raise CommandError(
                        f"{kind} {other} would go in a circle: {one} comes from ROS and {other} "
                        "goes to ROS; name it once, or set a prefix for one of two bridges"
                    )

    def here(self, ros_name: str) -> str:
        """Return the name on this side for a ROS name."""
        return self.prefix + ros_name

    def there(self, name: str) -> str:
        """Return the ROS name for a name on this side; empty if it is not below the prefix."""
        return name.removeprefix(self.prefix) if name.startswith(f"{self.prefix}/") else ""

    def is_topic_from_ros(self, ros_name: str) -> bool:
        """Whether a topic of ROS is published here."""
        return _named(self.from_ros, self.services_from_ros, ros_name, ACTION_TOPICS)

    def is_topic_to_ros(self, ros_name: str) -> bool:
        """Whether a topic of this graph is published in ROS."""
        if ros_name.endswith((REQUEST, REPLY)):
            return False
        return _named(self.to_ros, self.services_to_ros, ros_name, ACTION_TOPICS)

    def is_service_from_ros(self, ros_name: str) -> bool:
        """Whether a service of ROS can be called here."""
        return _named(self.services_from_ros, self.services_from_ros, ros_name, ACTION_SERVICES)

    def is_service_to_ros(self, ros_name: str) -> bool:
        """Whether a service of this graph can be called in ROS."""
        return _named(self.services_to_ros, self.services_to_ros, ros_name, ACTION_SERVICES)

    def is_both_ways(self, ros_name: str) -> bool:
        """Whether a topic is carried both ways, so that messages are distinguished by publisher."""
        return ros_name in self.from_ros and ros_name in self.to_ros

    def unmatched(self, topics: Iterable[str], services: Iterable[str]) -> list[str]:
        """Return a sentence for each plain name that ROS lacks."""
        problems = []
        for kind, rule, there in (
            ("topic", self.from_ros, set(topics)),
            ("service", self.services_from_ros, set(services)),
        ):
            names = {_plain(name) for name in there}
            problems += [
                f"ROS has no {kind} {name} yet; {did_you_mean(name, sorted(names))}"
                for name in rule
                if "*" not in name and name not in names
            ]
        return problems

    def unmatched_here(self, topics: Iterable[str], services: Iterable[str]) -> list[str]:
        """Return a sentence for each plain name to carry to ROS that this graph lacks."""
        problems = []
        for kind, rule, there in (
            ("topic", self.to_ros, set(topics)),
            ("service", self.services_to_ros, set(services)),
        ):
            names = {name for name in map(_plain, there) if not is_hidden(name)}
            for name in rule:
                ours = self.here(name)
                if "*" not in name and ours not in names:
                    why = f" (prefix {self.prefix} and {name})" if self.prefix else ""
                    hint = did_you_mean(ours, sorted(names))
                    problems.append(f"there is no {kind} {ours}{why} here yet; {hint}")
        return problems


def _named(
    rule: Iterable[str], actions: Iterable[str], ros_name: str, parts: tuple[str, ...]
) -> bool:
    """Whether a rule matches a name, or the action that the name is a part of."""
    for part in parts:
        if ros_name.endswith(part):
            return _matches(actions, ros_name.removesuffix(part))
    if "/_" in ros_name or _matches(_NEVER, ros_name):
        return ros_name in rule
    return _matches(rule, ros_name)


def _matches(rule: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in rule)


def _plain(name: str) -> str:
    """Return the action that a hidden name is a part of, or the name itself."""
    return name.partition(f"{ACTION}/")[0]
