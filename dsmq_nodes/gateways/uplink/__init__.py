"""The uplink: joins this machine's broker to those of other machines. An extra: `zenoh`.

`uplink_rules` decides which topics may go and maps their names; `cursors` keeps the place of each
reader in the logs of other machines. Both are pure. `fleet_carrier` is the seam to the network, and
`over_zenoh` implements it. `uplink_node` joins them to the gateway's connection (`hub.py`).
"""
