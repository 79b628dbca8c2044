"""Publishes `/diagnostics` from the counters of all nodes."""

from dsmq_nodes.diagnostics.judge import Judge
from dsmq_nodes.graph.node import Node
from dsmq_nodes.messages.diagnostic import DiagnosticArray
from dsmq_nodes.messages.dsmq_msgs import NodeStatistics
from dsmq_nodes.topic_names import DIAGNOSTICS_TOPIC, NODES_TOPIC, is_kits_own


class DiagnosticAggregator:
    """Publishes the state of every node, once a second while `/diagnostics` has a subscriber.

    One for the whole graph is enough: the launcher has one.
    """

    def __init__(self, node: Node, period_sec: float = 1.0) -> None:
        """Publish with a node."""
        self._judge = Judge()
        self._node = node
        self._clock = node.get_clock()
        self._publisher = node.create_publisher(DiagnosticArray, DIAGNOSTICS_TOPIC, 1)
        node.create_subscription(NodeStatistics, NODES_TOPIC, self._on_node, 1000)
        node.create_timer(period_sec, self._tick)

    def _on_node(self, msg: NodeStatistics) -> None:
        if not is_kits_own(msg.name):
            self._judge.heard(msg, self._clock.monotonic_sec())

    def _tick(self) -> None:
        if self._publisher.get_subscription_count():
            found = self._judge.statuses(self._clock.monotonic_sec())
            self._publisher.publish(DiagnosticArray(header=self._node.stamp(), status=found))
