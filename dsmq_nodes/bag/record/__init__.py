"""Records topics into a bag, or keeps the last seconds of them in memory.

`recorder.py` subscribes and writes; `last_seconds.py` keeps a window; `flight.py` writes that
window out when a launch fails.
"""
