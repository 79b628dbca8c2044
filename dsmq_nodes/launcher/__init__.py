"""dsmq_nodes.launcher."""
