"""The `get`s that wait for a message: how many there may be, and when each one times out.

All peers together have `MOST_WAITS` at most. When there are that many, the newest wait of the peer
that has most is refused in favour of a peer that has fewer.
"""

import heapq
from collections.abc import Collection

from dsmq_nodes.dsmq import limits
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies, Wait, error


class Waits:
    """The waits of one broker; each is also listed at its topic and at its peer.

    Attributes:
        deadlines: a heap of their deadlines; some of them were answered long ago.
    """

    def __init__(self, peers: Collection[ConnectedPeer]) -> None:
        self.deadlines: list[tuple[float, int, Wait]] = []
        self._peers = peers
        self._waits: dict[Wait, None] = {}
        self._last_number = 0

    @property
    def next_sec(self) -> float | None:
        """The deadline of the next one; None when none waits."""
        while self.deadlines and self.deadlines[0][2] not in self._waits:
            heapq.heappop(self.deadlines)
        return self.deadlines[0][0] if self.deadlines else None

    def add(self, wait: Wait) -> Replies:
        """Let a `get` wait; return the errors if it must not wait, or another one is refused."""
        peer = wait.peer
        replies: Replies = []
        if len(self._waits) >= limits.MOST_WAITS:
            fault = f"there are {limits.MOST_WAITS} gets that wait already"
            greediest = max(self._peers, key=lambda each: len(each.waits))
            if len(greediest.waits) <= len(peer.waits) + 1:
                return [error(peer, wait.request, fault)]
            removed = next(reversed(greediest.waits))
            self.forget(removed)
            replies = [error(greediest, removed.request, fault)]
        peer.waits[wait] = wait.topic.waits[wait] = self._waits[wait] = None
        self._last_number += 1
        heapq.heappush(self.deadlines, (wait.until_sec, self._last_number, wait))
        return replies

    def forget(self, wait: Wait) -> None:
        """Remove a wait that is over."""
        for waits in (self._waits, wait.topic.waits, wait.peer.waits):
            waits.pop(wait, None)

    def take_late(self, now: float) -> list[Wait]:
        """Remove the waits that have timed out, and return them."""
        late: list[Wait] = []
        while (until_sec := self.next_sec) is not None and until_sec <= now:
            late.append(self.deadlines[0][2])
            self.forget(late[-1])
        return late

    def forget_deadlines(self) -> None:
        """Remove finished waits from the heap, once they are the greater part of it."""
        if len(self.deadlines) > 2 * len(self._waits):
            self.deadlines = [each for each in self.deadlines if each[2] in self._waits]
            heapq.heapify(self.deadlines)
