"""Reads the messages of one ROS 1 `.bag`, in their own encoding.

A record has a header of named fields, and data (wiki.ros.org/Bags/Format/2.0). Chunks hold
connections and messages. Each chunk is followed by indexes of the times of its messages; the
connections are repeated after all chunks. A recording that was killed lacks the end: chunks without
an index are decompressed to build one. From a chunk that is cut off, the messages at its begin are
read.

Version 1.2 has neither chunks nor numbers of connections: messages name their topic and type, and
the type's definition precedes its first message. Consecutive messages are handled like a chunk.
"""

import bz2
import contextlib
import os
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

_VERSIONS: Final = (b"#ROSBAG V2.0\n", b"#ROSBAG V1.2\n")
_VERSION_BYTES: Final = len(_VERSIONS[0])
_RUN_BYTES: Final = 1 << 20  # of consecutive messages outside of chunks
_UNPACKERS: Final[dict[bytes, Callable[[], Any]]] = {
    b"bz2": bz2.BZ2Decompressor,
    b"lz4": lz4.frame.LZ4FrameDecompressor,
}
_TIME: Final = struct.Struct("<II")
_ENTRY: Final = struct.Struct("<III")  # an index entry: a time, and an offset in the chunk

Fields = dict[bytes, bytes]


@dataclass(slots=True)
class _Chunk:
    """A chunk, or messages outside of chunks, with the counts of its messages."""

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
        path: the path of the file.
        start_ns: the time of the first message; None when there is none.
        end_ns: the time of the last message; None when there is none.
    """

    def __init__(self, path: Path, omitted: Omitted) -> None:
        """Open a file.

        Args:
            path: the path of the file.
            omitted: receives notes about what is not read.

        Raises:
            BagError: the file is not a bag of version 2.0 or 1.2, or is encrypted.
        """
        self.path = path
        self._omitted = omitted
        self._connections: dict[int, Fields] = {}
        self._numbers: dict[bytes, int] = {}  # numbers of connections, by topic, in version 1.2
        self._chunks: list[_Chunk] = []
        self._has_end: bool | None = None  # None: before its header
        with opened(self.path) as stream:
            self._scan(stream)
        self._channels = {number: self._channel(number) for number in self._connections}
        chunks = [each for each in self._chunks if each.counts]
        self.start_ns = min((each.start_ns for each in chunks), default=None)
        self.end_ns = max((each.end_ns for each in chunks), default=None)

    def counts(self) -> list[ChannelCount]:
        """Return the channels; a topic has one for each of its publishers."""
        total: dict[int, int] = {}
        for chunk in self._chunks:
            for number, count in chunk.counts.items():
                total[number] = total.get(number, 0) + count
        return channel_counts(self._channels, total)

    def compression(self) -> str:
        """Return the compression of its chunks."""
        kinds = {each.compression.decode(errors="replace") for each in self._chunks}
        return ", ".join(sorted(kinds)) or "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Yield the messages by time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: the file cannot be read.
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

    # Contents

    def _scan(self, stream: IO[bytes]) -> None:
        """Find the chunks, and the contents of each."""
        for fields, at, begin, length in self._heads(stream):
            try:
                self._take(stream, fields, at, begin, length)
            except (KeyError, struct.error) as error:
                self._note(at, f"a record is damaged and was skipped: {error!r}")
        if self._has_end is None and not self._connections:
            raise BagError(f"{self.path} cannot be read as a ROS 1 bag: it has no header")
        if self._has_end is False:
            self._omitted.note(f"{self.path} has no end, as after a recording that was killed")
        last = self._chunks[-1] if self._chunks else None
        if last and (not self._has_end or last.at + last.length > stream.seek(0, 2)):
            last.counts.clear()  # the chunk or its index is incomplete
        self._count(stream)

    def _count(self, stream: IO[bytes]) -> None:
        """Decompress the chunks whose index is missing or incomplete, to count their messages."""
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
                    raise BagError(f"{self.path} is encrypted, which is not supported")
            case b"\x05":
                kind = fields.get(b"compression", b"none")
                self._chunks.append(_Chunk(begin, length, kind))
            case b"\x04" if self._chunks and b"conn" in fields:
                _take_index(self._chunks[-1], fields, _read(stream, length))
            case b"\x07":
                self._connect(fields, _read(stream, length))
            case b"\x01":
                self._define(fields)
            case b"\x02":
                self._run(at, begin + length).take(*self._whose_and_when(fields))
            case _:
                pass

    def _heads(self, stream: IO[bytes]) -> Iterator[tuple[Fields, int, int, int]]:
        """Yield each record's fields, its offset, and its data's offset and length, up to a cut."""
        if (version := stream.read(_VERSION_BYTES)) not in _VERSIONS:
            raise BagError(
                f"{self.path} cannot be read as a ROS 1 bag: it begins with {version!r}; "
                "versions 2.0 and 1.2 are supported; `rosbag filter OLD NEW True` of ROS 1 "
                "converts it"
            )
        at, size_bytes = _VERSION_BYTES, stream.seek(0, 2)
        while at < size_bytes:
            stream.seek(at)
            head = _read(stream, _number(stream.read(4)))
            length, begin = _number(stream.read(4)), stream.tell()
            try:
                fields = _fields(head)
            except ValueError as error:
                self._note(at, f"{error}: nothing after this is read")
                return
            yield fields, at, begin, length
            at = begin + length

    def _connect(self, fields: Fields, data: bytes) -> None:
        # The record has the topic in the bag, its data the topic of the original publisher.
        with contextlib.suppress(ValueError):  # it is cut off
            self._connections.setdefault(_number(fields.get(b"conn", b"")), _fields(data) | fields)

    def _define(self, fields: Fields) -> None:
        """Store the type of a topic, in version 1.2."""
        connection = fields | {b"message_definition": fields[b"def"]}
        self._connections.setdefault(self._number_of(fields[b"topic"]), connection)

    def _number_of(self, topic: bytes) -> int:
        return self._numbers.setdefault(topic, len(self._numbers))

    def _whose_and_when(self, fields: Fields) -> tuple[int, int]:
        """Return the connection number and the time of a message.

        Raises:
            KeyError, struct.error: one of them is missing.
        """
        if b"conn" in fields:
            number, time = _number(fields[b"conn"]), fields[b"time"]
        else:
            number = self._number_of(fields[b"topic"])
            if number not in self._connections:  # a type is defined once, for all its topics
                alike = (
                    each for each in self._connections.values() if each[b"type"] == fields[b"type"]
                )
                self._connections[number] = next(alike, {}) | fields
            time = fields[b"sec"] + fields[b"nsec"]
        sec, nanosec = _TIME.unpack(time)
        return number, sec * 10**9 + nanosec

    def _run(self, at: int, end: int) -> _Chunk:
        """Return the run of consecutive messages that contains this one."""
        last = self._chunks[-1] if self._chunks else None
        is_next = last and last.compression == b"none" and last.at + last.length == at
        if not last or not is_next or last.length > _RUN_BYTES:
            last = _Chunk(at, 0, b"none")
            self._chunks.append(last)
        last.length = end - last.at
        return last

    def _channel(self, number: int) -> Channel:
        connection = self._connections[number]
        topic, type_name, definition = (
            connection.get(each, b"").decode(errors="backslashreplace")
            for each in (b"topic", b"type", b"message_definition")
        )
        # A topic has as many latched messages as publishers that latch.
        latched = sum(
            each.get(b"latching") == b"1" and each.get(b"topic") == connection.get(b"topic")
            for each in self._connections.values()
        )
        metadata = latched_metadata(latched)
        return Channel(topic, type_name, definition.encode(), "ros1msg", "ros1", metadata)

    def _messages(self, stream: IO[bytes], chunk: _Chunk) -> Iterator[tuple[int, int, bytes]]:
        """Yield the connection, time and data of each message of a chunk, up to damage."""
        try:
            for fields, data in _inside(_unpacked(stream, chunk)):
                if fields.get(b"op") == b"\x07":
                    self._connect(fields, data)
                elif fields.get(b"op") == b"\x02":
                    yield *self._whose_and_when(fields), data
        except (ValueError, KeyError, struct.error) as error:
            self._note(chunk.at, f"a chunk is damaged and its rest was skipped: {error}")

    def _note(self, at: int, what: str) -> None:
        self._omitted.note(f"{self.path}, byte {at}: {what}")


def _take_index(chunk: _Chunk, fields: Fields, data: bytes) -> None:
    """Add the times of a connection's messages to a chunk."""
    connection = _number(fields[b"conn"])
    for sec, nanosec, _ in _ENTRY.iter_unpack(data[: len(data) // _ENTRY.size * _ENTRY.size]):
        chunk.take(connection, sec * 10**9 + nanosec)


def _read(stream: IO[bytes], length: int) -> bytes:
    """Read so many bytes or to the end; Python reserves memory for all that it is asked for."""
    return stream.read(min(length, os.fstat(stream.fileno()).st_size))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _fields(head: bytes) -> Fields:
    """Return the fields of a header; each field is preceded by its length.

    Raises:
        ValueError: the header has another form.
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
    """Yield the records of a chunk.

    Raises:
        ValueError: a record is cut off.
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
    """Return the records of a chunk; if it is cut off, those at its begin.

    Raises:
        ValueError: the chunk is damaged, too large, or compressed in an unknown way.
    """
    stream.seek(chunk.at)
    packed = _read(stream, min(chunk.length, MOST_UNPACKED))
    if chunk.compression == b"none":
        return packed
    if chunk.compression not in _UNPACKERS:
        raise ValueError(f"it is compressed as {chunk.compression!r}: only bz2 and lz4 work")
    # One stream, as ROS writes it: the rest would be copied after each of many small ones.
    unpacker = _UNPACKERS[chunk.compression]()
    pieces: list[bytes] = []
    missing = MOST_UNPACKED + 1
    while not unpacker.eof and missing > 0:
        try:
            piece = unpacker.decompress(packed, min(missing, PIECE_BYTES))
        except (OSError, RuntimeError) as error:
            raise ValueError(str(error)) from None
        packed, missing = b"", missing - len(piece)
        if not piece and unpacker.needs_input:
            break  # the chunk is cut off
        pieces.append(piece)
    if unpacker.unused_data:
        raise ValueError("it continues after its end")
    if missing <= 0:
        raise ValueError(f"it decompresses to more than {MOST_UNPACKED} bytes")
    return b"".join(pieces)
