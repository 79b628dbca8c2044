"""Nodes: their place in the graph, the thread that spins them, parameters, the log."""
