"""How a node reaches the queue: over a socket, through shared memory, or to a router in memory.

`link.py` is the contract: texts on topics, in order, with every loss counted. `broker_link.py`
keeps it over a socket: `outgoing.py` is its sending half, `incoming.py` its reading half, and
topics of the same machine go through the rings of `shared_rings.py`. `memory_link.py` keeps it
inside one process, for tests in virtual time. No module above this room depends on the kind of a
node's link; the suite tests/graph/links/test_contract.py runs over all kinds.
"""
