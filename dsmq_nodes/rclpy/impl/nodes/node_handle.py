"""The inner side of a node: its place in the graph."""

from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.messages.dsmq_msgs import Graph
from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.log_output import log_inside, log_output
from dsmq_nodes.rclpy.impl.names.node_names import NodeNames
from dsmq_nodes.rclpy.impl.nodes.ends import ends
from dsmq_nodes.rclpy.impl.nodes.peer_node import SpunPeer, io
from dsmq_nodes.rclpy.impl.topics.shown_profiles import AnnouncedProfiles
from dsmq_nodes.topic_names import GRAPH_TOPIC

_DEBUG: Final = 10


class NodeHandle(InnerHandle):
    """A node's names, its kit's node, and the function that wakes its executor.

    Attributes:
        name: without the namespace.
        namespace: absolute.
        names: its names of topics and services.
        context: the context that it belongs to.
        wake: wakes the executor that spins it.
        kit: the kit's node.
        announced: announces the profiles of its ends to other processes.
        is_second: another node has the name already, and answers to services of nodes.
        inner: the inner sides of the node's entities.
        is_woken: an entity that is no timer may have become ready since an executor asked them.
        had_ready: an entity was ready when an executor asked them.
    """

    def __init__(self, names: NodeNames, context: Any, wake: Callable[[], object]) -> None:
        super().__init__()
        self.names = names
        self.name, self.namespace = name, namespace = names.name, names.namespace
        self.context = context
        self.wake = wake
        self.inner: set[InnerHandle] = set()
        self.is_woken = self.had_ready = False
        self._peer = SpunPeer(name, namespace)
        self.kit = self._peer.node
        self.announced = AnnouncedProfiles(self.kit)
        self.is_second = self._peer.is_second
        self._peer_name = self.kit.get_fully_qualified_name()
        if self.is_second:  # rclpy logs nothing about it
            there = f"the graph shows this one as {self._peer_name}"
            log_inside(_DEBUG, self.logger_name, f"{self.full_name} is there already: {there}")
        ends.own_peers.add(self._peer_name)
        ends.add_node(name, namespace)
        graph_follower.node_began(self)

    @property
    def full_name(self) -> str:
        """The absolute name."""
        return f"{self.namespace.rstrip('/')}/{self.name}"

    @property
    def logger_name(self) -> str:
        """Namespace and name joined by dots."""
        return self.full_name.strip("/").replace("/", ".")

    def check_context(self, what: str) -> None:
        """Check that the context was not shut down, as by a signal; `what` is for the error's text.

        Raises:
            RCLError: it was.
        """
        if not self.context.ok():
            raise RCLError(f"{what}: rcl node's context is invalid")

    def destroy_when_not_in_use(self) -> None:
        """Leave the graph."""
        if not self.is_destroyed:
            self._end()
            io.wait(self._peer.ended())

    def release(self) -> None:
        """Leave the graph without waiting: the node was collected, as all of its entities were.

        It is called in any thread, at any place in a program.
        """
        if not self.is_destroyed:
            log_output.drop_rosout(self.logger_name)
            io.start(self._leave_graph())

    async def _leave_graph(self) -> None:
        if not self.is_destroyed:
            for each in list(self.inner):
                each.destroy_when_not_in_use()
            self._end()
            await self._peer.ended()

    def _end(self) -> None:
        super().destroy_when_not_in_use()
        ends.own_peers.discard(self._peer_name)
        ends.remove_node(self.name, self.namespace)
        graph_follower.node_ended(self)


class GraphFollower:
    """Reads the broker's graph for the whole process, through one of its nodes.

    It begins when a node is spun, or with the first question.
    """

    def __init__(self) -> None:
        self._nodes: list[NodeHandle] = []
        self._reader: NodeHandle | None = None
        self._is_asked = False

    def node_began(self, node: NodeHandle) -> None:
        """Add a node that can read the graph."""
        self._nodes.append(node)
        if self._is_asked and self._reader is None:
            io.run(self._follow)

    def node_ended(self, node: NodeHandle) -> None:
        """Remove a node; another one reads the graph from now on."""
        self._nodes.remove(node)
        if self._reader is node:
            self._reader = None
            if self._nodes:
                io.run(self._follow)

    def begin(self) -> None:
        """Follow the graph, without waiting for it."""
        if self._reader is None:
            io.soon(self._follow)

    def ask(self) -> None:
        """Follow the graph; the first call waits for it, at most a second."""
        if self._is_asked and self._reader is not None:
            return
        self._is_asked = True
        if self._nodes:
            reader = self._nodes[0]
            io.run(self._follow)
            io.run(reader.kit.confirm_subscriptions)
            io.wait(_first_graph(reader))

    def _follow(self) -> None:
        if self._reader is not None or not self._nodes:
            return
        self._reader = self._nodes[0]
        self._reader.kit.create_subscription(Graph, GRAPH_TOPIC, ends.take_graph, 1)


async def _first_graph(node: NodeHandle) -> None:
    node.kit.get_fully_qualified_node_names()


graph_follower = GraphFollower()
