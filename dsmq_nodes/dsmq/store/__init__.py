"""A topic's log in SQLite: append, read from a cursor, retention."""
