"""What a node knows of the graph: who publishes and subscribes what, as the broker tells."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import msgspec

from dsmq_nodes.graph.arrival import Arrival

GRAPH_TOPIC: Final = "/dsmq/graph"


class Endpoint(msgspec.Struct, frozen=True):
    """One end of a topic: the node (empty: a tool or plain client) and the type it uses."""

    node: str
    pid: int
    type: str


class _Topic(msgspec.Struct):
    name: str
    publishers: list[Endpoint]
    subscribers: list[Endpoint]


class _Peer(msgspec.Struct):
    name: str


class _Graph(msgspec.Struct):
    """dsmq_msgs/msg/Graph, in a fraction of the time: a node with a client reads every change."""

    peers: list[_Peer]
    topics: list[_Topic]


_decode: Final = msgspec.json.Decoder(_Graph).decode


def is_graph(topic: str) -> bool:
    """Whether it is the graph's topic."""
    return topic == GRAPH_TOPIC


class GraphView:
    """Follows `/dsmq/graph` from the first question on.

    Attributes:
        is_lost: the broker is lost, and with it the graph.
        follows: it has begun to follow it.
        watchers: called at each change, and when the broker is lost.
    """

    def __init__(self, follow: Callable[[], None]) -> None:
        self.is_lost = False
        self.follows = False
        self.watchers: list[Callable[[], None]] = []
        self._follow = follow
        self._unread = ""  # the newest that came; older ones need not be read
        self._is_news = False
        self._nodes: frozenset[str] | None = None
        self._topics: dict[str, _Topic] = {}
        self._changed: list[asyncio.Future[None]] = []

    @property
    def is_known(self) -> bool:
        """Whether the broker has told."""
        self._read()
        return self._nodes is not None

    def start(self) -> None:
        """Follow the graph, if that has not begun."""
        if not self.follows:
            self.follows = True
            self._follow()

    def subscribers(self, topic: str) -> int:
        """How many subscribe a topic; 0 until the broker has told."""
        self.start()
        self._read()
        found = self._topics.get(topic)
        return len(found.subscribers) if found else 0

    def publishers(self, topic: str) -> list[Endpoint]:
        """Who publishes a topic, in the order they came; none until the broker has told."""
        self._read()
        found = self._topics.get(topic)
        return found.publishers if found else []

    def has_node(self, name: str) -> bool:
        """Whether a node is connected, as far as the broker has told."""
        self._read()
        return self._nodes is not None and name in self._nodes

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
        self._unread = ""
        self._nodes, self._topics = None, {}
        self._tell()

    def regain(self) -> None:
        """The broker is back, and will tell."""
        self.is_lost = False

    def take(self, reply: Arrival) -> None:
        """The graph has changed."""
        self._unread = reply.text or ""
        self._is_news = True

    def settle(self) -> None:
        """All there is to read has been taken: tell who waits for a change."""
        if not self._is_news:
            return
        self._is_news = False
        self._read()
        changed, self._changed = self._changed, []
        for future in changed:
            if not future.done():
                future.set_result(None)
        self._tell()

    def _read(self) -> None:
        if not self._unread:
            return
        text, self._unread = self._unread, ""
        try:
            graph = _decode(text)
        except msgspec.MsgspecError:
            return  # an original server's: anybody may write there
        self.is_lost = False
        self._nodes = frozenset([peer.name for peer in graph.peers])
        self._topics = {topic.name: topic for topic in graph.topics}

    def _tell(self) -> None:
        for watcher in list(self.watchers):
            watcher()
