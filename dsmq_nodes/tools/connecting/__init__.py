"""The parts of a session: its connection, which may be dialed again, and its subscriptions."""
