"""MCAP's records: an opcode, a length of 8 bytes, the content (mcap.dev/spec).

Declared sizes are not trusted: a record is at most as long as the rest of the file, a text at most
as long as its record, and a chunk is decompressed piece by piece, at most to its declared size.
Damage thus raises a ValueError and costs no memory.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Final, NamedTuple

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
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
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
)

MAGIC: Final = b"\x89MCAP0\r\n"
HEAD: Final = struct.Struct("<BQ")
FOOTER_BYTES: Final = HEAD.size + 20
_CHUNK_HEAD: Final = struct.Struct("<QQQII")  # two times, size, checksum, length of the next text
_MESSAGE: Final = struct.Struct("<HIQQ")
MOST_UNPACKED: Final = 256 << 20  # of one chunk; most chunks have a few MB
PIECE_BYTES: Final = 16 << 20
_READ: Final[dict[int, Callable[[ReadDataStream], McapRecord]]] = {
    Opcode.HEADER: Header.read,
    Opcode.FOOTER: Footer.read,
    Opcode.SCHEMA: Schema.read,
    Opcode.CHANNEL: Channel.read,
    Opcode.CHUNK: Chunk.read,
    Opcode.CHUNK_INDEX: ChunkIndex.read,
    Opcode.ATTACHMENT: Attachment.read,
    Opcode.ATTACHMENT_INDEX: AttachmentIndex.read,
    Opcode.STATISTICS: Statistics.read,
    Opcode.METADATA: Metadata.read,
    Opcode.METADATA_INDEX: MetadataIndex.read,
    Opcode.DATA_END: DataEnd.read,
}


class Head(NamedTuple):
    """The place of a record's content.

    Attributes:
        opcode: the kind of record.
        at: the offset of its content.
        length: the length of its content.
    """

    opcode: int
    at: int
    length: int


class RawMessage(NamedTuple):
    """The message of a message record."""

    log_time_ns: int
    channel_id: int
    sequence: int
    publish_time_ns: int
    data: bytes


def heads(stream: IO[bytes], at: int, end: int) -> Iterator[Head]:
    """Yield the records in a part of a file, without reading their contents.

    Raises:
        ValueError: a record does not fit into the part.
    """
    while at < end:
        stream.seek(at)
        raw = stream.read(HEAD.size)
        if len(raw) < HEAD.size:
            raise ValueError(f"it is cut off at byte {at}")
        opcode, length = HEAD.unpack(raw)
        if not opcode or length > end - at - HEAD.size:
            raise ValueError(f"at byte {at} there is no whole record")
        yield Head(opcode, at + HEAD.size, length)
        at += HEAD.size + length


def content(stream: IO[bytes], head: Head) -> bytes:
    """Return the content of a record."""
    stream.seek(head.at)
    return stream.read(head.length)


def parsed(opcode: int, data: bytes) -> McapRecord | None:
    """Return a record that is not a message, or None for a kind that the kit does not read.

    Raises:
        ValueError: the record is cut off.
    """
    read = _READ.get(opcode)
    return read(_Content(data)) if read is not None else None


class _Content(ReadDataStream):
    """Reads the content of a record, within its end."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._length = len(data)

    def read(self, length: int) -> bytes:
        if length > self._length - self.count:
            raise ValueError("a record is shorter than its content")
        return super().read(length)

    def read_prefixed_string(self) -> str:
        return self.read(self.read4()).decode(errors="backslashreplace")


def inside(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the records in a chunk: the opcode, and the begin and end of the content.

    Raises:
        ValueError: a record does not fit into the chunk.
    """
    at, end, head = 0, len(data), HEAD
    while at < end:
        if end - at < head.size:
            raise ValueError("a chunk ends within a record")
        opcode, length = head.unpack_from(data, at)
        begin = at + head.size
        at = begin + length
        if not opcode or at > end:
            raise ValueError("a chunk has something that is not a record")
        yield opcode, begin, at


def message_head(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Return the channel id and the log time of the message with this content.

    Raises:
        ValueError: the message is cut off.
    """
    if end - begin < _MESSAGE.size:
        raise ValueError("a message is cut off")
    channel_id, _, log_time_ns, _ = _MESSAGE.unpack_from(data, begin)
    return channel_id, log_time_ns


def message_at(data: bytes, begin: int, end: int) -> RawMessage:
    """Return the message with this content.

    Raises:
        ValueError: the message is cut off.
    """
    if end - begin < _MESSAGE.size:
        raise ValueError("a message is cut off")
    channel_id, sequence, log_time_ns, publish_time_ns = _MESSAGE.unpack_from(data, begin)
    rest = data[begin + _MESSAGE.size : end]
    return RawMessage(log_time_ns, channel_id, sequence, publish_time_ns, rest)


def unpacked(chunk: Chunk) -> bytes:
    """Return the records of a chunk, decompressed.

    Raises:
        ValueError: the chunk is damaged, too large, or compressed in an unknown way.
    """
    size_bytes = chunk.uncompressed_size
    if size_bytes > MOST_UNPACKED:
        raise ValueError(f"a chunk of {size_bytes} bytes; {MOST_UNPACKED} are unpacked at most")
    kind = chunk.compression
    if kind not in _UNPACKERS:
        raise ValueError(f"its chunks are compressed as {kind!r}: only zstd and lz4 work")
    data = _UNPACKERS[kind](chunk.data, size_bytes)
    if len(data) != size_bytes:
        raise ValueError("a chunk does not have the size that it declares")
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise ValueError("the checksum of a chunk is wrong")
    return data


def begin_of_chunk(data: bytes, length: int) -> bytes:
    """Return the begin of the records of a chunk whose end was cut off.

    A compressed chunk is decompressed block by block (zstd: up to 128 kB), without its checksum.

    Args:
        data: the part of the chunk that is left.
        length: its declared length, which must agree with the declared length of its records.

    Raises:
        ValueError: the chunk is damaged before the cut.
    """
    if len(data) < _CHUNK_HEAD.size:
        return b""
    *_, size_bytes, _, named = _CHUNK_HEAD.unpack_from(data)
    at = _CHUNK_HEAD.size + named
    size_bytes, packed = min(size_bytes, MOST_UNPACKED), data[at + 8 :]
    if int.from_bytes(data[at : at + 8], "little") != length - at - 8:
        raise ValueError("the lengths of a chunk and of its records do not agree")
    unpack = _UNPACKERS.get(data[_CHUNK_HEAD.size : at].decode(errors="replace"))
    return unpack(packed, size_bytes) if unpack is not None else b""


def _zstd(packed: bytes, size_bytes: int) -> bytes:
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
        return _pieces(reader.read, size_bytes)
    except zstandard.ZstdError as error:
        raise ValueError(f"a chunk cannot be decompressed: {error}") from None


def _lz4(packed: bytes, size_bytes: int) -> bytes:
    reader = lz4.frame.LZ4FrameDecompressor()
    pending = [packed]

    def read(most_bytes: int) -> bytes:
        given, pending[0] = pending[0], b""
        return bytes(reader.decompress(given, most_bytes))

    try:
        return _pieces(read, size_bytes)
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"a chunk cannot be decompressed: {error}") from None


_UNPACKERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "": lambda packed, _: packed,
    "zstd": _zstd,
    "lz4": _lz4,
}


def _pieces(read: Callable[[int], bytes], size_bytes: int) -> bytes:
    """Return what `read` gives, at most one byte more than the declared size."""
    pieces, missing = [], size_bytes + 1
    while missing > 0 and (piece := read(min(missing, PIECE_BYTES))):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
