"""The broker's decisions: a request comes in, replies for any number of peers go out.

No file here does I/O or reads a clock (contract "The queue's brain does no I/O"), so a test drives
the router as a function. `router.py` has the table of actions; `exchange.py` appends, pushes and
reads on; `sharing.py` does so for topics that lie in shared memory; `topics.py` has the state;
`report.py` writes `/dsmq/graph` and `/dsmq/statistics`.
"""
