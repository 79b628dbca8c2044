"""A topic's log in shared memory."""
