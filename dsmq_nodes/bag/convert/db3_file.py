"""Reads one SQLite file of a ROS 2 bag: its messages as they are, in CDR."""

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record, channel_counts
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError

MAGIC: Final = b"SQLite format 3\0"
_NS: Final = range(-(1 << 63), 1 << 63)
# In a damaged file a time may be a text or bytes, which sort after all numbers.
_HAS_TIME: Final = "typeof(timestamp) = 'integer'"


class Db3File:
    """One file of a bag.

    Attributes:
        path: where it is.
        start_ns: the time of the first message; None: there is none.
        end_ns: the time of the last message; None: there is none.
    """

    def __init__(self, path: Path, omitted: Omitted) -> None:
        """Open a file.

        Args:
            path: where it is.
            omitted: gets what is not read.

        Raises:
            BagError: it is not a bag, or is damaged.
        """
        self.path = path
        with self._open() as db:
            self._channels = dict(_channels(db))
            query = f"SELECT topic_id, COUNT(*) FROM messages WHERE {_HAS_TIME} GROUP BY topic_id"
            self._counts = dict(db.execute(query))
            query = f"SELECT MIN(timestamp), MAX(timestamp) FROM messages WHERE {_HAS_TIME}"
            self.start_ns, self.end_ns = db.execute(query).fetchone()
            (rows,) = db.execute("SELECT COUNT(*) FROM messages").fetchone()
        counted = sum(self._counts.values())
        known = sum(each.messages for each in self.counts())
        for count, reason in (
            (rows - counted, "whose time is no integer"),
            (counted - known, "of a topic that is not in its table of topics"),
        ):
            if count:
                omitted.note(f"left out: {path}: {count} messages {reason}")

    def counts(self) -> list[ChannelCount]:
        """Its channels."""
        return channel_counts(self._channels, self._counts)

    def compression(self) -> str:
        """The compression of its messages."""
        return "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Its messages by time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: it is damaged.
        """
        query = "SELECT topic_id, timestamp, data FROM messages"
        query += f" WHERE timestamp BETWEEN ? AND ? AND {_HAS_TIME}"
        last_ns = _NS[-1] if end_ns is None else min(end_ns, _NS[-1] + 1) - 1
        times = _NS[0] if start_ns is None else min(start_ns, _NS[-1]), last_ns
        with self._open() as db:
            for number, time_ns, data in db.execute(f"{query} ORDER BY timestamp, id", times):
                channel = self._channels.get(number)
                if channel is not None and (topics is None or channel.topic in topics):
                    yield Record(channel, time_ns, time_ns, 0, _as_bytes(data))

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # The log of a recorder that was killed is read, too; without one nothing beside the
        # file is touched, which may be on a read-only disk.
        has_log = self.path.with_name(f"{self.path.name}-wal").exists()
        mode = "mode=ro" if has_log else "mode=ro&immutable=1"
        try:
            with contextlib.closing(
                sqlite3.connect(
                    f"file:{quote(str(self.path))}?{mode}", uri=True, check_same_thread=False
                )
            ) as db:
                db.text_factory = lambda data: data.decode(errors="backslashreplace")
                yield db
        except (sqlite3.Error, OverflowError, ValueError, MemoryError) as error:
            hint = ""
            if type(error) is sqlite3.DatabaseError:
                hint = f"; `sqlite3 {self.path} .recover` may save a part of it, this kit cannot"
            raise BagError(f"{self.path} cannot be read as a ROS 2 bag: {error}{hint}") from None


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
        language = language if definition.strip() else ""  # as where it was not found
        schema = definition.encode()
        yield number, Channel(topic, type_name, schema, language, encoding, metadata)
