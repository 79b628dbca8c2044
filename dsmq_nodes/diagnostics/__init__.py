"""Diagnostics: how the parts of a robot are, on `/diagnostics`.

Every node tells its counters on `/dsmq/nodes` once a second. One aggregator makes
diagnostic_msgs/msg/DiagnosticArray of them: rates against what the nodes declare, skipped ticks,
lost and wrong messages. The launcher has one; it publishes while somebody listens. What only the
node knows (a temperature, a device) it tells itself, with a `DiagnosticUpdater`.
"""

from dsmq_nodes.diagnostics.aggregator import DiagnosticAggregator
from dsmq_nodes.diagnostics.judge import Judge
from dsmq_nodes.diagnostics.updater import DiagnosticStatusWrapper, DiagnosticUpdater

__all__ = ["DiagnosticAggregator", "DiagnosticStatusWrapper", "DiagnosticUpdater", "Judge"]
