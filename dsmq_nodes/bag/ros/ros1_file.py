"""Reads one ROS 1 `.bag`: its messages as they are.

A record has a header of named fields, and data (wiki.ros.org/Bags/Format/2.0). Chunks hold
connections and messages. After each chunk there are indexes of the times of its messages, and after
all chunks the connections once more. A recording that was killed lacks the end: the chunks that
have no index are unpacked for one. Of a chunk that is cut off the messages at its begin are read.

Version 1.2 has neither chunks nor numbers of connections: messages name their topic and type, whose
definition comes before the first of them. Consecutive ones are read as chunks are.
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
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record, channel_counts, opened
from dsmq_nodes.bag.file.mcap_records import MOST_UNPACKED, PIECE_BYTES
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError

MAGIC: Final = b"#ROSBAG V"
_VERSIONS: Final = (b"#ROSBAG V2.0\n", b"#ROSBAG V1.2\n")
_VERSION_BYTES: Final = len(_VERSIONS[0])
_RUN_BYTES: Final = 1 << 20  # of consecutive messages outside of chunks
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
        self._numbers: dict[bytes, int] = {}  # of connections, by their topics, in version 1.2
        self._chunks: list[_Chunk] = []
        self._has_end: bool | None = None  # None: before its header
        with opened(self.path) as stream:
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
        with opened(self.path) as stream:

            def read(chunk: _Chunk) -> Iterator[Record]:
                found = [
                    Record(channels[number], time_ns, time_ns, 0, data)
                    for number, time_ns, data in self._messages(stream, chunk)
                    if number in channels and first_ns <= time_ns < after_ns
                ]
                return iter(sorted(found, key=lambda each: each.log_time_ns))

            yield from merged(chunks, read)

    # What it has

    def _scan(self, stream: IO[bytes]) -> None:
        """Find its chunks, and what is in each."""
        for fields, at, begin, length in self._heads(stream):
            try:
                self._take(stream, fields, at, begin, length)
            except (KeyError, struct.error) as error:
                self._note(at, f"a record is damaged, and left out: {error!r}")
        if self._has_end is None and not self._connections:
            raise BagError(f"{self.path} cannot be read as a ROS 1 bag: it has no header")
        if self._has_end is False:
            self._omitted.note(f"{self.path} has no end, as if its recording had been killed")
        last = self._chunks[-1] if self._chunks else None
        if last and (not self._has_end or last.at + last.length > stream.seek(0, 2)):
            last.counts.clear()  # it, or its index, is not whole
        self._count(stream)

    def _count(self, stream: IO[bytes]) -> None:
        """Unpack the chunks whose index is missing or incomplete."""
        for chunk in self._chunks:
            if not chunk.counts or chunk.counts.keys() - self._connections.keys():
                chunk.counts.clear()
                for number, time_ns, _ in self._messages(stream, chunk):
                    chunk.take(number, time_ns)

    def _take(self, stream: IO[bytes], fields: Fields, at: int, begin: int, length: int) -> None:
        match fields.get(b"op"):
            case b"\x03":
                self._has_end = any(fields.get(b"index_pos", b""))
                if fields.get(b"encryptor"):
                    raise BagError(f"{self.path} is encrypted, which is not read here")
            case b"\x05":
                kind = fields.get(b"compression", b"none")
                self._chunks.append(_Chunk(begin, length, kind))
            case b"\x04" if self._chunks and b"conn" in fields:
                _take_index(self._chunks[-1], fields, stream.read(length))
            case b"\x07":
                self._connect(fields, stream.read(length))
            case b"\x01":
                self._define(fields)
            case b"\x02":
                self._run(at, begin + length).take(*self._whose_and_when(fields))
            case _:
                pass

    def _heads(self, stream: IO[bytes]) -> Iterator[tuple[Fields, int, int, int]]:
        """The fields of each record, where it is and its data are; to where the file is cut off."""
        if (version := stream.read(_VERSION_BYTES)) not in _VERSIONS:
            raise BagError(
                f"{self.path} cannot be read as a ROS 1 bag: it begins with {version!r}, and "
                "versions 2.0 and 1.2 are read here; `rosbag filter OLD NEW True` of ROS 1 makes "
                "one of it"
            )
        at, size_bytes = _VERSION_BYTES, stream.seek(0, 2)
        while at < size_bytes:
            stream.seek(at)
            head = stream.read(_number(stream.read(4)))
            length, begin = _number(stream.read(4)), stream.tell()
            try:
                fields = _fields(head)
            except ValueError as error:
                self._note(at, f"{error}: what follows is not read")
                return
            yield fields, at, begin, length
            at = begin + length

    def _connect(self, fields: Fields, data: bytes) -> None:
        # The record has the topic in the bag, its data the one where the messages were published.
        with contextlib.suppress(ValueError):  # it is cut off
            self._connections.setdefault(_number(fields.get(b"conn", b"")), _fields(data) | fields)

    def _define(self, fields: Fields) -> None:
        """Take the type of a topic, of version 1.2."""
        told = fields | {b"message_definition": fields[b"def"]}
        self._connections.setdefault(self._number_of(fields[b"topic"]), told)

    def _number_of(self, topic: bytes) -> int:
        return self._numbers.setdefault(topic, len(self._numbers))

    def _whose_and_when(self, fields: Fields) -> tuple[int, int]:
        """The connection of a message, and its time.

        Raises:
            KeyError, struct.error: they are missing.
        """
        if b"conn" in fields:
            number, time = _number(fields[b"conn"]), fields[b"time"]
        else:
            number = self._number_of(fields[b"topic"])
            if number not in self._connections:  # a type is defined once, for all its topics
                told = (
                    each for each in self._connections.values() if each[b"type"] == fields[b"type"]
                )
                self._connections[number] = next(told, {}) | fields
            time = fields[b"sec"] + fields[b"nsec"]
        sec, nanosec = _TIME.unpack(time)
        return number, sec * 10**9 + nanosec

    def _run(self, at: int, end: int) -> _Chunk:
        """The consecutive messages that this one belongs to."""
        last = self._chunks[-1] if self._chunks else None
        is_next = last and last.compression == b"none" and last.at + last.length == at
        if not last or not is_next or last.length > _RUN_BYTES:
            last = _Chunk(at, 0, b"none")
            self._chunks.append(last)
        last.length = end - last.at
        return last

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
                    yield *self._whose_and_when(fields), data
        except (ValueError, KeyError, struct.error) as error:
            self._note(chunk.at, f"a chunk is damaged, and the rest of it left out: {error}")

    def _note(self, at: int, what: str) -> None:
        self._omitted.note(f"{self.path}, byte {at}: {what}")


def _take_index(chunk: _Chunk, fields: Fields, data: bytes) -> None:
    """The times of a connection's messages."""
    connection = _number(fields[b"conn"])
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
