"""How a node reaches the queue: over a socket, through shared memory, or to a router in memory.

`link.py` is the contract: texts on topics, in order, with every loss counted. `broker_link.py`
keeps it over a socket and, for topics of the same machine, through the rings of `shared_rings.py`;
`memory_link.py` keeps it inside one process, for tests in virtual time. Nothing above this room
knows which of them a node has.
"""
