"""A node's place in a topic that it subscribes, and the count of what it has lost there.

Publishers number their messages, which shows losses that no gap of the log shows. Ids of a log have
no holes, so a broker reports to a reader exactly how much it has skipped. But a message that was
published while the broker was lost has no id, and a message in the memory of a killed broker has
lost its id. Both leave a hole in the numbers (`seq`) of their publisher. A hole may also contain
messages that *were* in the log and were skipped, of several publishers. So skipped messages are
remembered, and only the rest of a hole counts as lost.

A number that is not above the last one comes from a publisher that has restarted; so does one that
is above what any publisher could have reached since. Neither counts as a loss. Losses that cannot
be detected are not counted: those of a publisher that was never heard, or that has no name.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from dsmq_nodes.dsmq.log import Cursor, Entry
from dsmq_nodes.topic_names import is_kits_own

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.ring.reader import RingReader

logger = logging.getLogger("dsmq_nodes.link")

_REPEATED: Final = -1
_MOST_PUBLISHERS: Final = 1000  # the oldest is forgotten first
_MOST_HZ: Final = 1_000_000  # of one publisher: ten times what a fast machine publishes
# Two messages may be read at once that were published long apart, from a store that outlived a
# broker and a machine. This is 16 minutes of 1,000 Hz.
_ALWAYS_LIKELY: Final = 1_000_000

Deliver = Callable[[Entry, bool], None]
"""Called with a message, and whether it is repeated for a later subscription."""


class CallNow(Protocol):
    """Calls a callback with messages at once.

    Attributes:
        call: calls it; returns how many messages it took: the others are for `Deliver`.
    """

    call: Callable[[Sequence[Entry]], int]

    def taker(
        self, ring_reader: "RingReader | None", reader: "LinkReader", /
    ) -> Callable[[], bool] | None:
        """Return a function that takes messages of a ring to the callback.

        It returns False when there may be more to read. Without a ring it is for
        `speedups.receive`, which reads a socket.
        """


@dataclass(slots=True)
class _Publisher:
    """The last message of a publisher."""

    number: int
    stamp: int
    heard_sec: float
    has_jumped: bool = False  # whether a jump of its numbers was logged


class Losses:
    """The last numbers of all publishers of one topic, as one reader has received them."""

    def __init__(self, node: str, topic: str, warned: set[str] | None = None) -> None:
        """Count for `topic`; `warned` is not empty if losses were logged since the last outage."""
        self._node, self._topic = node, topic
        self._warned = set() if warned is None else warned
        self.publishers: dict[str, _Publisher] = {}
        # skipped in the log, and not yet explained by a hole in a publisher's numbers
        self._skipped = 0

    def before(self, reply: Entry) -> int:
        """Return how many messages were lost before this one; `reply.gap` were skipped before it.

        -1: this is the publisher's newest message, sent a second time.
        """
        sender, number, stamp = reply.sender, reply.seq, reply.stamp
        last = self.publishers.get(sender)
        if last is not None and last.number == number and stamp and last.stamp == stamp:
            return _REPEATED
        self._skipped += reply.gap
        if not number or not sender:
            return 0
        now_sec = time.monotonic()
        if last is None:
            self._add_publisher(sender, _Publisher(number, stamp, now_sec))
            return 0
        hole, since_sec = number - last.number - 1, now_sec - last.heard_sec
        last.number, last.stamp, last.heard_sec = number, stamp, now_sec
        return self._lost(sender, last, hole, since_sec) if hole > 0 else 0

    def _add_publisher(self, sender: str, publisher: _Publisher) -> None:
        self.publishers[sender] = publisher
        if len(self.publishers) > _MOST_PUBLISHERS:
            del self.publishers[next(iter(self.publishers))]

    def _lost(self, sender: str, publisher: _Publisher, hole: int, since_sec: float) -> int:
        """Return how many of a publisher's missing numbers are messages that never came."""
        if hole > _ALWAYS_LIKELY + since_sec * _MOST_HZ:
            self._warn_of_jump(sender, publisher, hole)
            return 0
        explained = min(hole, self._skipped)
        self._skipped -= explained
        lost = hole - explained
        if lost and not self._warned and not is_kits_own(self._topic):
            self._warned.add(self._topic)
            logger.warning(
                "%s: %d message%s of %s on %s never came: a broker, or the way from another "
                "machine, was away, too slow, or ended before it had sent them; they count as "
                "dropped, and so do those of other publishers and topics",
                *(self._node, lost, "s" * (lost > 1), sender, self._topic),
            )
        return lost

    def _warn_of_jump(self, sender: str, publisher: _Publisher, hole: int) -> None:
        if publisher.has_jumped:
            return
        publisher.has_jumped = True
        logger.warning(
            "%s: %s on %s left out %d numbers at once, more than it can have published: it began "
            "again, or counts wrongly; none of them counts as dropped",
            *(self._node, sender, self._topic, hole),
        )

    def warn_again(self) -> None:
        """Warn of losses again, since there was another outage."""
        self._warned.clear()


@dataclass(eq=False, slots=True)
class LinkReader:
    """A node's place in a topic that it subscribes."""

    topic: str
    depth: int
    type_name: str
    deliver: Deliver
    schema: bytes = b""
    began_after: int | None = None  # the newest id when the broker confirmed the subscription
    cursor: Cursor = field(default_factory=Cursor)
    losses: Losses | None = None  # for a broker that may die
    call_now: CallNow | None = None
    has_taker: bool = False  # for the socket; or there is none for its messages

    @property
    def resumes_after(self) -> int | None:
        """The id after which a new connection reads on; None: where a new reader begins."""
        return None if self.began_after is None else self.cursor.after or self.began_after

    def take_pushed(self, replies: Sequence[Entry]) -> None:
        """Take messages of the topic that the broker has pushed, in order; some may be repeated."""
        follow, new = self.cursor.follow, []
        for reply in replies:
            if follow(reply):
                new.append(reply)
            else:
                self.deliver(reply, True)
        self.take(new)

    def take(self, entries: Sequence[Entry]) -> None:
        """Take messages that the cursor has passed, in order; may call their callback at once."""
        new = []
        for entry in entries:
            lost = self.losses.before(entry) if self.losses is not None else 0
            if lost != _REPEATED:  # else it was sent again to a new broker, for other readers
                entry.gap += lost
                new.append(entry)
        called = self.call_now.call(new) if self.call_now is not None else 0
        for entry in new[called:] if called else new:
            self.deliver(entry, False)
