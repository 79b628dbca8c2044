"""The broker's decisions: a request comes in, replies for any number of peers go out.

No module here does I/O or reads a clock (contract "The queue's brain does no I/O"), so a test
drives the router as a function. `router.py` has the table of actions and is composed of four parts:
`topic_table.py` makes and removes topics and their ends, `exchange.py` appends, pushes and reads
on, `sharing.py` seats readers of shared memory (`shared_log.py` is their log), and `types.py` keeps
schemas. `topics.py` has the state of all of them; `report.py` writes `/dsmq/graph` and
`/dsmq/statistics`.

Everything that the broker keeps for peers has a limit (limits.py), which is checked where it is
kept: for topics and their ends in `topic_table.py`, for waiting `get`s in `waits.py`, for schemas
in `types.py`. When a limit is reached, a peer that has few still gets more, and the peer that has
most loses some or gets no more.
"""
