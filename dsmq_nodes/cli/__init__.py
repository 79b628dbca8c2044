"""dsmq_nodes.cli."""
