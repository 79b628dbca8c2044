"""Clocks, timers, and whatever measures how late something is."""
