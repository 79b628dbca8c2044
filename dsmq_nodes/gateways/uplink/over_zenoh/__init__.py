"""Zenoh under the uplink: the carrier, its keys and configuration, and the links' sockets."""
