"""Runs a node class on a recording in virtual time and compares what it publishes."""
