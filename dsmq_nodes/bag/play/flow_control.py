"""Publishes as fast as the readers can receive, without losses.

- The broker acknowledges every put; at most a window of puts is unacknowledged.
- A node keeps the newest `depth` messages of a topic for its callback. For each topic, at most the
  smallest depth among its subscribers is put before all of them have caught up. To check this, each
  node is called (`list_parameters`, which every node serves): it answers after its callbacks have
  run for the earlier messages. Only a callback that is a coroutine may still run then: it needs a
  depth for the messages that arrive meanwhile.
- Tools have no depth. Before more than half of what the broker keeps is put, the player waits for
  their cursors, which the broker's statistics show.
"""

import contextlib
import math
import os
import time
from collections.abc import Iterable
from typing import Final

from dsmq_nodes.errors import BagError, ConnectionFailedError
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.tools.graph_model import BrokerCounters, EdgeCounters
from dsmq_nodes.tools.service_calls import Asked, answers
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import REPLY, REQUEST

_ANSWER_SEC: Final = 10.0
_WINDOW_MESSAGES: Final = 256
_WINDOW_BYTES: Final = 4 << 20
_SOCKET_BYTES: Final = 64 * 1024  # a reader's socket has at least this room
_READERS_SEC: Final = 60.0
_RECHECK_SEC: Final = 0.02
_SERVICE: Final = "/list_parameters"


class Flow:
    """Flow control over a session."""

    def __init__(self, session: Session) -> None:
        """Prepare; the first put requests the broker's counters."""
        self._session = session
        self._budget_bytes = 0
        self._depths: dict[str, int] = {}
        self._nodes: set[str] = set()  # nodes, which keep a depth
        self._ahead: dict[str, int] = {}  # puts since the nodes of each topic caught up
        self._unread_bytes = self._unchecked_bytes = 0

    def put(self, topic: str, text: str) -> None:
        """Publish a message when the readers have room for it.

        Raises:
            ConnectionFailedError: the broker is gone, or has stored nothing for 10 s.
            RequestRefusedError: the broker refused one of the last puts.
            BagError: for a minute a reader has not read, or a node has not answered.
        """
        if not self._budget_bytes:
            self._ask_statistics()
        if self._ahead.get(topic, 0) >= self._depths.get(topic, math.inf):
            self._wait_for_nodes()
        if not self._session.until(self._has_room, _ANSWER_SEC):
            raise ConnectionFailedError(
                f"the broker has stored nothing for {_ANSWER_SEC:g} s: is it stopped or overloaded?"
            )
        self._session.publish(topic, text, acknowledged=True)
        self._ahead[topic] = self._ahead.get(topic, 0) + 1
        self._unread_bytes += len(text)
        self._unchecked_bytes += len(text)
        if self._unread_bytes > self._budget_bytes // 2:
            self.wait()

    def _has_room(self) -> bool:
        unacknowledged = self._session.unacknowledged
        return (
            len(unacknowledged) < _WINDOW_MESSAGES and sum(unacknowledged.values()) < _WINDOW_BYTES
        )

    def wait(self) -> None:
        """Wait until every reader has received all puts, and all nodes have run their callbacks.

        Raises:
            BagError: a reader or a node has not done so within a minute.
        """
        self._wait_for_cursors()
        self._wait_for_nodes()

    def _wait_for_cursors(self) -> None:
        self._session.until(lambda: not self._session.unacknowledged, _ANSWER_SEC)
        until_sec = time.monotonic() + _READERS_SEC
        while laggards := self._laggards(self._ask_statistics()):
            if time.monotonic() > until_sec:
                who = ", ".join(sorted(laggards))
                raise BagError(f"not read to the end for {_READERS_SEC:g} s: {who}; is it stuck?")
            self._session.until(lambda: False, _RECHECK_SEC)
        self._unread_bytes = self._unchecked_bytes = 0

    def _wait_for_nodes(self) -> None:
        if self._unchecked_bytes > _SOCKET_BYTES:
            self._wait_for_cursors()  # a call would overtake data that waits for the socket
        asked = {node: self._call(node) for node in self._nodes}
        answered = {each for each, _ in answers(self._session, asked.values(), _READERS_SEC)}
        if silent := sorted(node for node, each in asked.items() if each not in answered):
            who = ", ".join(silent)
            raise BagError(f"{who} has not answered for {_READERS_SEC:g} s: is a callback stuck?")
        self._ahead.clear()

    def _call(self, node: str) -> Asked:
        """Call a node without waiting for the broker, as `ask` would."""
        session = self._session
        asked = Asked(node + _SERVICE, session.client, next(session.call_ids))
        session.publish(asked.service + REQUEST, calls.write(asked.client, asked.id, "{}"))
        return asked

    # The broker's counters

    def _ask_statistics(self) -> BrokerCounters:
        """Return the broker's counters; they may be a second old if others subscribe too."""
        with contextlib.closing(self._session.statistics(exact=True)) as reports:
            statistics = next(reports)
        self._budget_bytes = statistics.budget_bytes
        published = self._session.published
        edges = {each.name: each.edges for each in statistics.topics if each.name in published}
        nodes = {e.subscriber for found in edges.values() for e in found if e.depth} - {""}
        served = {each.name for each in statistics.topics if each.publishers}
        self._nodes = {node for node in nodes if node + _SERVICE + REPLY in served}
        self._depths = {
            topic: min(each.depth for each in kept)
            for topic, found in edges.items()
            if (kept := [each for each in found if each.subscriber in self._nodes and each.depth])
        }
        for node in self._nodes:
            if not self._session.is_subscribed(replies := node + _SERVICE + REPLY):
                self._session.subscribe(replies, depth=0)
        return statistics

    def _laggards(self, statistics: BrokerCounters) -> set[str]:
        """Return the readers that have not received all puts, by the counters."""
        pid, found = os.getpid(), set[str]()
        for topic in statistics.topics:
            put = self._session.published.get(topic.name, 0)
            counts = [each.messages for each in topic.publishers if each.pid == pid]
            if put > max(counts, default=0) and not topic.name.endswith(REQUEST):
                found.add(f"{topic.name}, by the broker's counters")  # which are old
            if put:
                found |= set(_lagging(topic.name, topic.edges))
        return found


def _lagging(topic: str, edges: Iterable[EdgeCounters]) -> list[str]:
    return [f"{each.subscriber or 'a tool'} ({topic})" for each in edges if each.lag]
