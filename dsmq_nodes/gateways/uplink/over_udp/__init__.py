"""Links on which many packets are lost: `resent_stream` is pure, `udp_relay` has the sockets."""
