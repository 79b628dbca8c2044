"""Saves the good part of a damaged bag: every whole message before its end goes into a new file.

MCAP's records are read one after the other (mcap.dev/spec): an opcode, a length of 8 bytes, the
content. Reading ends at the first record that is longer than the rest of the file; if that record
is a chunk, the messages at its begin are saved too. A chunk with a wrong checksum is skipped, and
reading continues after it.

A complete end of the file helps: it repeats the definitions of topics, which are otherwise lost
with the chunk that has them, and it has the offset to continue at after a record of wrong length.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from mcap.opcode import Opcode
from mcap.records import Attachment as AttachmentRecord
from mcap.records import Channel as ChannelRecord
from mcap.records import Chunk, McapRecord, Metadata, Schema

from dsmq_nodes.bag.file.atomic import removed_if_unfinished
from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_index import salvage_summary
from dsmq_nodes.bag.file.mcap_reader import Record, channel_of, check_kind, opened
from dsmq_nodes.bag.file.mcap_records import (
    HEAD,
    MAGIC,
    MOST_UNPACKED,
    RawMessage,
    begin_of_chunk,
    inside,
    message_at,
    parsed,
    unpacked,
)
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.file.writing import BagWriter, bag_path


@dataclass(slots=True)
class Repaired:
    """The result of a repair.

    Attributes:
        path: the new file.
        messages: the number of messages in the new file.
        damaged: the number of chunks and records that were skipped.
        undefined: the number of messages skipped because their topic's definition is damaged.
        lost_bytes: the number of bytes at the end that were no complete record.
        of_cut_chunk: the number of messages saved from these bytes.
        whole: whether the file was undamaged.
    """

    path: Path
    messages: int = 0
    damaged: int = 0
    undefined: int = 0
    lost_bytes: int = 0
    of_cut_chunk: int = 0
    whole: bool = False


def repair(
    path: Path,
    output: Path,
    *,
    compression: Compression = "zstd",
    on_progress: Callable[[int], None] = lambda _: None,
) -> Repaired:
    """Write the good part of a file to a new one.

    Args:
        path: the file, which stays unchanged.
        output: the new file.
        compression: the compression of the new file.
        on_progress: called with the number of bytes read so far.

    Raises:
        BagError: the file is not an MCAP, or the new one cannot be written.
    """
    with opened(path) as stream:
        check_kind(path, stream)
        saved = bag_path(output)
        new = partial(BagWriter, saved, compression=compression, keeps_unfinished=False)
        with removed_if_unfinished(saved, new) as writer, writer:
            scan = _Scan(stream, path.stat().st_size, writer, Repaired(saved))
            scan.run(on_progress)
    return scan.repaired


class _Scan:
    """Reads a file, record by record."""

    def __init__(
        self, stream: IO[bytes], size_bytes: int, writer: BagWriter, repaired: Repaired
    ) -> None:
        self.repaired = repaired
        self._stream = stream
        self._size_bytes = size_bytes
        self._writer = writer
        summary = salvage_summary(stream, size_bytes)
        self._schemas = summary.schemas
        self._channels = {
            number: channel_of(each, summary.schemas.get(each.schema_id))
            for number, each in summary.channels.items()
        }
        self._places = deque(summary.places)

    def run(self, on_progress: Callable[[int], None]) -> None:
        """Read the whole file."""
        self._stream.seek(len(MAGIC))
        good = len(MAGIC)
        for opcode, content in self._contents():
            if opcode == Opcode.FOOTER:
                self.repaired.whole = not (self.repaired.damaged or self.repaired.undefined)
                return
            self._take(opcode, content)
            good = self._stream.tell()
            on_progress(good)
        self.repaired.lost_bytes = self._size_bytes - good
        self._take_cut(good)

    def _contents(self) -> Iterator[tuple[int, bytes]]:
        while len(head := self._stream.read(HEAD.size)) == HEAD.size:
            opcode, length = HEAD.unpack(head)
            at = self._stream.tell()
            place = self._next_place(at)
            if opcode > 0 and length <= (self._size_bytes if place is None else place) - at:
                yield opcode, self._stream.read(length)
            elif place is None:
                return
            else:
                self.repaired.damaged += 1
                self._stream.seek(place)

    def _next_place(self, at: int) -> int | None:
        """Return the next offset where a record is known to begin, or None."""
        while self._places and self._places[0] < at:
            self._places.popleft()
        return self._places[0] if self._places else None

    def _take_cut(self, at: int) -> None:
        """Save the begin of a chunk that continues after the end of a cut file."""
        self._stream.seek(at)
        head, rest = self._stream.read(HEAD.size), self._stream.read(MOST_UNPACKED)
        if len(head) < HEAD.size or rest.endswith(MAGIC):
            return
        opcode, length = HEAD.unpack(head)
        if opcode != Opcode.CHUNK:
            return
        before = self.repaired.messages
        with contextlib.suppress(ValueError):  # at the record that is cut
            data = begin_of_chunk(rest, length)
            for inner, begin, end in inside(data):
                self._save(_record(inner, data, begin, end))
        self.repaired.of_cut_chunk = self.repaired.messages - before

    def _take(self, opcode: int, content: bytes) -> None:
        try:
            if opcode != Opcode.CHUNK:
                self._save(_record(opcode, content, 0, len(content)))
                return
            chunk = parsed(opcode, content)
            assert isinstance(chunk, Chunk)
            data = unpacked(chunk)
            for inner, begin, end in inside(data):
                self._save(_record(inner, data, begin, end))
        except ValueError:
            self.repaired.damaged += 1

    def _save(self, record: McapRecord | RawMessage | None) -> None:
        match record:
            case RawMessage():
                channel = self._channels.get(record.channel_id)
                if channel is None:
                    self.repaired.undefined += 1
                    return
                times = record.log_time_ns, record.publish_time_ns
                self._writer.write_record(Record(channel, *times, record.sequence, record.data))
                self.repaired.messages += 1
            case Schema():
                self._schemas[record.id] = record
            case ChannelRecord():
                schema = self._schemas.get(record.schema_id)
                self._channels[record.id] = channel_of(record, schema)
            case AttachmentRecord():
                self._writer.attach(
                    Attachment(record.name, record.data, record.media_type, record.log_time)
                )
            case Metadata():
                self._writer.describe(record.name, record.metadata)
            case _:
                pass


def _record(opcode: int, data: bytes, begin: int, end: int) -> McapRecord | RawMessage | None:
    if opcode == Opcode.MESSAGE:
        return message_at(data, begin, end)
    return parsed(opcode, data[begin:end])
