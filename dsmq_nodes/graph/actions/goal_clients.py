"""Whether the clients of goals are still there, according to the graph.

A goal without its client is no longer wanted: whatever moves for it has to stop. A client has gone
when the graph has shown it and no longer does. While the broker is lost no client can cancel its
goal, so after the node's `broker_timeout_sec`, when the node enters its safe state, all clients
count as gone. A broker that is back does not know every node yet: clients have a moment to return.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dsmq_nodes.graph import service_wire as calls

if TYPE_CHECKING:
    from dsmq_nodes.graph.node import Node

_SHOWN_SEC: Final = 2.0  # the graph follows a change within 0.02 s
_BACK_SEC: Final = 2.5  # nodes dial again at least once a second


class GoalClients:
    """The clients of one action server's goals; `check` is called when some may have gone."""

    def __init__(self, node: "Node", check: Callable[[], None]) -> None:
        self._graph = node._kit.topics.graph
        self._dispatcher = node._kit.dispatcher
        self._now_sec = node._kit.wall_clock.monotonic_sec
        self._timeout_sec = node.broker_timeout_sec
        self._check = check
        self._is_lost = False
        self._changed_sec = 0.0  # when the broker was lost, or came back
        self._graph.watchers.append(self._on_graph)

    async def wait_until_shown(self, client: str) -> bool:
        """Wait until the graph shows a client; return whether it does."""
        return await self._graph.within(lambda: self._graph.has_client(client), _SHOWN_SEC)

    def absence(self, client: str) -> str:
        """Return why a client counts as gone; empty if it does not."""
        since_sec = self._now_sec() - self._changed_sec
        if self._is_lost:
            if since_sec < self._timeout_sec:
                return ""
            return f"the broker has been lost for {self._timeout_sec:g} s, so nobody can cancel it"
        if not self._graph.is_known or self._graph.has_client(client):
            return ""
        if self._changed_sec and since_sec < _BACK_SEC:
            return ""
        return f"{calls.described(client)} has gone"

    def _on_graph(self) -> None:
        if self._graph.is_lost != self._is_lost:
            self._is_lost = self._graph.is_lost
            self._changed_sec = self._now_sec()
            delay_sec = self._timeout_sec if self._is_lost else _BACK_SEC
            self._dispatcher.begin(self._check_after(delay_sec))
        self._check()

    async def _check_after(self, delay_sec: float) -> None:
        await asyncio.sleep(delay_sec)
        self._check()

    def close(self) -> None:
        """Stop calling the callbacks."""
        if self._on_graph in self._graph.watchers:
            self._graph.watchers.remove(self._on_graph)
