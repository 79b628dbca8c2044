"""Doors to other worlds: a browser, rosbridge, Foxglove, a ROS 2 graph, other machines.

Each gateway is a process of its own and a peer like every other: it stands on `dsmq_nodes.tools`,
and no other room knows it. A gateway is a folder here; its libraries are an extra.
"""
