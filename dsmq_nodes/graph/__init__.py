"""The node kit: a program subclasses `Node`, and this package runs its callbacks.

`node.py` has what users call, `assembly.py` what a node is made of; `run.py` runs nodes from a
`main`, `safety.py` and `emergency_stop.py` stop what moves. A node is made of the rooms: `links/`
reach the queue, `spin/` runs callbacks, `topics/`, `services/`, `actions/` and `parameters/` are
what a node offers to others, `time/` and `log/` what it uses itself. Imports between the rooms go
one way (contract "One way down inside the node kit").
"""
