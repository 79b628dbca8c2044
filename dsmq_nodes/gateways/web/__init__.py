"""The web gateway: a dashboard, rosbridge and Foxglove from one process, the node `/web`.

`hub.py` is its one connection to the broker. `hub_client.py` is the part of it that one web client
holds, with that client's limits. A websocket protocol is a `Speaker` (`speaker.py`): it does no
I/O, is given a `HubClient`, and writes into that client's `Outbox`. `endpoints.py` has the table of
protocols with their paths and ports.
"""
