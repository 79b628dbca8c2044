"""From a plan to running processes, and to their end.

`planning.py` makes a `Plan` (pure), `supervisor.py` starts its members in order, restarts and stops
them; `child.py` is the program inside each process; `launcher/guard.py` ends all of them when the
launcher is killed.
"""
