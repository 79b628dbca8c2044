"""Clocks and timers, and whatever measures how late something is.

`clock.py`, `node_clock.py` and `sim_clock.py` say what time it is; `timeline.py` is what timers run
by: an event loop, or a virtual clock; `watchdog.py` notices messages that do not come,
`overruns.py` timers that do not keep their rate.
"""
