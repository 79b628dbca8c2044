"""The one idea of the queue: a topic is a log, and a reader is a cursor in it.

A log's entries have the ids 1, 2, 3, ... without holes. Old entries are deleted, new ones are
appended.

A cursor stands after an id. Every id up to `after` was delivered to the cursor's reader or is
counted in `dropped`; no id is both. The `gap` is the number of ids that were dropped since the last
delivery; it comes with the next entry.

Ids are compared, skipped and counted in this module and nowhere else. The broker's readers, a
ring's reader, a node's reader and a tool's cursors are this class or have one.
"""

from dataclasses import dataclass
from typing import Protocol


class Entry(Protocol):
    """A message of a log: from a socket (`wire.Reply`) or from a ring (`RingRecord`)."""

    id: int
    seq: int
    stamp: int
    at: int
    sender: str
    gap: int

    @property
    def text(self) -> str | None:
        """The message as JSON; None when there is none."""


class TopicLog(Protocol):
    """A log, as far as a cursor uses it; it is empty if `first_id` is greater than `last_id`."""

    @property
    def first_id(self) -> int:
        """The oldest id that may still be read."""

    @property
    def last_id(self) -> int:
        """The newest id."""


@dataclass(eq=False, slots=True)
class Cursor:
    """A place in a log."""

    after: int = 0
    depth: int = 0  # how many entries the reader may lag behind; 0: any number
    gap: int = 0
    dropped: int = 0
    delivered: int = 0

    def start(self, log: TopicLog) -> None:
        """Drop the ids that the log no longer has, and those further back than `depth`."""
        upto = log.first_id - 1
        if self.depth:
            upto = max(upto, log.last_id - self.depth)
        self.skip(upto)

    def skip(self, upto: int) -> None:
        """Drop every entry up to the id `upto`."""
        if (count := upto - self.after) > 0:
            self.after = upto
            self.gap += count
            self.dropped += count

    def take(self, message_id: int) -> int:
        """Deliver an entry; return the gap before it, or -1 if its id was passed already."""
        if message_id <= self.after:
            return -1
        if message_id > self.after + 1:
            self.skip(message_id - 1)
        self.after = message_id
        self.delivered += 1
        if not self.gap:
            return 0
        gap, self.gap = self.gap, 0
        return gap

    def begin(self, after: int) -> None:
        """Continue after an id, at which the broker's own cursor for this reader stands.

        The ids between the two cursors are dropped. Before the first entry, only the broker knows
        the id at which this reader began.
        """
        self.after = self.after or after
        self.skip(after)

    def follow(self, entry: Entry) -> bool:
        """Deliver an entry that the broker has sent from a cursor of its own, and set its `gap`.

        Returns False if the entry was delivered before.
        """
        if entry.id == self.after + 1 and self.after and not (entry.gap or self.gap):
            self.after += 1  # the usual entry, in a quarter of the time
            self.delivered += 1
            return True
        self.begin(entry.id - entry.gap - 1)
        gap = self.take(entry.id)
        if gap < 0:
            return False
        entry.gap = gap
        return True

    def advance(self, upto: int, dropped: int = 0) -> int:
        """Pass several entries at once; return how many of them were delivered.

        Args:
            upto: the id that the reader has reached, for a reader that counts for itself.
            dropped: how many of the ids up to there it has dropped, by its own count.

        Returns:
            The count; -1 if these numbers are impossible: then nothing has changed.
        """
        delivered = upto - self.after - dropped
        if dropped < 0 or delivered < 0:
            return -1
        self.after = upto
        self.dropped += dropped
        self.delivered += delivered
        return delivered
