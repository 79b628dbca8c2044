"""Reads one ROS 1 `.bag`: its messages as they are.

A record has a header of named fields, and data (wiki.ros.org/Bags/Format/2.0). Chunks hold
connections and messages. After each chunk there are indexes of the times of its messages, and after
all chunks the connections once more. A recording that was killed lacks the end: the chunks that
have no index are unpacked for one. Of a chunk that is cut off the messages at its begin are read.
"""

import bz2
import contextlib
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import lz4.frame

from dsmq_nodes.bag.file.contents import Channel, latched_metadata
from dsmq_nodes.bag.file.mcap_index import merged
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record, channel_counts
from dsmq_nodes.bag.file.mcap_records import MOST_UNPACKED, PIECE_BYTES
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError

MAGIC: Final = b"#ROSBAG V"
_VERSION: Final = b"#ROSBAG V2.0\n"
_UNPACKERS: Final[dict[bytes, Callable[[], Any]]] = {
    b"bz2": bz2.BZ2Decompressor,
    b"lz4": lz4.frame.LZ4FrameDecompressor,
}
_TIME: Final = struct.Struct("<II")
_ENTRY: Final = struct.Struct("<III")  # of an index: a time, and where in the chunk

Fields = dict[bytes, bytes]


@dataclass(slots=True)
class _Chunk:
    """A chunk, or messages outside chunks, and which messages it has."""

    at: int
    length: int
    compression: bytes
    counts: dict[int, int] = field(default_factory=dict)
    start_ns: int = 1 << 64
    end_ns: int = -1

    def take(self, connection: int, time_ns: int) -> None:
        self.counts[connection] = self.counts.get(connection, 0) + 1
        self.start_ns, self.end_ns = min(self.start_ns, time_ns), max(self.end_ns, time_ns)


class Ros1File:
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
            BagError: it is not a bag of version 2.0, or is encrypted.
        """
        self.path = path
        self._omitted = omitted
        self._connections: dict[int, Fields] = {}
        self._chunks: list[_Chunk] = []
        self._has_end: bool | None = None  # None: before its header
        with self._open() as stream:
            self._scan(stream)
        self._channels = {number: self._channel(number) for number in self._connections}
        chunks = [each for each in self._chunks if each.counts]
        self.start_ns = min((each.start_ns for each in chunks), default=None)
        self.end_ns = max((each.end_ns for each in chunks), default=None)

    def counts(self) -> list[ChannelCount]:
        """Its channels; a topic has one for each of its publishers."""
        total: dict[int, int] = {}
        for chunk in self._chunks:
            for number, count in chunk.counts.items():
                total[number] = total.get(number, 0) + count
        return channel_counts(self._channels, total)

    def compression(self) -> str:
        """The compression of its chunks."""
        kinds = {each.compression.decode(errors="replace") for each in self._chunks}
        return ", ".join(sorted(kinds)) or "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Its messages by time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: it cannot be read.
        """
        channels = {
            number: each
            for number, each in self._channels.items()
            if topics is None or each.topic in topics
        }
        first_ns, after_ns = start_ns or 0, 1 << 64 if end_ns is None else end_ns
        chunks = [
            each
            for each in self._chunks
            if each.start_ns < after_ns
            and each.end_ns >= first_ns
            and each.counts.keys() & channels
        ]
        with self._open() as stream:

            def opened(chunk: _Chunk) -> Iterator[Record]:
                found = [
                    Record(channels[number], time_ns, time_ns, 0, data)
                    for number, time_ns, data in self._messages(stream, chunk)
                    if number in channels and first_ns <= time_ns < after_ns
                ]
                return iter(sorted(found, key=lambda each: each.log_time_ns))

            yield from merged(chunks, opened)

    # What it has

    def _scan(self, stream: IO[bytes]) -> None:
        """Find its chunks, and what is in each."""
        for fields, at, length in self._heads(stream):
            self._take(stream, fields, at, length)
        if self._has_end is None:
            raise BagError(f"{self.path} cannot be read as a ROS 1 bag: it has no header")
        if not self._has_end:
            self._omitted.note(f"{self.path} has no end, as if its recording had been killed")
            if self._chunks:  # the indexes of the last one may be incomplete
                self._chunks[-1].counts.clear()
        for chunk in self._chunks:
            if not chunk.counts or chunk.counts.keys() - self._connections.keys():
                chunk.counts.clear()
                for number, time_ns, _ in self._messages(stream, chunk):
                    chunk.take(number, time_ns)

    def _take(self, stream: IO[bytes], fields: Fields, at: int, length: int) -> None:
        match fields.get(b"op"):
            case b"\x03":
                self._has_end = any(fields.get(b"index_pos", b""))
                if fields.get(b"encryptor"):
                    raise BagError(f"{self.path} is encrypted, which is not read here")
            case b"\x05":
                kind = fields.get(b"compression", b"none")
                self._chunks.append(_Chunk(at, length, kind))
            case b"\x04" if self._chunks:
                _take_index(self._chunks[-1], fields, stream.read(length))
            case b"\x07":
                self._connect(fields, stream.read(length))
            case b"\x02":
                self._omitted.note(f"{self.path}: messages outside of chunks are not read")
            case _:
                pass

    def _heads(self, stream: IO[bytes]) -> Iterator[tuple[Fields, int, int]]:
        """The fields of each record, and where its data are; to where the file is cut off."""
        if (version := stream.read(len(_VERSION))) != _VERSION:
            raise BagError(
                f"{self.path} cannot be read as a ROS 1 bag: it begins with {version!r}, and "
                "version 2.0 is read here; `rosbag filter OLD NEW True` of ROS 1 makes one of it"
            )
        at, size_bytes = len(_VERSION), stream.seek(0, 2)
        while at < size_bytes:
            stream.seek(at)
            head = stream.read(_number(stream.read(4)))
            length, begin = _number(stream.read(4)), stream.tell()
            try:
                fields = _fields(head)
            except ValueError as error:
                self._note(at, f"{error}: what follows is not read")
                return
            yield fields, begin, length
            at = begin + length

    def _connect(self, fields: Fields, data: bytes) -> None:
        with contextlib.suppress(ValueError):  # it is cut off
            self._connections.setdefault(_number(fields.get(b"conn", b"")), fields | _fields(data))

    def _channel(self, number: int) -> Channel:
        told = self._connections[number]
        topic, type_name, definition = (
            told.get(each, b"").decode(errors="backslashreplace")
            for each in (b"topic", b"type", b"message_definition")
        )
        # A topic has as many latched messages as publishers that latch.
        latched = sum(
            each.get(b"latching") == b"1" and each.get(b"topic") == told.get(b"topic")
            for each in self._connections.values()
        )
        metadata = latched_metadata(latched)
        return Channel(topic, type_name, definition.encode(), "ros1msg", "ros1", metadata)

    def _messages(self, stream: IO[bytes], chunk: _Chunk) -> Iterator[tuple[int, int, bytes]]:
        """The connection, time and data of each message of a chunk, to where it is damaged."""
        try:
            for fields, data in _inside(_unpacked(stream, chunk)):
                if fields.get(b"op") == b"\x07":
                    self._connect(fields, data)
                elif fields.get(b"op") == b"\x02":
                    sec, nanosec = _TIME.unpack(fields[b"time"])
                    yield _number(fields[b"conn"]), sec * 10**9 + nanosec, data
        except (ValueError, KeyError, struct.error) as error:
            self._note(chunk.at, f"a chunk is damaged, and the rest of it left out: {error}")

    def _note(self, at: int, what: str) -> None:
        self._omitted.note(f"{self.path}, byte {at}: {what}")

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise BagError(f"cannot read {self.path}: {error.strerror}") from None


def _take_index(chunk: _Chunk, fields: Fields, data: bytes) -> None:
    """The times of a connection's messages."""
    connection = _number(fields.get(b"conn", b""))
    for sec, nanosec, _ in _ENTRY.iter_unpack(data[: len(data) // _ENTRY.size * _ENTRY.size]):
        chunk.take(connection, sec * 10**9 + nanosec)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _fields(head: bytes) -> Fields:
    """The fields of a header: each has its length before it.

    Raises:
        ValueError: it has others.
    """
    found, at = {}, 0
    while at < len(head):
        end = at + 4 + _number(head[at : at + 4])
        name, equals, value = head[at + 4 : end].partition(b"=")
        if not equals or end > len(head):
            raise ValueError("a record is damaged")
        found[name] = value
        at = end
    return found


def _inside(data: bytes) -> Iterator[tuple[Fields, bytes]]:
    """The records of a chunk.

    Raises:
        ValueError: one is cut off.
    """
    at = 0
    while at < len(data):
        head_end = at + 4 + _number(data[at : at + 4])
        begin = head_end + 4
        end = begin + _number(data[head_end:begin])
        if end > len(data):
            raise ValueError("a record is cut off")
        yield _fields(data[at + 4 : head_end]), data[begin:end]
        at = end


def _unpacked(stream: IO[bytes], chunk: _Chunk) -> bytes:
    """The records of a chunk; of one that is cut off those at its begin.

    Raises:
        ValueError: it is damaged, too large, or compressed in an unknown way.
    """
    stream.seek(chunk.at)
    packed = stream.read(min(chunk.length, MOST_UNPACKED))
    if chunk.compression == b"none":
        return packed
    if chunk.compression not in _UNPACKERS:
        raise ValueError(f"it is compressed as {chunk.compression!r}: bz2 and lz4 are read here")
    pieces: list[bytes] = []
    missing = MOST_UNPACKED + 1
    while packed and missing > 0:
        unpacker = _UNPACKERS[chunk.compression]()
        while not unpacker.eof and missing > 0:
            try:
                piece = unpacker.decompress(packed, min(missing, PIECE_BYTES))
            except (OSError, RuntimeError) as error:
                raise ValueError(str(error)) from None
            packed, missing = b"", missing - len(piece)
            if not piece and unpacker.needs_input:
                return b"".join(pieces)  # it is cut off
            pieces.append(piece)
        packed = unpacker.unused_data or b""
    if missing <= 0:
        raise ValueError(f"it unpacks to more than {MOST_UNPACKED} bytes")
    return b"".join(pieces)
