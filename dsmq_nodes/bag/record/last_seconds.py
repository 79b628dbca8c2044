"""The last messages in memory, which a flight recorder keeps until a process fails.

Messages come in batches, one topic after another, so the first to arrive is not the oldest. The
kept messages are cut at one time for all topics when they are written.
"""

from collections import deque
from typing import Final

from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.writing import BagWriter
from dsmq_nodes.bag.latched import Latched

MOST_BYTES: Final = 256 << 20
_OVERHEAD_BYTES: Final = 200  # of a record in memory, about


class LastSeconds:
    """Keeps the messages of the last seconds, and the last messages of latched topics.

    Attributes:
        messages: the number of messages written, including those already dropped.
        size_bytes: the approximate size of the messages in memory.
    """

    def __init__(self, duration_sec: float, most_bytes: int = MOST_BYTES) -> None:
        """Keep messages of `duration_sec`, in at most about `most_bytes` of memory."""
        self.messages = 0
        self.size_bytes = 0
        self._duration_ns = round(duration_sec * 1e9)
        self._most_bytes = most_bytes
        self._records: deque[Record] = deque()
        self._latched = Latched()
        self._begins_ns = 0  # older messages are outside of the window, or incomplete

    def write_record(self, record: Record) -> None:
        """Add a message; the oldest are dropped."""
        self._records.append(record)
        self.messages += 1
        self.size_bytes += len(record.data) + _OVERHEAD_BYTES
        self._begins_ns = max(self._begins_ns, record.log_time_ns - self._duration_ns)
        while self._records and (
            self._records[0].log_time_ns < self._begins_ns or self.size_bytes > self._most_bytes
        ):
            removed = self._records.popleft()
            self.size_bytes -= len(removed.data) + _OVERHEAD_BYTES
            self._begins_ns = max(self._begins_ns, removed.log_time_ns + 1)
            self._latched.take(removed)

    def flush(self) -> None:
        """Do nothing: the messages are in memory."""

    def dump(self, writer: BagWriter) -> int:
        """Write the messages of the last seconds, and return how many there were.

        Older latched messages are written with the time at which the window begins.
        """
        kept, before = [], Latched()  # the window stays as it is, for another failure
        for record in (*self._latched.records(), *self._records):
            if record.log_time_ns >= self._begins_ns:
                kept.append(record)
            else:
                before.take(record)
        latched = [each._replace(log_time_ns=self._begins_ns) for each in before.records()]
        for record in (*latched, *kept):
            writer.write_record(record)
        return len(latched) + len(kept)
