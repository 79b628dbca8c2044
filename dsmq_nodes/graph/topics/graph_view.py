"""A node's view of the graph: its nodes, publishers and subscribers, from the broker."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.graph import names
from dsmq_nodes.graph import service_wire as calls
from dsmq_nodes.graph.spin.event_loop import Notifier
from dsmq_nodes.json_text import json_reader

_ANSWER_SEC: Final = 1.0


class GraphEndpoint(msgspec.Struct, frozen=True):
    """One end of a topic: the node (empty: a tool or plain client) and the type that it uses."""

    node: str
    pid: int
    type: str

    @property
    def node_name(self) -> str:
        """The node's own name; these properties have rclpy's names."""
        return names.split(self.node)[1]

    @property
    def node_namespace(self) -> str:
        """The node's namespace, absolute."""
        return names.split(self.node)[0]

    @property
    def topic_type(self) -> str:
        """The type that it uses."""
        return self.type


class _Topic(msgspec.Struct):
    name: str
    publishers: list[GraphEndpoint]
    subscribers: list[GraphEndpoint]


class _Peer(msgspec.Struct):
    name: str
    client: str = ""


class _Graph(msgspec.Struct):
    """dsmq_msgs/msg/Graph, decoded faster: a node with a client reads every change."""

    peers: list[_Peer]
    topics: list[_Topic]


_decode: Final = json_reader(_Graph)


class GraphView:
    """Follows `/dsmq/graph` from the first question on.

    Attributes:
        is_lost: the broker is lost, so that its graph is no longer valid.
        follows: whether the graph is followed.
        watchers: called at each change, and when the broker is lost.
    """

    def __init__(
        self,
        follow: Callable[[], None],
        wait_outside: Callable[[Coroutine[Any, Any, object]], object],
        when_drained: Callable[[Callable[[], None]], None],
    ) -> None:
        """Make a view that follows nothing yet.

        Args:
            follow: subscribes the graph.
            wait_outside: waits for a coroutine, except in callbacks: see `ask`.
            when_drained: calls a function once all messages that have come are taken.
        """
        self.is_lost = False
        self.follows = False
        self.watchers: list[Callable[[], None]] = []
        self._follow = follow
        self._wait_outside = wait_outside
        self._when_drained = when_drained
        self._unread = ""  # the newest graph; older ones are skipped
        self._reading = threading.Lock()  # any thread may ask
        self._is_news = False
        self._nodes: frozenset[str] | None = None
        self._clients: frozenset[str] = frozenset()
        self._topics: dict[str, _Topic] = {}
        self._changed = Notifier()

    @property
    def is_known(self) -> bool:
        """Whether a graph has come."""
        self._read()
        return self._nodes is not None

    def start(self) -> None:
        """Follow the graph, unless it is followed already."""
        if not self.follows:
            self.follows = True
            self._follow()

    def ask(self) -> None:
        """Follow the graph, and read the newest one.

        Outside of callbacks the first call waits for a graph, for a second at most: the broker may
        be lost, or may be an original server, which has no graph.
        """
        self.start()
        self._wait_outside(self.within(lambda: self.is_known, _ANSWER_SEC))

    def subscribers(self, topic: str) -> list[GraphEndpoint]:
        """Return the subscribers of a topic, oldest first; none until a graph has come."""
        self._read()
        found = self._topics.get(topic)
        return found.subscribers if found else []

    def publishers(self, topic: str) -> list[GraphEndpoint]:
        """Return the publishers of a topic, oldest first; none until a graph has come."""
        self._read()
        found = self._topics.get(topic)
        return found.publishers if found else []

    def types(self) -> dict[str, list[str]]:
        """Return the types that are used on each topic; none until a graph has come."""
        self._read()
        return {
            name: sorted({end.type for end in (*topic.publishers, *topic.subscribers) if end.type})
            for name, topic in sorted(self._topics.items())
        }

    def nodes(self) -> list[str]:
        """Return the names of all nodes, in order; none until a graph has come."""
        self._read()
        return sorted(filter(None, self._nodes or ()))

    def has_client(self, client: str) -> bool:
        """Whether the caller that signs its calls `client` is connected, as far as is known.

        True for a tool that has not sent the broker its signature. A broker of the last release
        knows the names of nodes only.
        """
        self._read()
        if self._nodes is None:
            return False
        if calls.is_in_graph(client) and self._clients:
            return client in self._clients
        node = calls.node_of(client)
        return not node or node in self._nodes

    async def within(self, condition: Callable[[], bool], timeout_sec: float | None) -> bool:
        """Wait until a condition on the graph holds; return whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                self.start()
                await self._changed.until(condition)
        return condition()

    def forget(self) -> None:
        """Forget the graph, since the broker is lost."""
        with self._reading:
            self.is_lost = True
            self._unread = ""
            self._nodes, self._topics = None, {}
        self._call_watchers()

    def take(self, reply: Entry) -> None:
        """Take the new graph, and read it once all messages that have come are taken."""
        self._unread = reply.text or ""
        if not self._is_news:
            self._is_news = True
            self._when_drained(self._settle)

    def _settle(self) -> None:
        """Read the graph, and wake everything that waits for a change."""
        self._is_news = False
        self._read()
        self._changed.notify_all()
        self._call_watchers()

    def _read(self) -> None:
        with self._reading:
            text, self._unread = self._unread, ""
            if not text:
                return
            try:
                graph = _decode(text)
            except ValueError:
                return  # an original server: any peer may write there
            self.is_lost = False
            self._nodes = frozenset([peer.name for peer in graph.peers])
            self._clients = frozenset([peer.client for peer in graph.peers if peer.client])
            self._topics = {topic.name: topic for topic in graph.topics}

    def _call_watchers(self) -> None:
        for watcher in list(self.watchers):
            watcher()
