"""Records topics into a bag, or keeps the last seconds of them in memory.

`recorder.py` subscribes and writes; `last_seconds.py` keeps a window in memory; `flight.py` writes
that window to a file when a launch fails.
"""
