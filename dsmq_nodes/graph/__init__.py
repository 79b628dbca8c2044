"""dsmq_nodes.graph."""
