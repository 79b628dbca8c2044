"""Reads one SQLite file of a ROS 2 bag: its messages as they are, in CDR.

The readable rows of a damaged file are read, row by row.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record, channel_counts
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError
from dsmq_nodes.printable import one_line

_NS: Final = range(-(1 << 63), 1 << 63)
# In a damaged file a time may be text or bytes, which sort after all numbers.
_HAS_TIME: Final = "typeof(timestamp) = 'integer'"
_TABLES: Final = frozenset({"messages", "topics", "message_definitions"})
_MOST_VALUE_BYTES: Final = 512 << 20
_DAMAGED: Final = 10_000  # rows to try one by one, before larger steps


class _Row(NamedTuple):
    """A row of a damaged file, without its data."""

    time_ns: int
    number: int
    topic_id: int


class Db3File:
    """One file of a bag.

    Attributes:
        path: the path of the file.
        start_ns: the time of the first message; None when there is none.
        end_ns: the time of the last message; None when there is none.
    """

    def __init__(self, path: Path, omitted: Omitted) -> None:
        """Open a file.

        Args:
            path: the path of the file.
            omitted: receives notes about what is not read.

        Raises:
            BagError: the file is not a bag, or is damaged.
        """
        self.path = path
        self._omitted = omitted
        self._saved: list[_Row] | None = None  # the readable rows of a damaged file
        with self._open() as db:
            self._channels = dict(_channels(db))
            try:
                self._count(db)
            except sqlite3.DatabaseError as error:
                self._save(db, error)

    def _count(self, db: sqlite3.Connection) -> None:
        query = f"SELECT topic_id, COUNT(*) FROM messages WHERE {_HAS_TIME} GROUP BY topic_id"
        self._counts = dict(db.execute(query))
        query = f"SELECT MIN(timestamp), MAX(timestamp) FROM messages WHERE {_HAS_TIME}"
        self.start_ns, self.end_ns = db.execute(query).fetchone()
        (rows,) = db.execute("SELECT COUNT(*) FROM messages").fetchone()
        counted = sum(self._counts.values())
        known = sum(each.messages for each in self.counts())
        for count, reason in (
            (rows - counted, "whose time is not an integer"),
            (counted - known, "of a topic that is not in its table of topics"),
        ):
            if count:
                self._omitted.note(f"left out: {self.path}: {count} messages {reason}")

    def _save(self, db: sqlite3.Connection, error: sqlite3.DatabaseError) -> None:
        """Find the readable rows.

        Raises:
            sqlite3.Error: the error is not a damaged file.
        """
        if type(error) is not sqlite3.DatabaseError:
            raise error
        self._omitted.note(f"{self.path.name} is damaged ({error}): its readable rows are read")
        found, at, failed = list[_Row](), _NS[0], 0
        query = f"SELECT timestamp, rowid, topic_id FROM messages WHERE rowid >= ? AND {_HAS_TIME}"
        while at <= _NS[-1]:
            try:
                for row in db.execute(f"{query} ORDER BY rowid", (at,)):
                    found.append(_Row(*row))
                    at, failed = found[-1].number + 1, 0
                break
            except sqlite3.DatabaseError:
                failed += 1
                at = max(at, 0) + (1 if failed < _DAMAGED else 1 << (failed - _DAMAGED))
        self._saved = sorted(found)
        self._counts = Counter(each.topic_id for each in found)
        self.start_ns = self._saved[0].time_ns if found else None
        self.end_ns = self._saved[-1].time_ns if found else None

    def counts(self) -> list[ChannelCount]:
        """Return the channels."""
        return channel_counts(self._channels, self._counts)

    def compression(self) -> str:
        """Return the compression of its messages."""
        return "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Yield the messages by time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: the file is damaged.
        """
        last_ns = _NS[-1] if end_ns is None else min(end_ns, _NS[-1] + 1) - 1
        times = _NS[0] if start_ns is None else min(start_ns, _NS[-1]), last_ns
        with self._open() as db:
            for topic_id, time_ns, data in self._rows(db, times):
                channel = self._channels.get(topic_id)
                if channel is not None and (topics is None or channel.topic in topics):
                    yield Record(channel, time_ns, time_ns, 0, _as_bytes(data))

    def _rows(
        self, db: sqlite3.Connection, times: tuple[int, int]
    ) -> Iterator[tuple[int, int, Any]]:
        last: Sequence[int] = ()
        if self._saved is None:
            query = "SELECT timestamp, rowid, topic_id, data FROM messages"
            query += f" WHERE timestamp BETWEEN ? AND ? AND {_HAS_TIME}"
            try:
                for *last, topic_id, data in db.execute(f"{query} ORDER BY timestamp, id", times):
                    yield topic_id, last[0], data
            except sqlite3.DatabaseError as error:
                self._save(db, error)
        query = "SELECT data FROM messages WHERE rowid = ?"
        for row in self._saved or ():
            if times[0] <= row.time_ns <= times[1] and row[:2] > tuple(last):
                with contextlib.suppress(sqlite3.DatabaseError):
                    for (data,) in db.execute(query, (row.number,)):  # or none, in a damaged tree
                        yield row.topic_id, row.time_ns, data

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # The write-ahead log of a killed recorder is read too. Without a log, no other file is
        # created, because the file may be on a read-only disk.
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        mode = "mode=ro" if has_log else "mode=ro&immutable=1"
        try:
            with contextlib.closing(
                sqlite3.connect(
                    f"file:{quote(str(self.path))}?{mode}", uri=True, check_same_thread=False
                )
            ) as db:
                db.text_factory = lambda data: data.decode(errors="backslashreplace")
                _check_tables(db)
                yield db
        except (sqlite3.Error, OverflowError, ValueError, MemoryError) as error:
            why = one_line(str(error)) or type(error).__name__
            raise BagError(f"{self.path} cannot be read as a ROS 2 bag: {why}") from None


def _check_tables(db: sqlite3.Connection) -> None:
    """Refuse views and columns that compute, perhaps forever, and values larger than any bag has.

    Raises:
        ValueError: the file has a view or such a column in place of a table of values.
    """
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE_BYTES)
    computed = "EXISTS (SELECT * FROM pragma_table_xinfo(sqlite_master.name) WHERE hidden > 1)"
    query = f"SELECT lower(name) FROM sqlite_master WHERE rootpage = 0 OR {computed}"
    for (name,) in db.execute(query):
        if name in _TABLES:
            raise ValueError(f"{name} is not a table of values")


def _as_bytes(data: Any) -> bytes:
    return data if isinstance(data, bytes) else str(data).encode()


def _channels(db: sqlite3.Connection) -> Iterator[tuple[int, Channel]]:
    has = {row[1] for row in db.execute("PRAGMA table_info(topics)")}
    qos = "offered_qos_profiles" if "offered_qos_profiles" in has else "''"
    definitions = {}
    if db.execute("PRAGMA table_info(message_definitions)").fetchall():
        query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        definitions = {str(name): (str(kind), str(text)) for name, kind, text in db.execute(query)}
    for number, *texts in db.execute(
        f"SELECT id, name, type, serialization_format, {qos} FROM topics"
    ):
        topic, type_name, encoding, profiles = (str(each or "") for each in texts)
        language, definition = definitions.get(type_name, ("", ""))
        metadata = (("offered_qos_profiles", profiles),)
        language = language if definition.strip() else ""  # an empty definition counts as none
        schema = definition.encode()
        yield number, Channel(topic, type_name, schema, language, encoding, metadata)
