"""Links that lose many packets: `resent_stream` does no I/O, `udp_relay` has the sockets."""
