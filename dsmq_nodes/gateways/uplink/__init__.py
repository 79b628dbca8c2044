"""The uplink: joins this machine's broker to those of other machines. An extra: `zenoh`.

`uplink_rules` says what may go and how it is called on the way, `cursors` where each reader stands
in whose log; both are pure. `fleet_carrier` is the seam to the network, `over_zenoh` the one that
is used. `uplink_node` joins them to the gateway's connection (`hub.py`).
"""
