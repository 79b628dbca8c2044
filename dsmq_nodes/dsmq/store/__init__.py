"""A topic's log in SQLite: append, read from a cursor, expire.

`sqlite.py` has `Store` and `StoredLog`; `retention.py` counts what is kept against the budget;
`disk_reserve.py` keeps room on a disk that fills up, for the deletions that make room.
"""
