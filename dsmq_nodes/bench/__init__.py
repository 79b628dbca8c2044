"""Measures latency and throughput of this machine and its broker.

One process publishes, N processes subscribe, with a broker between them: one of the benchmark's
own, or a given one. A message carries the time when it was built, by the machine's monotonic clock;
a subscriber's callback, which gets it decoded, reads the same clock. So a latency is that of the
whole way, even if a broker on another machine is on it: there and back.

Each case is a kind of message (kinds.py) by a way: `shm` (shared memory), `unix` (the Unix socket
beside the broker's port), `tcp`. The messages are sent at a rate first, then as fast as possible.
"""
