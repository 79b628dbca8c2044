"""A topic's log in shared memory, for the processes of one user on one machine.

`ring.py` specifies the file, and the steps by which it is written and read; `writer.py` and
`reader.py` are those steps; in `directory.py` the broker makes the rings, and `leftovers.py`
removes those of brokers that were killed.
"""
