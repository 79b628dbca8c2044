"""A topic's log in shared memory, for the processes of one user on one machine.

`ring.py` specifies the file and how it is written and read, step by step; `writer.py` and
`reader.py` are those steps; `bell.py` wakes a reader that sleeps; `directory.py` is where the
broker makes the rings, and `leftovers.py` removes those of brokers that were killed.
"""
