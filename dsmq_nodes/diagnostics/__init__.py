"""Diagnostics: the state of a robot's parts, on `/diagnostics`.

Every node publishes its counters on `/dsmq/nodes` once a second. One aggregator turns them into
diagnostic_msgs/msg/DiagnosticArray: rates compared with the declared ones, skipped ticks, lost and
wrong messages. The launcher has one; it publishes while it has a subscriber. A node reports what it
alone can measure (a temperature, a device) with a `DiagnosticUpdater`.
"""

from dsmq_nodes.diagnostics.aggregator import DiagnosticAggregator
from dsmq_nodes.diagnostics.judge import Judge
from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater

__all__ = ["DiagnosticAggregator", "DiagnosticStatusWrapper", "DiagnosticUpdater", "Judge"]
