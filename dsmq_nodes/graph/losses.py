"""What a reader has lost that no gap of the log tells: publishers number what they publish.

Ids of a log have no holes, so a broker tells a reader exactly what it has skipped. But a message
that was published while the broker was away has no id, and one that a killed broker kept in memory
has lost its own. What is left of them is a hole in the numbers (`seq`) of their publisher. A hole
may also hold messages that *were* in the log and were skipped, by several publishers: so what was
skipped is remembered, and only what a hole holds beyond that is lost.

A number that is not higher than the last is that of a publisher that has begun anew. What nobody
could have known is not counted: of a publisher that was never heard, or that has no name.
"""

import logging
from typing import Final

from dsmq_nodes.graph.arrival import Arrival

logger = logging.getLogger("dsmq_nodes.link")

REPEATED: Final = -1
_MOST_PUBLISHERS: Final = 1000  # remembered; the one heard first is forgotten first


class Losses:
    """The numbers of all publishers of one topic, as one reader has seen them."""

    def __init__(self, node: str, topic: str) -> None:
        self._node, self._topic = node, topic
        self._last: dict[str, int] = {}  # number by publisher
        self._stamps: dict[str, int] = {}  # of the messages that had them
        self._skipped = 0  # told by the log, and not yet found in anybody's numbers
        self._told: set[str] = set()

    def before(self, reply: Arrival) -> int:
        """How many messages were lost before this one, which comes after `reply.gap` skipped.

        `REPEATED`: it is the newest message of its publisher that came, sent once more.
        """
        sender, number = reply.sender, reply.seq
        last = self._last.get(sender)
        if last == number and reply.stamp and self._stamps[sender] == reply.stamp:
            return REPEATED
        self._skipped += reply.gap
        if not number or not sender:
            return 0
        self._last[sender] = number
        self._stamps[sender] = reply.stamp
        if last is None:
            if len(self._last) > _MOST_PUBLISHERS:
                first = next(iter(self._last))
                del self._last[first], self._stamps[first]
            return 0
        hole = number - last - 1
        if hole <= 0:
            return 0
        explained = min(hole, self._skipped)
        self._skipped -= explained
        lost = hole - explained
        if lost and sender not in self._told:
            self._told.add(sender)
            logger.warning(
                "%s: %d messages of %s on %s never came: the broker was away, or took them along; "
                "they count as dropped, and so will others",
                *(self._node, lost, sender, self._topic),
            )
        return lost

    def tell_again(self) -> None:
        """There was another outage: what it has cost is worth a line."""
        self._told.clear()
