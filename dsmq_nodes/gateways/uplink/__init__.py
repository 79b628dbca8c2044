"""The uplink: connects this machine's broker with those of other machines. Extra: `zenoh`.

`uplink_rules` decides which topics are carried and maps their names, `cursors` tracks the place of
each reader in each remote log; both do no I/O. `fleet_carrier` is the interface to the network,
`over_zenoh` its implementation. `uplink_node` connects them with the gateway's hub (`hub.py`).
"""
