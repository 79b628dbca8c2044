"""Why a callback is silent: findings from the broker, the nodes and the launcher.

Nothing here does I/O: gathering.py does.
"""

from typing import Final

from dsmq_nodes.tools.diagnosing.node_findings import node_findings
from dsmq_nodes.tools.diagnosing.seen import ERROR, NOTE, WARNING, Finding, Seen
from dsmq_nodes.tools.diagnosing.time_findings import time_findings
from dsmq_nodes.tools.diagnosing.topic_findings import topic_findings

CHECKS: Final = (
    "no emergency stop stands in the way",
    "every topic that is heard is published",
    "types and QoS fit",
    "publishers publish",
    "readers keep up",
    "stamps and clocks agree",
    "no callback raises",
    "no node has died or hangs",
    "no part of a node is faulty",
)


def findings(seen: Seen) -> list[Finding]:
    """Return the findings: the worst first, and causes before their effects."""
    found = dict.fromkeys([*node_findings(seen), *topic_findings(seen), *time_findings(seen)])
    return sorted(found, key=lambda each: (ERROR, WARNING, NOTE).index(each.level))
