"""How a node reaches the queue: over sockets, shared memory, or a router in its own process."""
