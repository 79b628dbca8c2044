"""Runs the callbacks of one node, one at a time, in one event loop.

`spinner.py` chooses the loop and ends the spinning; `dispatcher.py` drains the link and then calls
the callbacks; `event_loop.py` makes and closes that loop; `exceptions.py` decides what a callback's
exception does; `blocked.py` reports one that blocks; `shutdown.py` ends what still runs at exit.
`context.py` has the surroundings of a node when it is constructed: clock, environment, link.
"""
