"""Runs a node on a recording, and compares what it says."""
