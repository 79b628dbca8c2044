"""Publishers and subscriptions: typed messages over a link, with QoS and a check of types.

`topic_registry.py` holds the publishers and subscriptions of a node; `compatible.py` compares two
types field by field, and `type_check.py` tells both ends where they differ; `graph_view.py` follows
who else publishes and subscribes.
"""
