"""A process of a launch that has imported the kit, and forks, so that Python nodes start at once.

    guard --order--> warm process -- fork --> its child -- fork --> the process
      ^                                       ends at once            |
      +--------- its parent, as the nearest subreaper <---------------+

A Python interpreter that imports the kit takes 0.25 s of CPU and 20 MB; a fork of one that has
imported it takes some milliseconds, and shares its memory. The result is a process like any other:
`ps` shows its own command line, its parent is the guard, it has its own environment, session and
descriptors, and its program runs as `__main__` (interpreter.py). The warm process has one thread,
no event loop and no connection, and imports nothing of the user's.

Nothing depends on it: if it does not run, refuses, or is killed, the guard starts an interpreter,
and makes another warm process for later. A forked process has no connection to it.

Compared with an interpreter of its own, a forked process differs as follows: modules of the kit are
already imported, all processes of a launch have the same random seed of `hash(str)`, and
`traceback.print_stack` shows more frames at its beginning.

`order.py` has the guard's requests, `suitable.py` decides which processes may be forked,
`warm_process.py` is the guard's end, `forking.py` the program of the warm process.
"""
