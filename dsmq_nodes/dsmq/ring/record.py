"""A message in a ring (ring.py), and a message that was read from one."""

import struct
import zlib
from typing import Final

import msgspec

from dsmq_nodes.dsmq import wire
from dsmq_nodes.errors import OverwrittenError

RECORD: Final = struct.Struct("=QQQQQQI4x")
LENGTHS_SHIFT: Final = 32
_TIME: Final = 4


def checksum(message_id: int, text: bytes, raw: bytes | memoryview) -> int:
    """Return the checksum of a record, for processors that reorder writes; never 0."""
    return zlib.crc32(raw, zlib.crc32(text, message_id & 0xFFFFFFFF)) or 1


class Loan(msgspec.Struct, frozen=True):
    """Bytes that are still in a ring, where a writer will overwrite them sooner or later."""

    view: memoryview
    _reserve: memoryview  # RESERVE of the ring
    _last: int  # the bytes are overwritten once RESERVE is beyond this

    @property
    def is_whole(self) -> bool:
        """Whether the bytes are still whole; check this after reading them."""
        return bool(self._reserve[0] <= self._last)

    @property
    def has_time(self) -> bool:
        """Whether several more records of this size fit before the bytes are overwritten."""
        return bool(self._reserve[0] + _TIME * len(self.view) <= self._last)


class RingRecord(msgspec.Struct, gc=False):
    """A message as it was read: its place in the topic, its sender, its content.

    Its large field is in `raw`, or in `loan` when it is on loan.
    """

    id: int
    seq: int
    stamp: int
    at: int
    sender: str
    data: bytes
    field: str = ""
    raw: bytes = b""
    gap: int = 0
    loan: Loan | None = None

    @property
    def size_bytes(self) -> int:
        """The size of the message's text and large field, in bytes."""
        return len(self.data) + len(self.raw if self.loan is None else self.loan.view)

    @property
    def text(self) -> str:
        """The message as JSON, its large field included.

        Raises:
            OverwrittenError: the large field was on loan, and was overwritten.
        """
        if self.loan is None:
            return wire.whole_text(self.data.decode(), self.field, self.raw)
        text = wire.whole_text(self.data.decode(), self.field, self.loan.view)
        if not self.loan.is_whole:
            raise OverwrittenError(f"message {self.id} was overwritten while it was read")
        return text
