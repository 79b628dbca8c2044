"""Selects topics: by names, shell patterns, or regular expressions."""

import fnmatch
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from dsmq_nodes.errors import BagError
from dsmq_nodes.graph.service_wire import is_of_every_node
from dsmq_nodes.suggest import did_you_mean
from dsmq_nodes.topic_names import UPLINK_STATUS_TOPIC, is_kits_own


@dataclass(frozen=True, slots=True)
class Selection:
    """Chooses topics by name.

    Attributes:
        topics: names or shell patterns (`/robot1/*`); the leading slash may be omitted.
        exclude: names or patterns that are excluded in any case.
        regex: also topics whose name has a match of this expression, except the kit's own.
        exclude_regex: matching topics are excluded in any case.
        everything: also all other topics, except the kit's own: those below /dsmq, and those of the
            services that every node has.
    """

    topics: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    regex: str = ""
    exclude_regex: str = ""
    everything: bool = False

    def __post_init__(self) -> None:
        for expression in (self.regex, self.exclude_regex):
            try:
                re.compile(expression)
            except re.error as error:
                raise BagError(f"not a regular expression: {expression!r}: {error}") from None

    def __contains__(self, topic: object) -> bool:
        name = str(topic)
        if self.exclude_regex and re.search(self.exclude_regex, name):
            return False
        if _matches(name, self.exclude):
            return False
        if _matches(name, self.topics):
            return True
        # A recorder calls the nodes for their parameters: these calls are not meant.
        if is_kits_own(name) or name == UPLINK_STATUS_TOPIC or is_of_every_node(name):
            return False
        return self.everything or bool(self.regex and re.search(self.regex, name))

    def unmatched(self, names: Iterable[str]) -> list[str]:
        """Return the selected topics that are not among `names`."""
        known = list(names)
        return [
            asked
            for asked in self.topics
            if asked != "*" and not any(_matches(name, (asked,)) for name in known)
        ]

    def check(self, names: Iterable[str], where: str) -> None:
        """Check that the selected topics are among `names`, which are all topics.

        Raises:
            BagError: a name or a pattern matches no topic, or none is selected; with the nearest.
        """
        known = sorted(set(names))
        for asked in self.unmatched(known):
            raise BagError(f"{where} has no topic {asked}: {did_you_mean(asked, known)}")
        if known and not any(name in self for name in known):
            raise BagError(f"{where} has no such topics; it has: {', '.join(known)}")


def chosen(topics: Collection[str] | Selection | None) -> Selection | None:
    """Return a selection from one or several names or patterns of topics; None for all."""
    if isinstance(topics, Selection | None):
        return topics
    return Selection((topics,) if isinstance(topics, str) else tuple(topics))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(
        name == pattern or fnmatch.fnmatchcase(name, pattern)  # a topic may be named `/a[1]`
        for each in patterns
        for pattern in (each, f"/{each}")
    )
