"""The broker: moves bytes between sockets, shared memory and the router, and decides nothing."""
