"""How the broker follows the rings that local nodes write in shared memory.

It reads in batches. If a peer waits for a topic's messages (a tool, a node on another machine), the
topic's writers ring the broker's bell for each message. All other topics are polled together, and
ring the bell only after polls that found nothing new in any of them: a bell costs its writer more
than a poll costs the broker. A poll copies small messages as they lie there, as a bundle, and
nothing decodes them one by one before somebody reads them (store/bundles.py).

While nobody reads messages from the broker, they are polled only so that the log has them before
the ring is overwritten: once in `_POLL_RARELY_SEC`. A burst is polled more often, and so are topics
with large messages, so that their rings need not hold much. Whatever reads a log (`get`, a new
reader, the statistics) has it followed first, and is never behind by a poll.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from dsmq_nodes.dsmq.ring.directory import SharedMemory
from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import ConnectedPeer, Replies, Topic
from dsmq_nodes.errors import RingError

logger = logging.getLogger("dsmq.broker")

_POLL_SEC: Final = 0.05
_POLL_OFTEN_SEC: Final = 0.01
_POLL_RARELY_SEC: Final = 0.2
_FEW: Final = 500  # messages in a poll; more are a burst
_MOST_EMPTY_POLLS: Final = 2  # polls of all topics in a row: a topic of 10 Hz needs no bell


def shared_memory() -> SharedMemory | None:
    """Make the memory to share with local nodes; None on a system without shared memory."""
    try:
        return SharedMemory()
    except RingError as error:
        logger.info("without shared memory: %s", error)
        return None


class Following:
    """Follows the rings of one broker."""

    def __init__(
        self,
        router: Router,
        memory: SharedMemory,
        gather: Callable[[Replies], None],
        flush: Callable[[], None],
    ) -> None:
        """Follow with the event loop that is running.

        Args:
            router: receives the messages.
            memory: contains the rings.
            gather: called with the router's replies.
            flush: sends the gathered replies.
        """
        self._router = router
        self._memory = memory
        self._gather = gather
        self._flush = flush
        self._loop = asyncio.get_running_loop()
        self._next_poll: asyncio.Handle | None = None
        self._empty_polls = 0
        self._delay_sec = _POLL_SEC
        self._loop.add_reader(memory.bell, self._on_bell)

    def peer_disconnected(self, peer: ConnectedPeer) -> None:
        """Close the rings of a peer that has gone, if it was the last one to share them."""
        if peer.number:
            self._memory.remove_bell(peer.number)
        self._gather(self._router.sharing.close_unused_rings(time.monotonic()))

    def check_memory(self) -> None:
        """Stop sharing memory if another program has removed it; called once a second.

        Its writers could no longer wake their readers.
        """
        if self._router.sharing.is_offered and self._memory.is_removed:
            logger.warning(
                "%s was removed by another program, as logind's RemoveIPC=yes does at a logout "
                "(`loginctl enable-linger` prevents that): all topics go through the broker until "
                "it is started again",
                self._memory.directory,
            )
            self._gather(self._router.sharing.stop_sharing_all(time.monotonic()))
            self._flush()

    def close(self) -> None:
        """Stop sharing memory."""
        if self._next_poll is not None:
            self._next_poll.cancel()
        self._loop.remove_reader(self._memory.bell)
        self._router.sharing.stop()
        self._memory.close()

    def _on_bell(self) -> None:
        now = time.monotonic()
        topics = [topic for topic in self._router.sharing.topics.values() if topic.is_awaited]
        for topic in topics:
            self._read(topic, now)
        self._delay_sec = _POLL_SEC
        self._arm_bells(topics)
        self._poll_later()
        self._flush()

    def _poll_later(self) -> None:
        if self._next_poll is None:
            topics = self._router.sharing.topics.values()
            has_large = any(each.log.last_in_ring_id for each in topics)
            delay_sec = _POLL_OFTEN_SEC if has_large else self._delay_sec
            self._next_poll = self._loop.call_later(delay_sec, self._follow)

    def poll_as_wanted(self) -> None:
        """Read on in the next turn: a ring was made, or a reader begins to wait."""
        sharing = self._router.sharing
        if sharing.has_new_reader:
            self._poll_at_once()
        else:
            self._poll_later()
        sharing.wants_poll = sharing.has_new_reader = False

    def _poll_at_once(self) -> None:
        if self._next_poll is not None:
            self._next_poll.cancel()
        self._next_poll = self._loop.call_soon(self._follow)

    def _follow(self) -> None:
        self.follow_now()
        self._gather(self._router.commit())  # now, while all this is in the caches
        self._flush()

    def follow_now(self) -> None:
        """Read the rings; the broker's next `flush` sends the replies."""
        if self._next_poll is not None:
            self._next_poll.cancel()
            self._next_poll = None
        now = time.monotonic()
        topics = list(self._router.sharing.topics.values())
        found = sum(self._read(topic, now) for topic in topics)
        self._empty_polls = 0 if found else self._empty_polls + 1
        self._delay_sec = self._delay(found, topics)
        goes_on = self._empty_polls < _MOST_EMPTY_POLLS
        self._arm_bells([topic for topic in topics if topic.is_awaited or not goes_on])
        if topics and goes_on:
            self._poll_later()

    def _delay(self, found: int, topics: list[Topic]) -> float:
        if any(topic.is_read_here for topic in topics):
            return _POLL_SEC
        return _POLL_OFTEN_SEC if found > _FEW else min(self._delay_sec * 2, _POLL_RARELY_SEC)

    def _read(self, topic: Topic, now: float) -> int:
        """Read a topic's ring; return by how many ids the log has advanced."""
        ring = topic.log.ring
        if ring is None or not ring.has_more():
            return 0
        before, newest_id = topic.log.last_id, ring.newest_id
        self._gather(self._router.sharing.follow(topic, now))
        if topic.log.name in self._router.sharing.topics and topic.log.last_id < newest_id:
            self._poll_at_once()
        return topic.log.last_id - before

    def _arm_bells(self, topics: list[Topic]) -> None:
        """Request the bell at the next message of each topic; all other topics are polled."""
        rings = [each.log.ring for each in topics if each.log.ring is not None]
        armed = [ring.reader for ring in rings if not ring.has_more()]
        if not self._memory.bell.arm(armed) or len(armed) < len(rings):
            self._poll_at_once()
