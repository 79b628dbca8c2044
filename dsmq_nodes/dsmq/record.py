"""A message as it was read from a ring (ring.py)."""

import msgspec

from dsmq_nodes.dsmq import wire


class Record(msgspec.Struct, gc=False):
    """A message as it was read: where it stands in the topic, whose it is, what it says."""

    id: int
    seq: int
    stamp: int
    sender: str
    data: bytes
    field: str = ""
    raw: bytes = b""
    gap: int = 0

    @property
    def text(self) -> str:
        """The message as JSON, its large field included."""
        return wire.whole_text(self.data.decode(), self.field, self.raw)
