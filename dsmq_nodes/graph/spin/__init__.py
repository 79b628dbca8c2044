"""Runs the callbacks of one node, one at a time, in one event loop.

`spinner.py` says in which loop, and for how long; `dispatcher.py` drains the link and then calls
the callbacks; `event_loop.py` begins and ends that loop; `exceptions.py` decides what a callback's
exception does; `blocked.py` tells of one that blocks; `shutdown.py` ends what still runs at exit.
`context.py` has the surroundings of a node when it is constructed: clock, environment, link.
"""
