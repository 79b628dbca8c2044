"""Publishes a bag's messages again, at their times.

`player.py` publishes, `playback_clock.py` times, `flow_control.py` waits for readers that do
not keep up.
"""
