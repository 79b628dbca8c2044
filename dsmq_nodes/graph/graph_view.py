"""What a node knows of the graph: who publishes and subscribes what, as the broker tells."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from dsmq_nodes.messages.dsmq_msgs import Endpoint, Graph, GraphTopic

GRAPH_TOPIC: Final = "/dsmq/graph"


class GraphView:
    """Follows `/dsmq/graph` from the first question on.

    Attributes:
        is_lost: the broker is lost, and with it the graph.
        watchers: called at each change, and when the broker is lost.
    """

    def __init__(self, follow: Callable[[Callable[[Graph], None]], object]) -> None:
        self.is_lost = False
        self.watchers: list[Callable[[], None]] = []
        self._follow = follow
        self._graph: Graph | None = None
        self._topics: dict[str, GraphTopic] = {}
        self._follows = False
        self._changed: list[asyncio.Future[None]] = []

    @property
    def is_known(self) -> bool:
        """Whether the broker has told."""
        return self._graph is not None

    def start(self) -> None:
        """Follow the graph, if that has not begun."""
        if not self._follows:
            self._follows = True
            self._follow(self._on_graph)

    def subscribers(self, topic: str) -> int:
        """How many subscribe a topic; 0 until the broker has told."""
        self.start()
        found = self._topics.get(topic)
        return len(found.subscribers) if found else 0

    def publishers(self, topic: str) -> list[Endpoint]:
        """Who publishes a topic, in the order they came; none until the broker has told."""
        found = self._topics.get(topic)
        return found.publishers if found else []

    def has_node(self, name: str) -> bool:
        """Whether a node is connected, as far as the broker has told."""
        return self._graph is not None and any(peer.name == name for peer in self._graph.peers)

    async def known(self) -> None:
        """Wait until the broker has told."""
        await self._until(lambda: self.is_known)

    async def subscribed(self, topic: str, count: int, timeout_sec: float | None) -> bool:
        """Wait until so many subscribe a topic; False: not in time."""
        return await self.within(lambda: self.subscribers(topic) >= count, timeout_sec)

    async def within(self, condition: Callable[[], bool], timeout_sec: float | None) -> bool:
        """Wait until the graph is such that a condition holds; False: not in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                await self._until(condition)
        return condition()

    async def _until(self, condition: Callable[[], bool]) -> None:
        self.start()
        while not condition():
            changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(changed)
            await changed

    def forget(self) -> None:
        """The broker is lost: what it told is no longer so."""
        self.is_lost = True
        self._graph, self._topics = None, {}
        self._tell()

    def regain(self) -> None:
        """The broker is back, and will tell."""
        self.is_lost = False

    def _on_graph(self, msg: Graph) -> None:
        self.is_lost = False
        self._graph = msg
        self._topics = {topic.name: topic for topic in msg.topics}
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)
        self._tell()

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()
