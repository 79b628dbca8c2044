"""Runs a node's callbacks: the event loop, the spinner, what a node finds around it, its end."""
