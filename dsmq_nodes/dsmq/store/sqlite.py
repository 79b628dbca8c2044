"""Topics as logs in SQLite: append, read from a cursor, expire.

Messages are rows of a database (rows.py). ``seq`` counts all rows of the store. It orders the
messages of different topics, so order never depends on a clock.

Retention deletes old rows by time to live and by a byte budget, in slots of consecutive ``seq``;
over the budget the largest log gives first (retention.py). The newest rows of a latched log outlive
that: they are *held*. Held rows may take three quarters of the budget. Beyond that, rows are
released oldest first: those of publishers that have gone, then those of the publisher that holds
most.

A log may be forgotten when its topic has no readers and writers. Its ids continue when the topic
comes back, so a reader that resumes finds the new messages and counts those that it has missed.

Messages may come as a *bundle*, which is kept elsewhere and becomes rows when it is read
(bundles.py).

On a full disk the budget becomes a little less than what is stored, until the disk has room again:
messages go before their time, and new ones take their pages. The reserve file beside the
database is freed then, so that SQLite has room to delete. Puts are refused only where that is not
enough.

On a disk that fails, becomes read-only, or has lost or changed parts of the file, the store goes on
in memory.
"""

import contextlib
import heapq
import itertools
import logging
import sqlite3
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from dsmq_nodes.dsmq.store.bundles import Bundle, Bundles
from dsmq_nodes.dsmq.store.disk_reserve import DiskReserve
from dsmq_nodes.dsmq.store.retention import Retention
from dsmq_nodes.dsmq.store.rows import ROW_OVERHEAD_BYTES, Rows
from dsmq_nodes.errors import StoreError, StoreFullError

TTL_SEC: Final = 600.0
BUDGET_BYTES: Final = 64 * 1024 * 1024

logger = logging.getLogger("dsmq.broker")

_HELD_SHARE: Final = 0.75  # of the budget, for latched messages
_MOST_FORGOTTEN: Final = 10_000  # logs whose ids are remembered

_R = TypeVar("_R")
_P = ParamSpec("_P")


@dataclass(slots=True)
class StoredLog:
    """One topic's log; it has the ids `first_id` to `last_id`, none if first > last."""

    name: str
    number: int
    first_id: int = 1
    last_id: int = 0
    last_seq: int = 0
    latched: int = 0
    owner: object = None  # the publisher of the latched messages; None: it has gone
    due_seq: int = 0  # seq of the oldest row that is not held; 0: there is none
    held_to: int = 0  # ids up to this are held: latched, and older than their time
    held_bytes: int = 0
    bundles: Bundles = field(default_factory=Bundles)


def _else_in_memory(
    read: Callable[Concatenate["Store", _P], _R],
) -> Callable[Concatenate["Store", _P], _R]:
    """Read again from memory if the disk fails."""

    @wraps(read)
    def reads(store: "Store", /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return read(store, *args, **kwargs)
        except sqlite3.DatabaseError as error:
            store._go_on_in_memory(error)  # noqa: SLF001  it is a method of the store
            return read(store, *args, **kwargs)

    return reads


class Store:
    """The logs of one broker."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        ttl_sec: float = TTL_SEC,
        budget_bytes: int = BUDGET_BYTES,
        now: float = 0.0,
        wall_clock: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Open a store.

        Args:
            path: the database's file, which is made if it does not exist; None: in memory.
            ttl_sec: how long messages are kept.
            budget_bytes: the approximate limit for the size of all messages.
            now: the monotonic time, in seconds, as given to `append` and `expire`.
            wall_clock: returns the wall clock's seconds; a file needs it, so that a later run knows
                how old the messages are.

        Raises:
            StoreError: the file cannot be used.
        """
        self.durable = path is not None
        self.epoch = uuid.uuid4().hex[:12]
        self.ttl_sec = ttl_sec
        self.budget_bytes = self._usual_budget_bytes = budget_bytes
        self.last_seq = 0
        self.logs: dict[str, StoredLog] = {}
        self._last_number = 0  # the highest number of a log
        self._free_numbers: list[int] = []
        # of logs without rows, kept for their ids: number and last id
        self._forgotten: dict[str, tuple[int, int]] = {}
        self._floor = 0  # no log that is not even remembered had an id above this
        self._held_bytes = 0
        self._wall_clock = wall_clock
        self._changed: dict[int, StoredLog] = {}  # logs whose row in `topic` has changed
        self._pending: list[tuple[StoredLog, int, bytes, float]] = []
        self._reserve: DiskReserve | None = None
        try:
            self._reserve = DiskReserve(path) if path is not None else None
            # On a full disk there must be room in the reserve to delete one slot.
            most_bytes = budget_bytes if self._reserve is None else 4 * self._reserve.size_bytes
            self._slots = Retention(ttl_sec, min(budget_bytes, most_bytes))
            # The reserve must hold the WAL several times over, so that the WAL can be folded into
            # the database. The larger the WAL, the more rarely SQLite waits for the disk.
            wal_bytes = 0 if self._reserve is None else self._reserve.size_bytes // 4
            self._rows = Rows(path, wal_bytes)
            if self._reserve is not None:
                self._load(now)
                self._reserve.allocate()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"cannot use {path} as a store: {error}{_hint(error)}") from None

    def _load(self, now: float) -> None:
        """Load the logs of an earlier run."""
        self.epoch = self._rows.epoch(self.epoch)
        for number, name, first_id, last_id, latched in self._rows.topics():
            if number == 0:
                self._floor = last_id
                continue
            self.logs[name] = StoredLog(name, number, first_id, last_id, 0, latched)
            self._last_number = max(self._last_number, number)
        by_number = {log.number: log for log in self.logs.values()}
        openings = deque(self._rows.slots())
        wall_now = self._wall_clock()
        for seq, number, message_id, size in self._rows.places():
            log = by_number[number]
            log.last_id = max(log.last_id, message_id)
            log.last_seq = self.last_seq = seq
            log.due_seq = log.due_seq or seq
            opened_sec = None if self._slots else now
            while openings and openings[0][0] <= seq:  # the rows that began earlier slots have gone
                opened_sec = now - max(wall_now - openings.popleft()[1], 0.0)
            if opened_sec is not None:
                self._slots.open(seq, opened_sec)
            self._slots.extend(number, seq, size)

    def close(self) -> None:
        """Close the database."""
        if self._reserve is not None:
            self._reserve.free()
            with contextlib.suppress(sqlite3.DatabaseError), self._transaction():
                pass  # writes the changed logs
        self._rows.close()

    @property
    def stored_bytes(self) -> int:
        """The size of the stored messages, in bytes."""
        return self._slots.size_bytes + self._held_bytes

    @property
    def uncommitted(self) -> int:
        """The number of appends since the last `commit`."""
        return len(self._pending)

    def log(self, name: str) -> StoredLog:
        """Return the log of a topic; it is made if there is none yet."""
        found = self.logs.get(name)
        if found is None:
            forgotten = self._forgotten.pop(name, None)
            number, last_id = forgotten or (self._new_number(), self._floor)
            self.logs[name] = found = StoredLog(name, number, last_id + 1, last_id)
            self._mark_changed(found)
        return found

    def _new_number(self) -> int:
        if self._free_numbers:
            return self._free_numbers.pop()
        self._last_number += 1
        return self._last_number

    def forget(self, logs: Sequence[StoredLog]) -> None:
        """Delete logs with their messages; call `commit` before."""
        # On a full disk they are deleted later.
        with contextlib.suppress(sqlite3.DatabaseError), self._transaction(logs):
            for log in logs:
                self._delete_rows(log, log.last_id + 1)
        for log in logs:
            if log.first_id > log.last_id:
                self._remember(log)

    def _remember(self, log: StoredLog) -> None:
        del self.logs[log.name]
        self._count_held(log, -log.held_bytes)
        if log.last_id == 0:  # the topic never had a message
            self._free_number(log.number)
            return
        log.latched = 0
        self._mark_changed(log)
        self._forgotten[log.name] = log.number, log.last_id
        if len(self._forgotten) > _MOST_FORGOTTEN:
            number, last_id = self._forgotten.pop(next(iter(self._forgotten)))
            self._floor = max(self._floor, last_id)
            self._mark_changed(StoredLog("", 0, self._floor + 1, self._floor))
            self._free_number(number)

    def _free_number(self, number: int) -> None:
        self._changed.pop(number, None)
        self._free_numbers.append(number)
        if self.durable:
            # the next log with this number replaces the row
            with contextlib.suppress(sqlite3.DatabaseError):
                self._rows.delete_topic(number)

    def set_latched(self, log: StoredLog, latched: int) -> None:
        """Keep at least the newest `latched` messages of a log."""
        if latched > log.latched:
            while log.bundles:
                self.unpack(log, log.first_id - 1)
            log.latched = latched
            self._mark_changed(log)

    def append(self, log: StoredLog, frame: bytes, now: float) -> int:
        """Add a frame, with the id `log.last_id`; it can be read after the next `commit`."""
        log.last_id = message_id = log.last_id + 1
        self.last_seq += 1
        self._pending.append((log, message_id, frame, now))
        return message_id

    def append_bundle(
        self, log: StoredLog, bundle: Bundle[_R], to_frame: Callable[[_R], bytes], now: float
    ) -> None:
        """Add a bundle of messages to a log in memory that is not latched."""
        self.commit()
        first_seq = self.last_seq + 1
        log.bundles.add(log.last_id + 1, first_seq, bundle, to_frame)
        log.last_id += bundle.count
        self.last_seq = log.last_seq = self.last_seq + bundle.count
        log.due_seq = log.due_seq or first_seq
        size_bytes = bundle.size_bytes + bundle.count * ROW_OVERHEAD_BYTES
        self._slots.add(log.number, first_seq, size_bytes, now)
        self._slots.extend(log.number, log.last_seq, 0)
        if self.stored_bytes > self.budget_bytes:
            self._drop_slots(float("-inf"))

    def unpack(self, log: StoredLog, after: int) -> bool:
        """Make rows of the first bundled messages after an id; False if all of them were gone."""
        taken = log.bundles.take_behind(after)
        if taken is None:
            return True
        first_id, first_seq, frames = taken.first_id, taken.first_seq, list(taken.frames())
        more_bytes = sum(map(len, frames)) - taken.bundle.size_bytes
        self._slots.grow(log.number, first_seq, more_bytes)
        with self._transaction():
            self._rows.insert(
                (log.number, first_id + more, first_seq + more, frame)
                for more, frame in enumerate(frames)
            )
        if b"" in frames:  # a frame is damaged or gone, and ids have no holes
            first_id += len(frames) - frames[::-1].index(b"")
            self.forget_before(log, first_id)
        return first_id <= taken.last_id

    def forget_before(self, log: StoredLog, message_id: int) -> None:
        """Drop the rows before an id; call `commit` before this."""
        with self._transaction():
            self._delete_rows(log, message_id)
        log.first_id = message_id

    def commit(self) -> None:
        """Write the appends, in one transaction.

        Raises:
            StoreFullError: the disk is full, and without the older messages it has no room for
                these appends either; they are undone.
        """
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        seq = self.last_seq - len(pending)
        while True:
            try:
                with self._transaction():
                    self._rows.insert(
                        (log.number, message_id, row_seq, frame)
                        for row_seq, (log, message_id, frame, _) in enumerate(pending, seq + 1)
                    )
                break
            except sqlite3.DatabaseError as error:
                self.last_seq = seq
                for log, message_id, _, _ in reversed(pending):
                    log.last_id = message_id - 1
                if not self._lower_budget():
                    self._go_on_in_memory(error)
                self.last_seq += len(pending)
                for log, message_id, _, _ in pending:
                    log.last_id = message_id
        self._count(pending, seq)
        if self.stored_bytes > self.budget_bytes:
            self._drop_slots(float("-inf"))

    def _lower_budget(self) -> bool:
        """Delete the oldest messages, since the disk is full; return whether to write again."""
        if self._reserve is None:
            return False
        before_bytes, was_usual = self.stored_bytes, self.budget_bytes == self._usual_budget_bytes
        with contextlib.suppress(sqlite3.DatabaseError):  # the disk is not full, but fails
            most_bytes = self._reserve.make_room(self._rows.database)
            # A batch that does not fit into this does not cost all older messages.
            self.budget_bytes = max(before_bytes * 7 // 8, most_bytes // 4)
            self._drop_slots(float("-inf"))
            self._release()
        is_lower = self.stored_bytes < before_bytes
        if is_lower and was_usual and self.durable:
            logger.warning(
                "the disk of the store is full, with %.1f MiB of messages: until it has room "
                "again, some go before their time",
                before_bytes / (1 << 20),
            )
        return is_lower or not self.durable

    def _go_on_in_memory(self, error: sqlite3.DatabaseError) -> None:
        """Leave a disk that fails; take along the messages, if it gives them and they fit.

        Raises:
            StoreFullError: it does not fail, it is full.
        """
        if not self.durable or error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise StoreFullError(f"the broker's store has no room: {error}") from error
        logger.error(
            "the disk of the store fails (%s): messages are in memory alone from now on; mend the "
            "disk, then start the broker again",
            error,
        )
        failed, self._rows = self._rows, Rows(None, 0)
        self._reserve, self.durable = None, False
        self.budget_bytes = self._usual_budget_bytes = min(self._usual_budget_bytes, BUDGET_BYTES)
        self._changed.clear()
        fits = self.stored_bytes <= self.budget_bytes
        if not (fits and self._rows.copy_messages(failed)):
            self._slots, self._held_bytes = Retention(self.ttl_sec, self.budget_bytes), 0
            for log in self.logs.values():
                log.first_id, log.due_seq = log.last_id + 1, 0
                log.held_to = log.held_bytes = 0
        with contextlib.suppress(sqlite3.DatabaseError):
            failed.close()

    def _count(self, rows: list[tuple[StoredLog, int, bytes, float]], seq: int) -> None:
        """Add the written rows after `seq` to their slots."""
        for log, _, frame, at_sec in rows:
            seq += 1
            begins = self._slots.add(log.number, seq, len(frame) + ROW_OVERHEAD_BYTES, at_sec)
            if begins and self.durable:
                # a full disk: the slot expires later
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._rows.keep_slot(seq, self._wall_clock())
            log.last_seq = seq
            log.due_seq = log.due_seq or seq

    def expire(self, now: float) -> None:
        """Delete messages that are older than their time to live."""
        if self._reserve is not None and self._reserve.grow_again(self._rows.database):
            self.budget_bytes = self._usual_budget_bytes
        self._drop_slots(now - self.ttl_sec)

    def read(
        self, log: StoredLog, after: int, *, limit: int = 1000, limit_bytes: int = 256 * 1024
    ) -> list[tuple[int, bytes]]:
        """Return committed frames with id > `after`, oldest first: (id, frame); one at least."""
        found = self.read_merged([(log, after)], limit=limit, limit_bytes=limit_bytes)
        return [(message_id, frame) for _, message_id, frame in found]

    @_else_in_memory
    def read_merged(
        self,
        places: Sequence[tuple[StoredLog, int]],
        *,
        limit: int = 1000,
        limit_bytes: int = 256 * 1024,
    ) -> list[tuple[int, int, bytes]]:
        """Do as `read` for several logs, in order of appending; return (log's number, id, frame).

        From each log at most one row is read beyond the returned ones.
        """
        scans = [self._scan(log, after) for log, after in places]
        found: list[tuple[int, int, bytes]] = []
        size = 0
        for _, number, message_id, frame in scans[0] if len(scans) == 1 else heapq.merge(*scans):
            if frame is None:
                break
            found.append((number, message_id, frame))
            size += len(frame)
            if size >= limit_bytes or len(found) == limit:
                break
        for scan in scans:
            scan.close()
        return found

    def _scan(self, log: StoredLog, after: int) -> Generator[tuple[int, int, int, bytes | None]]:
        """Yield the rows after an id, in order; a None ends them where bundled ones follow."""
        while log.bundles and not self.unpack(log, after):
            pass
        bundled = log.bundles.first_behind(after)
        stop_id = log.last_id + 1 if bundled is None else bundled[0]
        rows = self._rows.scan(log.number, after + 1, stop_id)
        try:
            yield from rows
        finally:
            rows.close()
        if bundled is not None:
            yield bundled[1], log.number, stop_id, None

    @_else_in_memory
    def last_id_at(self, log: StoredLog, seq: int) -> int:
        """Return the newest id of `log` at the time when the store was at `seq`.

        A peer may read puts from after its connection; those begin after this id.
        """
        if log.last_seq <= seq:
            return log.last_id
        low, high = log.first_id - 1, log.last_id
        while low < high:
            middle = (low + high + 1) // 2
            found = log.bundles.seq_of(middle) or self._rows.seq_of(log.number, middle)
            if found is None or found <= seq:
                low = middle
            else:
                high = middle - 1
        return low

    def _drop_slots(self, before_sec: float) -> None:
        while due := self._slots.past(before_sec, self.budget_bytes - self._held_bytes):
            failed = self._delete(*due)
            if failed and self._reserve is not None:
                with contextlib.suppress(sqlite3.DatabaseError):  # the disk is not full, but fails
                    self._reserve.make_room(self._rows.database)
                failed = self._delete(*due)
            if failed:
                with contextlib.suppress(StoreFullError):  # tried again in a second
                    self._go_on_in_memory(failed)
                break
            self._slots.drop(*due)
            self._release()

    def _delete(self, upto_seq: int, number: int | None) -> sqlite3.DatabaseError | None:
        """Delete the rows of one log or all up to a seq; return why that failed, None if not."""
        due = [
            log
            for log in self.logs.values()
            if 0 < log.due_seq <= upto_seq and number in {None, log.number}
        ]
        try:
            with self._transaction(due):
                for log in due:
                    self._drop_rows(log, upto_seq)
                if number is None:
                    self._rows.delete_slots(upto_seq)
        except sqlite3.DatabaseError as error:
            return error
        return None

    def _drop_rows(self, log: StoredLog, upto_seq: int) -> None:
        """Delete a log's rows up to a seq; latched rows are held from now on."""
        begin_id = max(log.first_id, log.held_to + 1)
        end_id = log.last_id + 1
        found = self._rows.first_after(log.number, begin_id, end_id, upto_seq)
        due_id, due_seq = found or (end_id, 0)
        if (bundled := log.bundles.first_after(upto_seq)) is not None and bundled[0] < due_id:
            due_id, due_seq = bundled
        stop_id = min(due_id, log.last_id - log.latched + 1)
        self._delete_rows(log, stop_id)
        if due_id > (begin_id := max(begin_id, log.first_id)):
            self._count_held(log, self._rows.size(log.number, begin_id, due_id))
        log.held_to, log.due_seq = due_id - 1, due_seq

    def _delete_rows(self, log: StoredLog, stop_id: int) -> None:
        """Delete a log's rows before an id."""
        if stop_id <= log.first_id:
            return
        if log.held_bytes:
            held = self._rows.size(log.number, log.first_id, min(stop_id, log.held_to + 1))
            self._count_held(log, -min(held, log.held_bytes))
        log.bundles.drop_before(stop_id)
        self._rows.delete(log.number, log.first_id, stop_id)
        log.first_id = stop_id
        self._mark_changed(log)

    def _count_held(self, log: StoredLog, size_bytes: int) -> None:
        log.held_bytes += size_bytes
        self._held_bytes += size_bytes

    def _release(self) -> None:
        """Release held rows beyond their share; those of publishers that have gone come first."""
        most = int(self.budget_bytes * _HELD_SHARE)
        if self._held_bytes <= most:
            return
        by_owner: dict[object, list[StoredLog]] = {}
        for log in self.logs.values():
            if log.held_bytes:
                by_owner.setdefault(log.owner, []).append(log)
        gone = by_owner.pop(None, [])
        rest = sorted(by_owner.values(), key=lambda logs: -sum(log.held_bytes for log in logs))
        excess = self._held_bytes - most + most // 8  # so that it is not due again at once
        held = [*gone, *itertools.chain(*rest)]
        with contextlib.suppress(sqlite3.DatabaseError), self._transaction(held):
            for logs in (gone, *rest):
                for keeps in (1, 0):  # the newest row of each log goes last
                    for log in sorted(logs, key=lambda log: log.last_seq):
                        if excess <= 0:
                            break
                        excess -= self._release_rows(log, excess, keeps)

    def _release_rows(self, log: StoredLog, excess: int, keeps: int) -> int:
        """Delete a log's oldest held rows, as many as needed; return the freed bytes."""
        freed, stop_id = 0, log.first_id
        for message_id, size in self._rows.sizes(log.number, stop_id, log.held_to + 1 - keeps):
            freed, stop_id = freed + size, message_id + 1
            if freed >= excess:
                break
        self._delete_rows(log, stop_id)
        return freed

    def _mark_changed(self, log: StoredLog) -> None:
        """Write a log's state with the next transaction, for a later run."""
        if self.durable:
            self._changed[log.number] = log

    @contextlib.contextmanager
    def _transaction(self, logs: Iterable[StoredLog] = ()) -> Iterator[None]:
        """Run one transaction; if it fails, `logs` are restored."""
        before = [(log, log.first_id, log.due_seq, log.held_to, log.held_bytes) for log in logs]
        held_bytes = self._held_bytes
        try:
            with self._rows.transaction():
                yield
                if changed := self._changed.values():
                    self._rows.keep_topics(
                        (x.number, x.name, x.first_id, x.last_id, x.latched) for x in changed
                    )
        except BaseException:
            for log, *state in before:
                log.first_id, log.due_seq, log.held_to, log.held_bytes = state
            self._held_bytes = held_bytes
            raise
        self._changed.clear()


def _hint(error: Exception) -> str:
    """Return what to do about a file that cannot be used."""
    text = str(error)
    if "locked" in text:
        return ": is another broker using it?"
    if "not a database" in text:
        return ": it is a file of another kind; give the name of a new file, which is made"
    if "malformed" in text or "its format" in text:
        return "; move it away, or name another: a new one is made, without its messages"
    if "unable to open" in text or "disk I/O" in text:
        return ": is it a folder, a device, or a file that this user may not write?"
    return ": is its folder there?" if isinstance(error, FileNotFoundError) else ""
