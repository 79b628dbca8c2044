"""Bags of other kinds: read, written, and as tables."""
