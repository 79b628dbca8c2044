"""Services: a request goes out on one topic, its response comes back on another.

`graph/service_wire.py` has the format of both. `service_server.py` and `service_client.py` are the
two ends. A client finds its server in the graph, so a call to a server that is not there fails at
once.
"""
