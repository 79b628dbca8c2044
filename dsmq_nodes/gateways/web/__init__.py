"""The web gateway: a dashboard, rosbridge and Foxglove from one process, the node `/web`.

`hub.py` is its one connection to the broker. `hub_client.py` is one web client's share of it, with
that client's limits. A websocket protocol is a `Speaker` (`speaker.py`): it does no I/O, receives a
`HubClient`, and writes into that client's `Outbox`. `endpoints.py` lists the protocols with their
paths and ports.
"""
