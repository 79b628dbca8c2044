"""A topic's log in SQLite: append, read from a cursor, expire.

`sqlite.py` has `Store` and `StoredLog`, which say what is kept; `rows.py` is the database, with
every statement; `bundles.py` has messages that are no rows yet; `retention.py` counts what is kept
against the budget; `disk_reserve.py` keeps room on a disk that fills up, for the deletions that
make room.
"""
