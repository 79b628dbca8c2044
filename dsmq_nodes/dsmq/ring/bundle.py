"""Consecutive records of one sender, copied from a ring (ring.py) at once and decoded later."""

from collections.abc import Iterator
from typing import Final, Self

from dsmq_nodes.dsmq.limits import MOST_NUMBER
from dsmq_nodes.dsmq.ring.record import LENGTHS_SHIFT, RECORD, RingRecord, checksum

_RAW: Final = (1 << LENGTHS_SHIFT) - 1


class RecordBundle:
    """Records as they lay in a ring; their content is not trusted.

    Attributes:
        sender: the sender of all of them.
        first_id: the id of the first record.
        count: the number of records.
        size_bytes: their size together.
    """

    __slots__ = ("_data", "count", "first_id", "sender")

    def __init__(self, data: "bytes | memoryview", first_id: int, count: int, sender: str) -> None:
        self._data, self.first_id = data, first_id
        self.count, self.sender = count, sender

    @property
    def size_bytes(self) -> int:
        """See the class."""
        return len(self._data)

    @property
    def size_of_first(self) -> int:
        """The size of the first record, in bytes."""
        return _size_at(self._data, 0)

    def split(self, count: int) -> Self:
        """Remove the first `count` records, and return them as a bundle of their own."""
        data, stop = memoryview(self._data), 0
        for _ in range(count):
            stop += _size_at(data, stop)
        front = type(self)(data[:stop], self.first_id, count, self.sender)
        self._data = data[stop:]
        self.first_id += count
        self.count -= count
        return front

    def records(self) -> Iterator[RingRecord | None]:
        """Yield the records; None for a record that cannot be right."""
        at = 0
        for message_id in range(self.first_id, self.first_id + self.count):
            yield self._record(at, message_id)
            at += _size_at(self._data, at)

    def _record(self, at: int, message_id: int) -> RingRecord | None:
        if at + RECORD.size > len(self._data):
            return None
        found, stamp, written, seq, check, lengths, names = RECORD.unpack_from(self._data, at)
        body = at + RECORD.size + names
        end = body + (lengths >> LENGTHS_SHIFT)
        stop = end + (lengths & _RAW)
        if found != message_id or (stamp | written | seq) > MOST_NUMBER or stop > len(self._data):
            return None
        text, raw = bytes(self._data[body:end]), bytes(self._data[end:stop])
        try:
            sender, _, field = str(self._data[body - names : body], "utf-8").partition("\0")
            text.decode()
        except UnicodeDecodeError:
            return None
        if sender != self.sender or (check and check != checksum(message_id, text, raw)):
            return None
        return RingRecord(message_id, seq, stamp, written, sender, text, field, raw)


def _size_at(data: "bytes | memoryview", at: int) -> int:
    """Return the size of the record at an offset; all the rest if the record is damaged."""
    rest = len(data) - at
    if rest < RECORD.size:
        return rest
    *_, lengths, names = RECORD.unpack_from(data, at)
    size: int = RECORD.size + names + (lengths >> LENGTHS_SHIFT) + (lengths & _RAW) + 7 & ~7
    return min(size, rest)
