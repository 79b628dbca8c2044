"""Clocks and timers, and whatever measures how late something is.

`clock.py`, `node_clock.py` and `sim_clock.py` have the clocks. `timeline.py` is the time that
timers follow: an event loop's, or a virtual clock's. `watchdog.py` notices messages that do not
come, `overruns.py` timers that do not keep their rate.
"""
