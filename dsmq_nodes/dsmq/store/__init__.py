"""A topic's log in SQLite: append, read from a cursor, expire.

`sqlite.py` has `Store` and `StoredLog`, which decide what is kept. `rows.py` is the database with
all of its statements. `bundles.py` holds messages that are not rows yet. `retention.py` counts the
stored bytes against the budget. `disk_reserve.py` keeps room on a disk that fills up, for the
deletions that make room.
"""
