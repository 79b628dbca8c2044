"""Gateways to other systems: a browser, rosbridge, Foxglove, a ROS 2 graph, other machines.

Each gateway is a separate process and an ordinary peer: it uses `dsmq_nodes.tools`, and no other
room imports it. A gateway is a folder here; its libraries are an extra.
"""
