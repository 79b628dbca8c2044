"""Writes the records of an MCAP file (mcap.dev/spec): chunks of messages, indexes, a summary.

MCAP's own writer compresses a chunk as a whole, in blocks of 128 kB (zstd) or 64 kB (lz4). A block
that is cut off cannot be read at all: its bits are read from its end. This writer ends blocks at
message ends: a large message has its own block, small messages share blocks of `_BLOCK_BYTES`. A
file that is cut anywhere thus loses only the message at the cut, or a few small ones. One block for
each message would double the size of a file of small messages; these blocks add at most a fifth,
and nothing with pictures.
"""

import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Final, Literal, Protocol

import lz4.frame
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Attachment,
    AttachmentIndex,
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from dsmq_nodes.bag.file.mcap_records import HEAD, MAGIC

Compression = Literal["none", "lz4", "zstd"]
_BLOCK_BYTES: Final = 4096
_MESSAGE: Final = struct.Struct("<BQHIQQ")  # with its head
_FOOTER: Final = struct.Struct("<BQQQ")  # without its checksum


class Output(Protocol):
    """The file object that a `RecordWriter` writes to."""

    def write(self, data: bytes, /) -> int:
        """Append all of the data."""

    def tell(self) -> int:
        """Return the size so far."""


class _OpenChunk:
    """Messages that are not in the file yet."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.blocks = [0]  # their end offsets
        self.indexes: dict[int, MessageIndex] = {}
        self.start_ns = self.end_ns = 0

    def add(self, record: bytes) -> None:
        """Append a record."""
        is_large = len(record) >= _BLOCK_BYTES
        if is_large:
            self._end_block()
        self.data += record
        if is_large or len(self.data) - self.blocks[-1] >= _BLOCK_BYTES:
            self._end_block()

    def index(self, channel: int, log_time_ns: int) -> None:
        """Add the next record, a message, to the index."""
        self.start_ns = min(self.start_ns, log_time_ns) if self.indexes else log_time_ns
        self.end_ns = max(self.end_ns, log_time_ns)
        found = self.indexes.setdefault(channel, MessageIndex(channel_id=channel, records=[]))
        found.records.append((log_time_ns, len(self.data)))

    def pieces(self) -> Iterator[memoryview]:
        """Return the data, block by block."""
        self._end_block()
        view = memoryview(self.data)
        return (view[begin:end] for begin, end in pairwise(self.blocks))

    def _end_block(self) -> None:
        if len(self.data) > self.blocks[-1]:
            self.blocks.append(len(self.data))


def _zstd(chunk: _OpenChunk) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj(size=len(chunk.data))
    packed = b"".join(
        packer.compress(each) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        for each in chunk.pieces()
    )
    return packed + packer.flush()


def _lz4(chunk: _OpenChunk) -> bytes:
    packer = lz4.frame.LZ4FrameCompressor(auto_flush=True)
    packed: bytes = packer.begin(len(chunk.data))
    packed += b"".join(packer.compress(each) for each in chunk.pieces())
    return packed + bytes(packer.flush())


_PACKERS: Final[Mapping[Compression, tuple[str, Callable[[_OpenChunk], bytes]]]] = {
    "none": ("", lambda chunk: bytes(chunk.data)),
    "lz4": ("lz4", _lz4),
    "zstd": ("zstd", _zstd),
}


class RecordWriter:
    """An MCAP file that is being written."""

    def __init__(self, output: Output, compression: Compression, chunk_bytes: int) -> None:
        """Write nothing yet; a chunk ends at `chunk_bytes` bytes, before compression."""
        self._output, self._chunk_bytes = output, chunk_bytes
        self._kind, self._pack = _PACKERS[compression]
        self._chunk = _OpenChunk()
        self._schemas: list[McapRecord] = []
        self._channels: list[McapRecord] = []
        self._chunks: list[McapRecord] = []
        self._attachments: list[McapRecord] = []
        self._texts: list[McapRecord] = []
        self._counts: dict[int, int] = defaultdict(int)
        self._start_ns = self._end_ns = 0

    def start(self, profile: str, library: str) -> None:
        """Write the magic bytes and the header."""
        self._output.write(MAGIC)
        self._write(Header(profile=profile, library=library))

    def register_schema(self, name: str, encoding: str, data: bytes) -> int:
        """Add a schema, and return its number."""
        number = len(self._schemas) + 1
        self._register(Schema(id=number, data=data, encoding=encoding, name=name), self._schemas)
        return number

    def register_channel(
        self, topic: str, encoding: str, schema: int, metadata: Mapping[str, str]
    ) -> int:
        """Add a channel, and return its number. `schema` is a schema's number, or 0."""
        number = len(self._channels) + 1
        channel = Channel(
            id=number,
            topic=topic,
            message_encoding=encoding,
            schema_id=schema,
            metadata=dict(metadata),
        )
        self._register(channel, self._channels)
        return number

    def add_message(
        self, channel: int, log_time_ns: int, data: bytes, publish_time_ns: int, sequence: int
    ) -> None:
        """Append a message."""
        size = _MESSAGE.size - HEAD.size + len(data)
        times = log_time_ns, publish_time_ns
        head = _MESSAGE.pack(Opcode.MESSAGE, size, channel, sequence, *times)
        self._start_ns = min(self._start_ns, log_time_ns) if self._counts else log_time_ns
        self._end_ns = max(self._end_ns, log_time_ns)
        self._counts[channel] += 1
        record = head + data
        self._chunk.index(channel, log_time_ns)
        self._chunk.add(record)
        if len(self._chunk.data) > self._chunk_bytes:
            self.flush()

    def add_attachment(self, name: str, media_type: str, data: bytes, time_ns: int) -> None:
        """Add a file."""
        times = {"create_time": time_ns, "log_time": time_ns}
        found = Attachment(name=name, media_type=media_type, data=data, **times)
        place, size = self._write(found), len(data)
        self._attachments.append(
            AttachmentIndex(**place, **times, data_size=size, name=name, media_type=media_type)
        )

    def add_metadata(self, name: str, values: dict[str, str]) -> None:
        """Add named texts."""
        place = self._write(Metadata(name=name, metadata=values))
        self._texts.append(MetadataIndex(**place, name=name))

    def flush(self) -> None:
        """End the chunk."""
        chunk = self._chunk
        if not chunk.indexes:
            return
        packed = self._pack(chunk)
        times = {"message_start_time": chunk.start_ns, "message_end_time": chunk.end_ns}
        size = len(chunk.data)
        crc = zlib.crc32(chunk.data)
        written = Chunk(
            compression=self._kind,
            data=packed,
            uncompressed_crc=crc,
            uncompressed_size=size,
            **times,
        )
        place = self._write(written)
        begin = self._output.tell()
        offsets = {n: self._write(each)["offset"] for n, each in chunk.indexes.items()}
        self._chunks.append(
            ChunkIndex(
                chunk_start_offset=place["offset"],
                chunk_length=place["length"],
                message_index_offsets=offsets,
                message_index_length=self._output.tell() - begin,
                compression=self._kind,
                compressed_size=len(packed),
                uncompressed_size=size,
                **times,
            )
        )
        self._chunk = _OpenChunk()

    def finish(self) -> None:
        """End the chunk, and write the summary."""
        self.flush()
        self._write(DataEnd(data_section_crc=0))
        begin, summary, groups = self._output.tell(), b"", b""
        for opcode, records in (
            (Opcode.SCHEMA, self._schemas),
            (Opcode.CHANNEL, self._channels),
            (Opcode.STATISTICS, [self._statistics()]),
            (Opcode.CHUNK_INDEX, self._chunks),
            (Opcode.ATTACHMENT_INDEX, self._attachments),
            (Opcode.METADATA_INDEX, self._texts),
        ):
            group, at = _bytes_of(*records), begin + len(summary)
            summary += group
            groups += _bytes_of(
                SummaryOffset(group_opcode=opcode, group_start=at, group_length=len(group))
            )
        offsets_begin = begin + len(summary)
        data = summary + groups
        footer = _FOOTER.pack(Opcode.FOOTER, 8 + 8 + 4, begin, offsets_begin)
        crc = zlib.crc32(footer, zlib.crc32(data))
        self._output.write(data)
        self._write(
            Footer(summary_start=begin, summary_offset_start=offsets_begin, summary_crc=crc)
        )
        self._output.write(MAGIC)

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=len(self._attachments),
            channel_count=len(self._channels),
            channel_message_counts=self._counts,
            chunk_count=len(self._chunks),
            message_count=sum(self._counts.values()),
            message_end_time=self._end_ns,
            message_start_time=self._start_ns,
            metadata_count=len(self._texts),
            schema_count=len(self._schemas),
        )

    def _register(self, record: Schema | Channel, among: list[McapRecord]) -> None:
        among.append(record)
        self._chunk.add(_bytes_of(record))

    def _write(self, record: McapRecord) -> dict[str, int]:
        """Write a record to the file, and return its place."""
        data, offset = _bytes_of(record), self._output.tell()
        self._output.write(data)
        return {"offset": offset, "length": len(data)}


def _bytes_of(*records: McapRecord) -> bytes:
    builder = RecordBuilder()
    for each in records:
        each.write(builder)
    found: bytes = builder.end()  # type: ignore[no-untyped-call]
    return found
