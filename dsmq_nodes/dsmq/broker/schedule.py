"""Schedules later calls of the router: commits, the graph, answers to waits."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from dsmq_nodes.dsmq.router.router import Router
from dsmq_nodes.dsmq.router.topics import Replies
from dsmq_nodes.dsmq.store.sqlite import Store

_GRAPH_DELAY_SEC: Final = 0.02  # one graph for many changes at once
# The delay is longer where a graph takes longer, so that graphs have at most a fifth of the
# broker's time: 4,000 topics that appear one by one were 100 graphs of all of them.
_GRAPH_DELAYS: Final = 4
_COMMIT_SEC: Final = 0.02  # the delay of commits of puts that nobody waits for
_MOST_UNCOMMITTED: Final = 500


class Schedule:
    """The router's timers in the event loop."""

    def __init__(self, router: Router, store: Store, send: Callable[[Replies], None]) -> None:
        """Use the event loop that is running; `send` takes what the router replies."""
        self._router, self._store, self._send = router, store, send
        self._loop = asyncio.get_running_loop()
        self._commit: asyncio.Handle | None = None
        self._commit_due = False  # a commit is due in the next turn of the loop
        self._graph_due = False
        self._graph_sec = 0.0  # the CPU time of the last graph
        self._wait_due_sec: float | None = None
        self._wait_timer: asyncio.TimerHandle | None = None

    def plan(self) -> None:
        """Schedule what the router has to do later, and when."""
        exchange = self._router.exchange
        if not self._commit_due and (uncommitted := self._store.uncommitted):
            if exchange.awaiting_commit or uncommitted >= _MOST_UNCOMMITTED:
                self._commit_due = True
                self._loop.call_soon(self.commit)
            elif self._commit is None:
                self._commit = self._loop.call_later(_COMMIT_SEC, self.commit)
        if self._router.table.graph_changed and not self._graph_due:
            self._graph_due = True
            delay_sec = max(_GRAPH_DELAY_SEC, _GRAPH_DELAYS * self._graph_sec)
            self._loop.call_later(delay_sec, self._publish_graph)
        due_sec = exchange.waits.next_sec if exchange.waits.deadlines else None
        if due_sec is not None and due_sec != self._wait_due_sec:
            if self._wait_timer is not None:
                self._wait_timer.cancel()
            self._wait_due_sec = due_sec
            self._wait_timer = self._loop.call_at(due_sec, self._answer_waits)

    def commit(self) -> None:
        """Commit, and send the replies that waited for it."""
        self._commit_due = False
        if self._commit is not None:
            self._commit.cancel()
            self._commit = None
        if replies := self._router.commit():
            self._send(replies)

    def _publish_graph(self) -> None:
        self._graph_due = False
        began_sec = time.thread_time()
        self._send(self._router.publish_graph(time.monotonic()))
        self._graph_sec = time.thread_time() - began_sec

    def _answer_waits(self) -> None:
        self._wait_due_sec = None
        self._send(self._router.answer_waits(time.monotonic()))
