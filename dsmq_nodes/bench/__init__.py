"""Latency and throughput of this machine and its broker.

One process publishes, N processes subscribe, a broker is between them: its own, or the one that is
named. A message carries when it was built by the machine's monotonic clock; a subscriber's
callback, which holds it decoded, reads the same clock. So a latency is that of the whole way, also
where a broker on another machine is on it: there and back.

Each case is a kind of message (kinds.py) by a way: `shm` (shared memory), `unix` (the Unix socket
beside the broker's port), `tcp`. First the messages are sent at a rate, then as fast as it goes.
"""
