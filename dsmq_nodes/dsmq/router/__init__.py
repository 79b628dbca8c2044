"""The broker's decisions: a request comes in, replies for any number of peers go out.

No file here does I/O or reads a clock (contract "The queue's brain does no I/O"), so a test drives
the router as a function. `router.py` has the table of actions and is composed of four parts:
`topic_table.py` makes and removes topics and their ends, `exchange.py` appends, pushes and reads
on, `sharing.py` seats readers of shared memory (`shared_log.py` is their log), and `types.py` keeps
schemas. `topics.py` has the state of all of them; `report.py` writes `/dsmq/graph` and
`/dsmq/statistics`.

What peers make the broker keep has a limit (limits.py), which holds where it is kept: for topics
and their ends in `topic_table.py`, for `get`s that wait in `waits.py`, for schemas in `types.py`.
Where all is used up, a peer that has few is served; the one that has most gives some up, or gets no
more.
"""
