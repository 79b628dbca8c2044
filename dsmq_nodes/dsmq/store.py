"""Topics as logs in SQLite: append, read from a cursor, retention.

A row's key is ``topic number << 40 | id``: one clustered b-tree, in which a topic's log is a
contiguous range and reading on from a cursor is a range scan. ``seq`` counts all rows of the
store; it orders messages of different topics, so that no clock is ever asked for order.

Retention is oldest first, by time to live and by a byte budget. Rows are grouped into *slots*
of consecutive ``seq`` (the deque below, some thousand entries at most), and whole slots expire.
The newest rows of a latched log stay.
"""

import contextlib
import sqlite3
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Final

from dsmq_nodes.errors import StoreFullError

TTL_SEC: Final = 600.0
BUDGET_BYTES: Final = 64 * 1024 * 1024

_ID_BITS: Final = 40
_ROW_OVERHEAD_BYTES: Final = 24  # key, seq and b-tree cell of one row, about
_SLOTS_IN_BUDGET: Final = 64
_SLOTS_IN_TTL: Final = 60


@dataclass(slots=True)
class Log:
    """One topic's log: what of it is kept is ids `first_id` to `last_id`; none if first > last."""

    name: str
    number: int
    first_id: int = 1
    last_id: int = 0
    last_seq: int = 0
    latched: int = 0

    def key(self, message_id: int) -> int:
        """The row key of an id of this log."""
        return self.number << _ID_BITS | message_id


@dataclass(slots=True)
class _Slot:
    last_seq: int
    opened_at_sec: float
    last_at_sec: float
    size_bytes: int = 0


class Store:
    """The logs of one broker, in memory."""

    def __init__(self, *, ttl_sec: float = TTL_SEC, budget_bytes: int = BUDGET_BYTES) -> None:
        self.epoch = uuid.uuid4().hex[:12]
        self.ttl_sec = ttl_sec
        self.budget_bytes = budget_bytes
        self.stored_bytes = 0
        self.last_seq = 0
        self.logs: dict[str, Log] = {}
        self._pending: list[tuple[int, int, bytes]] = []
        self._slots: deque[_Slot] = deque()
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute("CREATE TABLE message (key INTEGER PRIMARY KEY, seq INTEGER, frame BLOB)")

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def log(self, name: str) -> Log:
        """The log of a topic, made when it is not there yet."""
        found = self.logs.get(name)
        if found is None:
            found = self.logs[name] = Log(name, len(self.logs) + 1)
        return found

    def append(self, log: Log, frame: bytes, now: float) -> None:
        """Add a frame as id `log.last_id + 1`; it is written with the next `commit`."""
        log.last_id += 1
        self.last_seq += 1
        log.last_seq = self.last_seq
        self._pending.append((log.key(log.last_id), self.last_seq, frame))
        size = len(frame) + _ROW_OVERHEAD_BYTES
        slot = self._slots[-1] if self._slots else None
        if (
            slot is None
            or slot.size_bytes + size > self.budget_bytes // _SLOTS_IN_BUDGET
            or now - slot.opened_at_sec > self.ttl_sec / _SLOTS_IN_TTL
        ):
            slot = _Slot(self.last_seq, now, now)
            self._slots.append(slot)
        slot.last_seq, slot.last_at_sec = self.last_seq, now
        slot.size_bytes += size
        self.stored_bytes += size

    def commit(self) -> None:
        """Write what was appended, in one transaction.

        Raises:
            StoreFullError: nothing of it could be written.
        """
        if not self._pending:
            return
        rows, self._pending = self._pending, []
        try:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO message VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("ROLLBACK")
            raise StoreFullError(f"the broker's store refused {len(rows)} puts: {error}") from error
        if self.stored_bytes > self.budget_bytes:
            self._drop_slots(float("-inf"))

    def expire(self, now: float) -> None:
        """Let go of what is past its time to live."""
        self.commit()
        self._drop_slots(now - self.ttl_sec)

    def read(
        self, log: Log, after: int, *, limit: int = 1000, limit_bytes: int = 256 * 1024
    ) -> list[tuple[int, bytes]]:
        """Frames of a log with id > `after`, oldest first: (id, frame), at least one if any is."""
        self.commit()
        rows = self._db.execute(
            "SELECT key, frame FROM message WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
            (log.key(after), log.key(log.last_id), limit),
        )
        found: list[tuple[int, bytes]] = []
        size = 0
        base = log.key(0)
        for key, frame in rows:
            found.append((key - base, frame))
            size += len(frame)
            if size >= limit_bytes:
                break
        rows.close()
        return found

    def last_id_at(self, log: Log, seq: int) -> int:
        """The newest id that `log` had when the whole store was at `seq`.

        A peer may read what was put after it connected: this gives where that begins.
        """
        if log.last_seq <= seq:
            return log.last_id
        self.commit()
        low, high = log.first_id - 1, log.last_id
        while low < high:
            middle = (low + high + 1) // 2
            row = self._db.execute(
                "SELECT seq FROM message WHERE key = ?", (log.key(middle),)
            ).fetchone()
            if row is None or row[0] <= seq:
                low = middle
            else:
                high = middle - 1
        return low

    def _drop_slots(self, before_sec: float) -> None:
        upto_seq = 0
        while self._slots and (
            self._slots[0].last_at_sec < before_sec or self.stored_bytes > self.budget_bytes
        ):
            slot = self._slots.popleft()
            upto_seq = slot.last_seq
            self.stored_bytes -= slot.size_bytes
        if upto_seq:
            for log in self.logs.values():
                self._drop_rows(log, upto_seq)

    def _drop_rows(self, log: Log, upto_seq: int) -> None:
        stop_id = log.last_id - log.latched + 1  # the first id that stays in any case
        row = self._db.execute(
            "SELECT key FROM message WHERE key >= ? AND key < ? AND seq > ? ORDER BY key LIMIT 1",
            (log.key(log.first_id), log.key(stop_id), upto_seq),
        ).fetchone()
        if row is not None:
            stop_id = row[0] - log.key(0)
        if stop_id > log.first_id:
            self._db.execute(
                "DELETE FROM message WHERE key >= ? AND key < ?",
                (log.key(log.first_id), log.key(stop_id)),
            )
            log.first_id = stop_id
