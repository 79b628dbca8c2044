"""A node in the launcher: sees when the others are ready, and what they have done in the end."""

import asyncio
from collections.abc import Callable, Iterable

from dsmq_nodes.graph.node import Node
from dsmq_nodes.graph.statistics import NODES_TOPIC
from dsmq_nodes.launcher.summary import summary
from dsmq_nodes.messages.dsmq_msgs import Graph, NodeStatistics

_GRAPH_TOPIC = "/dsmq/graph"
_LAST_WORDS_SEC = 0.5


class GraphObserver:
    """Watches `/dsmq/graph` and `/dsmq/nodes`.

    Attributes:
        statistics: the last statistics of each node, by its name.
    """

    def __init__(self) -> None:
        self.statistics: dict[str, NodeStatistics] = {}
        self._connected: set[int] = set()
        self._changed = asyncio.Event()

    async def watch(self, host: str, port: int, on_ready: Callable[[int], None]) -> None:
        """Watch until cancelled; call `on_ready` with the pid of each node that is ready."""
        node = Node("launch", namespace="/dsmq", broker=(host, port))

        def on_graph(msg: Graph) -> None:
            self._connected = {peer.pid for peer in msg.peers}
            self._changed.set()
            for peer in msg.peers:
                if peer.state not in {"", "starting"}:  # a lifecycle node shows its own
                    on_ready(peer.pid)

        def on_node(msg: NodeStatistics) -> None:
            if msg.name != node.name:
                self.statistics[msg.name] = msg

        node.create_subscription(Graph, _GRAPH_TOPIC, on_graph, 1)
        node.create_subscription(NodeStatistics, NODES_TOPIC, on_node, 1000)
        try:
            await node.spin_async()
        finally:
            node.destroy_node()

    async def last_words(self, pids: set[int]) -> None:
        """Wait until the broker says that these processes are gone: they sent nothing after."""
        try:
            async with asyncio.timeout(_LAST_WORDS_SEC):
                while pids & self._connected:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass  # a broker that is gone says nothing

    def summary(self) -> Iterable[str]:
        """Return a table of what each node has reached."""
        return summary(self.statistics.values())
