"""The database of a store, in SQLite: every statement is here.

A message's key is ``topic number << 40 | id``: one clustered b-tree, in which a topic's log is a
contiguous range, and reading from a cursor is a range scan.

The database is in memory, or in a file when a path is given. A file is in WAL mode with
``synchronous=NORMAL``: commits survive a crash or a `kill -9` of the broker. After a power loss or
a crash of the machine the newest commits may be missing, because SQLite calls fsync only when it
moves the WAL into the database; the file is never corrupt.
"""

import contextlib
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq.limits import MOST_ID

ROW_OVERHEAD_BYTES: Final = 24  # key, seq and b-tree cell of one row, about
_ID_BITS: Final = MOST_ID.bit_length()
_MEMORY_PAGE_BYTES: Final = 16384
_FILE_PAGE_BYTES: Final = 8192
_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message (key INTEGER PRIMARY KEY, seq INTEGER, frame BLOB);
CREATE TABLE IF NOT EXISTS topic (
    number INTEGER PRIMARY KEY, name TEXT, first_id INTEGER, last_id INTEGER, latched INTEGER);
CREATE TABLE IF NOT EXISTS slot (first_seq INTEGER PRIMARY KEY, wall_sec REAL);
CREATE TABLE IF NOT EXISTS epoch (epoch TEXT);
"""
_ID: Final = f"key & {MOST_ID}"
_SIZE: Final = f"LENGTH(frame) + {ROW_OVERHEAD_BYTES}"
_IN_RANGE: Final = "FROM message WHERE key >= ? AND key < ?"
_SCAN: Final = f"SELECT seq, ?, {_ID}, frame {_IN_RANGE} ORDER BY key"

TopicRow = tuple[int, str, int, int, int]
"""The number, name, first id, last id and latched depth of a topic."""


class Rows:
    """The tables of one store: messages, topics, slots and the epoch.

    Attributes:
        database: the connection to SQLite.
    """

    def __init__(self, path: Path | None, wal_bytes: int) -> None:
        """Open a database, or make it; without a path it is in memory.

        A file's WAL grows to about `wal_bytes` before SQLite folds it into the database.

        Raises:
            sqlite3.Error: the file cannot be used.
        """
        # Threads may use it in turns: a memory link is used by any, with a lock (memory_link.py).
        self.database = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False
        )
        weakref.finalize(self, _close_unused, self.database).atexit = False
        self._execute = self.database.execute
        # Some builds of SQLite overwrite deleted rows: a full disk has no room for that, and on any
        # disk it costs time.
        self._execute("PRAGMA secure_delete = OFF")
        # Larger pages take less time per row. A file is written in pages, so its pages are smaller.
        page_bytes = _MEMORY_PAGE_BYTES if path is None else _FILE_PAGE_BYTES
        self._execute(f"PRAGMA page_size = {page_bytes}")
        if path is not None:
            pages = max(wal_bytes // _FILE_PAGE_BYTES, 1)
            self.database.executescript(
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
                f"PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = {pages};"
            )
        version = self._execute("PRAGMA user_version").fetchone()[0]
        if version not in {0, _SCHEMA_VERSION}:
            raise sqlite3.DatabaseError(f"its format is {version}, this broker's {_SCHEMA_VERSION}")
        self.database.executescript(_SCHEMA)
        self._execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run one transaction; it is undone if it fails."""
        self._execute("BEGIN")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            # SQLite may have rolled back itself
            with contextlib.suppress(sqlite3.DatabaseError):
                self._execute("ROLLBACK")
            raise

    # Messages

    def insert(self, messages: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Add messages: the topic's number, id, seq and frame of each."""
        rows = [(number << _ID_BITS | id_, seq, frame) for number, id_, seq, frame in messages]
        self.database.executemany("INSERT INTO message VALUES (?, ?, ?)", rows)

    def copy_messages(self, source: "Rows") -> bool:
        """Add all messages of another database; add none and return False if it fails."""
        with contextlib.suppress(sqlite3.DatabaseError), self.transaction():
            found = source.database.execute("SELECT * FROM message")
            self.database.executemany("INSERT INTO message VALUES (?, ?, ?)", found)
            return True
        return False

    def scan(self, number: int, first_id: int, stop_id: int) -> sqlite3.Cursor:
        """Return a topic's messages with ids of a range, in order: seq, number, id, frame."""
        return self._execute(_SCAN, (number, *_keys(number, first_id, stop_id)))

    def places(self) -> Iterator[tuple[int, int, int, int]]:
        """Return all messages in order of seq: seq, topic's number, id, size in bytes."""
        what = f"SELECT seq, key >> {_ID_BITS}, {_ID}, {_SIZE} FROM message ORDER BY seq"
        return self._execute(what)

    def seq_of(self, number: int, message_id: int) -> int | None:
        """Return the seq of a message; None if it is not here."""
        found = self._execute(f"SELECT seq {_IN_RANGE}", _keys(number, message_id, message_id + 1))
        return next((seq for (seq,) in found), None)

    def first_after(
        self, number: int, first_id: int, stop_id: int, seq: int
    ) -> tuple[int, int] | None:
        """Return the first message in a range whose seq is greater: its id and its seq."""
        what = f"SELECT {_ID}, seq {_IN_RANGE} AND seq > ? ORDER BY key LIMIT 1"
        found: tuple[int, int] | None = self._execute(
            what, (*_keys(number, first_id, stop_id), seq)
        ).fetchone()
        return found

    def sizes(self, number: int, first_id: int, stop_id: int) -> Iterator[tuple[int, int]]:
        """Return the messages of a range in order: id, size in bytes."""
        what = f"SELECT {_ID}, {_SIZE} {_IN_RANGE} ORDER BY key"
        return self._execute(what, _keys(number, first_id, stop_id))

    def size(self, number: int, first_id: int, stop_id: int) -> int:
        """Return the size of the messages of a range, in bytes."""
        what = f"SELECT TOTAL({_SIZE}) {_IN_RANGE}"
        return int(self._execute(what, _keys(number, first_id, stop_id)).fetchone()[0])

    def delete(self, number: int, first_id: int, stop_id: int) -> None:
        """Delete the messages of a range."""
        self._execute(f"DELETE {_IN_RANGE}", _keys(number, first_id, stop_id))

    # State for a later run

    def topics(self) -> Iterator[TopicRow]:
        """Return the rows of all topics."""
        return self._execute("SELECT * FROM topic")

    def keep_topics(self, topics: Iterable[TopicRow]) -> None:
        """Write topics; they replace those with the same numbers."""
        self.database.executemany("INSERT OR REPLACE INTO topic VALUES (?, ?, ?, ?, ?)", topics)

    def delete_topic(self, number: int) -> None:
        """Delete a topic's row, after its messages."""
        self._execute("DELETE FROM topic WHERE number = ?", (number,))

    def slots(self) -> Iterator[tuple[int, float]]:
        """Return the slots: each with its first seq, and the wall clock's seconds at its start."""
        return self._execute("SELECT first_seq, wall_sec FROM slot ORDER BY first_seq")

    def keep_slot(self, first_seq: int, wall_sec: float) -> None:
        """Write a slot."""
        self._execute("INSERT OR REPLACE INTO slot VALUES (?, ?)", (first_seq, wall_sec))

    def delete_slots(self, upto_seq: int) -> None:
        """Delete the slots whose first seq is at most `upto_seq`."""
        self._execute("DELETE FROM slot WHERE first_seq <= ?", (upto_seq,))

    def epoch(self, new: str) -> str:
        """Return the database's epoch; without one, `new` becomes it."""
        found = self._execute("SELECT epoch FROM epoch").fetchone()
        if found is None:
            self._execute("INSERT INTO epoch VALUES (?)", (new,))
            return new
        return str(found[0])


def _keys(number: int, first_id: int, stop_id: int) -> tuple[int, int]:
    return number << _ID_BITS | first_id, number << _ID_BITS | stop_id


def _close_unused(database: sqlite3.Connection) -> None:
    """Close a database connection that is no longer used."""
    with contextlib.suppress(sqlite3.ProgrammingError):  # another thread has to close it
        database.close()
