"""Test nodes without a robot: a graph in one process, in virtual time.

    def test_it_stops_before_the_wall(graph):
        graph.add(Avoider)
        seen = graph.observe(Twist, "cmd_vel")
        graph.inject("scan", LaserScan(ranges=[0.2]))
        graph.run_for(1.0)
        assert seen[-1].linear.x == 0.0

The fixtures `graph` (shown above) and `broker` (a real one, on a free port) come with the package.

Names are loaded at their first use, since every run of pytest loads the plugin.
"""

from typing import TYPE_CHECKING

from dsmq_nodes.lazy_names import lazily

if TYPE_CHECKING:
    from dsmq_nodes.testing.broker_process import BrokerProcess
    from dsmq_nodes.testing.faults import Faults
    from dsmq_nodes.testing.virtual_clock import VirtualClock
    from dsmq_nodes.testing.virtual_graph import Graph, Observed

__all__ = ["BrokerProcess", "Faults", "Graph", "Observed", "VirtualClock"]

_NAMES = {
    "testing.broker_process": "BrokerProcess",
    "testing.faults": "Faults",
    "testing.virtual_clock": "VirtualClock",
    "testing.virtual_graph": "Graph Observed",
}
__getattr__, __dir__ = lazily(__name__, _NAMES)
