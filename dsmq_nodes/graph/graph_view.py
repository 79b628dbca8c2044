"""What a node knows of the graph: who subscribes what, as the broker tells."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from dsmq_nodes.messages.dsmq_msgs import Graph

GRAPH_TOPIC: Final = "/dsmq/graph"


class GraphView:
    """Follows `/dsmq/graph` from the first question on."""

    def __init__(self, follow: Callable[[Callable[[Graph], None]], object]) -> None:
        self._follow = follow
        self._graph: Graph | None = None
        self._follows = False
        self._changed: list[asyncio.Future[None]] = []

    def subscribers(self, topic: str) -> int:
        """How many subscribe a topic; 0 until the broker has told."""
        self._start()
        found = (
            next((t for t in self._graph.topics if t.name == topic), None) if self._graph else None
        )
        return len(found.subscribers) if found else 0

    async def known(self) -> None:
        """Wait until the broker has told."""
        await self._until(lambda: self._graph is not None)

    async def subscribed(self, topic: str, count: int, timeout_sec: float | None) -> bool:
        """Wait until so many subscribe a topic; False: not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                await self._until(lambda: self.subscribers(topic) >= count)
        return self.subscribers(topic) >= count

    async def _until(self, condition: Callable[[], bool]) -> None:
        self._start()
        while not condition():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(changed)
            await changed

    def forget(self) -> None:
        """The broker is lost: what it told is no longer so."""
        self._graph = None

    def _start(self) -> None:
        if not self._follows:
            self._follows = True
            self._follow(self._on_graph)

    def _on_graph(self, msg: Graph) -> None:
        self._graph = msg
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)
