"""Finds the contents of an MCAP file: by its index or, if that is incomplete, by reading the data.

An index is optional: a writer may omit statistics, repeated channels and schemas, indexes of
chunks, attachments and metadata, or all of these. The index is used if it is complete: its counts
match its entries, and the data section has nothing that it does not list. Otherwise the data
section is read.
"""

import itertools
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from operator import le
from typing import IO, Final, NamedTuple, Protocol, TypeVar, cast

from mcap.opcode import Opcode
from mcap.records import (
    AttachmentIndex,
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    McapRecord,
    MetadataIndex,
    Schema,
    Statistics,
)

from dsmq_nodes.bag.file.mcap_records import (
    FOOTER_BYTES,
    HEAD,
    MAGIC,
    Head,
    RawMessage,
    content,
    heads,
    inside,
    message_at,
    message_head,
    parsed,
    unpacked,
)

_RUN_BYTES: Final = 1 << 20
_TOO_LATE_NS: Final = 1 << 64
_CHUNK_HEAD: Final = struct.Struct("<BQQQ")  # its opcode, length, first and last time
# The records that the index lists or repeats.
_COVERED: Final = frozenset({Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE_INDEX, Opcode.DATA_END})


class NoIndexError(ValueError):
    """The file has no complete footer."""


class Wanted(NamedTuple):
    """The messages that a caller wants.

    Attributes:
        channel_ids: only messages of these channels; None for all.
        start_ns: only messages from this time on; None for the first.
        end_ns: only messages before this time; None to the end.
    """

    channel_ids: set[int] | None
    start_ns: int | None
    end_ns: int | None


@dataclass(slots=True)
class Span:
    """A part of a file with messages: a chunk, or consecutive messages outside chunks.

    Attributes:
        at: the offset of its begin.
        end: the offset of its end.
        start_ns: the log time of its first message.
        end_ns: the log time of its last message.
        channel_ids: the channels of its messages; None when unknown.
        is_chunk: whether it is a chunk.
    """

    at: int
    end: int
    start_ns: int
    end_ns: int
    channel_ids: set[int] | None
    is_chunk: bool

    def may_have(self, wanted: Wanted) -> bool:
        """Whether the span may have wanted messages."""
        if wanted.start_ns is not None and self.end_ns < wanted.start_ns:
            return False
        if wanted.end_ns is not None and self.start_ns >= wanted.end_ns:
            return False
        ids = self.channel_ids
        return wanted.channel_ids is None or ids is None or not ids.isdisjoint(wanted.channel_ids)

    def data(self, stream: IO[bytes]) -> bytes:
        """Return the records of the span, decompressed."""
        stream.seek(self.at)
        raw = stream.read(self.end - self.at)
        if not self.is_chunk:
            return raw
        opcode, length = HEAD.unpack_from(raw) if len(raw) >= HEAD.size else (0, 0)
        if opcode != Opcode.CHUNK or length > len(raw) - HEAD.size:
            raise ValueError(f"at byte {self.at} there is no chunk, although the index lists one")
        return unpacked(cast("Chunk", parsed(opcode, raw[HEAD.size : HEAD.size + length])))


@dataclass(slots=True)
class Index:
    """The contents of a file.

    Attributes:
        counts: the number of messages of each channel.
        start_ns: the log time of the first message; None when there is none.
        end_ns: the log time of the last message; None when there is none.
        attachments: the places of the attachments.
        texts: the places of the named texts.
        compressions: the compressions of the chunks.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)
    start_ns: int | None = None
    end_ns: int | None = None
    attachments: list[Head] = field(default_factory=list)
    texts: list[Head] = field(default_factory=list)
    compressions: set[str] = field(default_factory=set)

    def define(self, record: McapRecord | None) -> None:
        """Add a schema or a channel."""
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Channel):
            self.channels[record.id] = record


def read_index(stream: IO[bytes], size_bytes: int) -> Index:
    """Find the contents of a file.

    Raises:
        NoIndexError: the file has no complete footer.
        ValueError: the file is damaged.
    """
    footer, footer_at = _footer(stream, size_bytes)
    first = next(heads(stream, len(MAGIC), footer_at), None)
    if first is None or first.opcode != Opcode.HEADER:
        raise ValueError("it does not begin with a header")
    parsed(first.opcode, content(stream, first))  # raises if the header is damaged
    begin = first.at + first.length
    found = None
    if begin <= footer.summary_start < footer_at:
        found = _summary(stream, begin, footer, footer_at)
    return found or _scan(stream, begin, footer_at)


class SalvagedSummary(NamedTuple):
    """The definitions and offsets that the end of a file repeats.

    Attributes:
        schemas: by their ids.
        channels: by their ids.
        places: the offsets of chunks and other listed records, and of the end of the data; sorted.
    """

    schemas: dict[int, Schema]
    channels: dict[int, Channel]
    places: list[int]


def salvage_summary(stream: IO[bytes], size_bytes: int) -> SalvagedSummary:
    """Read the end of a file whose data may be damaged; return nothing if it is damaged too."""
    nothing = SalvagedSummary({}, {}, [])
    try:
        footer, footer_at = _footer(stream, size_bytes)
        found = _read_summary(stream, footer, footer_at) if footer.summary_start else None
    except ValueError:
        return nothing
    if found is None:
        return nothing
    places = {each.chunk_start_offset for each in found.chunks}
    places |= {each.offset for _, each in found.others} | {footer.summary_start}
    return SalvagedSummary(found.index.schemas, found.index.channels, sorted(places))


def _footer(stream: IO[bytes], size_bytes: int) -> tuple[Footer, int]:
    """Return the last record and its offset.

    Raises:
        NoIndexError: the file has no complete footer.
    """
    footer_at = size_bytes - FOOTER_BYTES - len(MAGIC)
    stream.seek(max(footer_at, 0))
    end = stream.read()
    if footer_at < len(MAGIC) or not end.endswith(MAGIC) or end[0] != Opcode.FOOTER:
        raise NoIndexError
    return cast("Footer", parsed(Opcode.FOOTER, end[HEAD.size : FOOTER_BYTES])), footer_at


class _Summary:
    """The summary section of a file."""

    def __init__(self, records: Iterable[McapRecord | None]) -> None:
        self.index = Index()
        self.statistics: Statistics | None = None
        self.chunks: list[ChunkIndex] = []
        self.others: list[tuple[Opcode, AttachmentIndex | MetadataIndex]] = []
        for record in records:
            match record:
                case Statistics():
                    self.statistics = record
                case ChunkIndex():
                    self.chunks.append(record)
                case AttachmentIndex():
                    self.others.append((Opcode.ATTACHMENT, record))
                case MetadataIndex():
                    self.others.append((Opcode.METADATA, record))
                case _:
                    self.index.define(record)

    def is_whole(self) -> bool:
        """Whether its counts match its entries."""
        statistics, index = self.statistics, self.index
        if statistics is None:
            return False
        counts = statistics.channel_message_counts
        schema_ids = {each.schema_id for each in index.channels.values()} - {0}
        return (
            len(self.chunks) == statistics.chunk_count
            and len(self.others) == statistics.attachment_count + statistics.metadata_count
            and len(index.channels) == statistics.channel_count
            and counts.keys() <= index.channels.keys()
            and sum(counts.values()) == statistics.message_count
            and schema_ids <= index.schemas.keys()
            and (not statistics.message_count or self._has_times_of(statistics))
        )

    def _has_times_of(self, statistics: Statistics) -> bool:
        """Whether the chunks' times match the statistics; a chunk without messages has 0."""
        starts = {each.message_start_time for each in self.chunks}
        ends = {each.message_end_time for each in self.chunks}
        first = {min(starts, default=0), min(starts - {0}, default=0)}
        return statistics.message_start_time in first and statistics.message_end_time == max(
            ends, default=0
        )

    def covers(self, stream: IO[bytes], at: int, end: int) -> bool:
        """Whether the summary lists everything in the data section."""
        named = {
            each.chunk_start_offset: each.chunk_length + each.message_index_length
            for each in self.chunks
        }
        named |= {each.offset: each.length for _, each in self.others}
        is_named_once = len(named) == len(self.chunks) + len(self.others)
        if not is_named_once or any(length < HEAD.size for length in named.values()):
            return False
        if not all(_has_times_of_its_index(stream, each) for each in self.chunks):
            return False
        met = 0
        while at < end:
            if at in named:
                at, met = at + named[at], met + 1
                continue
            head = next(heads(stream, at, end))
            is_others = head.opcode > max(Opcode)  # a private record, or one of a later version
            if head.opcode not in _COVERED and not is_others:
                return False
            at = head.at + head.length
        return at == end and met == len(named)

    def finished(self) -> Index:
        """Return the index from this summary."""
        index, statistics = self.index, self.statistics
        assert statistics is not None  # checked by is_whole
        index.counts = dict(statistics.channel_message_counts)
        if statistics.message_count:
            index.start_ns, index.end_ns = (
                statistics.message_start_time,
                statistics.message_end_time,
            )
        for each in self.chunks:
            index.compressions.add(each.compression)
            index.spans.append(
                Span(
                    each.chunk_start_offset,
                    each.chunk_start_offset + each.chunk_length,
                    each.message_start_time,
                    each.message_end_time,
                    set(each.message_index_offsets) or None,
                    is_chunk=True,
                )
            )
        for opcode, other in self.others:
            head = Head(opcode, other.offset + HEAD.size, other.length - HEAD.size)
            (index.attachments if opcode == Opcode.ATTACHMENT else index.texts).append(head)
        return index


def _has_times_of_its_index(stream: IO[bytes], chunk: ChunkIndex) -> bool:
    stream.seek(chunk.chunk_start_offset)
    raw = stream.read(_CHUNK_HEAD.size)
    times = chunk.message_start_time, chunk.message_end_time
    if len(raw) < _CHUNK_HEAD.size:
        return False
    opcode, _, *found = _CHUNK_HEAD.unpack(raw)
    return opcode == Opcode.CHUNK and tuple(found) == times


def _summary(stream: IO[bytes], begin: int, footer: Footer, footer_at: int) -> Index | None:
    """Return the contents by the index, or None when it is incomplete or damaged."""
    try:
        found = _read_summary(stream, footer, footer_at)
        if found and found.is_whole() and found.covers(stream, begin, footer.summary_start):
            return found.finished()
    except ValueError:
        pass
    return None


def _read_summary(stream: IO[bytes], footer: Footer, footer_at: int) -> _Summary | None:
    """Return the summary, complete or not, or None when its checksum is wrong.

    Raises:
        ValueError: the summary is damaged.
    """
    start = footer.summary_start
    stream.seek(start)
    raw = stream.read(footer_at - start + FOOTER_BYTES - 4)
    if footer.summary_crc and zlib.crc32(raw) != footer.summary_crc:
        return None
    return _Summary(
        parsed(head.opcode, content(stream, head)) for head in heads(stream, start, footer_at)
    )


def _scan(stream: IO[bytes], begin: int, end: int) -> Index:
    """Build an index by reading the data section."""
    index, run = Index(), None
    for head in heads(stream, begin, end):
        if head.opcode == Opcode.MESSAGE:
            if run is None or run.end - run.at > _RUN_BYTES:
                run = Span(head.at - HEAD.size, 0, 0, 0, set(), is_chunk=False)
            data = content(stream, head)
            _take(index, run, message_at(data, 0, len(data)))
            run.end = head.at + head.length
        elif head.opcode in {Opcode.SCHEMA, Opcode.CHANNEL}:
            index.define(parsed(head.opcode, content(stream, head)))
        elif head.opcode == Opcode.DATA_END:
            _check_crc(stream, head, index)
            break
        else:
            run = None
            _take_other(stream, head, index)
    return index


def _take_other(stream: IO[bytes], head: Head, index: Index) -> None:
    match head.opcode:
        case Opcode.CHUNK:
            chunk = cast("Chunk", parsed(head.opcode, content(stream, head)))
            index.compressions.add(chunk.compression)
            span = Span(head.at - HEAD.size, head.at + head.length, 0, 0, set(), is_chunk=True)
            _take_all(index, span, unpacked(chunk))
        case Opcode.ATTACHMENT:
            index.attachments.append(head)
        case Opcode.METADATA:
            index.texts.append(head)
        case _:
            pass


def _take_all(index: Index, span: Span, data: bytes) -> None:
    for opcode, begin, end in inside(data):
        if opcode == Opcode.MESSAGE:
            _take(index, span, message_at(data, begin, end))
        elif opcode in {Opcode.SCHEMA, Opcode.CHANNEL}:
            index.define(parsed(opcode, data[begin:end]))


def _take(index: Index, span: Span, message: RawMessage) -> None:
    number, time_ns = message.channel_id, message.log_time_ns
    ids = span.channel_ids
    assert ids is not None  # a span under construction has them
    if not ids:
        index.spans.append(span)
        span.start_ns = span.end_ns = time_ns
    if number not in ids:
        if number not in index.channels:
            raise ValueError(f"there is a message of channel {number}, and no such channel")
        ids.add(number)
    span.start_ns, span.end_ns = min(span.start_ns, time_ns), max(span.end_ns, time_ns)
    index.counts[number] = index.counts.get(number, 0) + 1
    index.start_ns = time_ns if index.start_ns is None else min(index.start_ns, time_ns)
    index.end_ns = time_ns if index.end_ns is None else max(index.end_ns, time_ns)


def _check_crc(stream: IO[bytes], head: Head, index: Index) -> None:
    """Check the checksum of the data outside chunks."""
    expected_crc = cast("DataEnd", parsed(head.opcode, content(stream, head))).data_section_crc
    if not expected_crc or all(each.is_chunk for each in index.spans):
        return
    stream.seek(0)
    found, missing = 0, head.at - HEAD.size
    while missing > 0 and (piece := stream.read(min(missing, _RUN_BYTES))):
        found, missing = zlib.crc32(piece, found), missing - len(piece)
    if found != expected_crc:
        raise ValueError("the checksum of its data is wrong")


def messages(
    stream: IO[bytes],
    spans: Iterable[Span],
    wanted: Wanted,
    doubt: Callable[[str], None],
) -> Iterator[RawMessage]:
    """Return the messages of spans by log time; equal times in the order of the file.

    Args:
        stream: the file.
        spans: the parts that may have wanted messages.
        wanted: the wanted messages.
        doubt: called when a span has other messages than the index says.

    Raises:
        ValueError: a span is damaged.
    """
    return merged(spans, lambda span: _messages_in(span, span.data(stream), wanted, doubt))


class _Dated(Protocol):
    @property
    def log_time_ns(self) -> int: ...


class _MessageSource(Protocol):
    at: int
    start_ns: int


_DatedT = TypeVar("_DatedT", bound=_Dated)
_SourceT = TypeVar("_SourceT", bound=_MessageSource)


def merged(
    sources: Iterable[_SourceT], opened: Callable[[_SourceT], Iterator[_DatedT]]
) -> Iterator[_DatedT]:
    """Yield the messages of several sources by log time; open each when its first one is due."""
    waiting = sorted(sources, key=lambda each: (each.start_ns, each.at), reverse=True)
    heap: list[tuple[int, int, _DatedT, Iterator[_DatedT]]] = []  # sorted by the next message
    while waiting or heap:
        if not heap or (waiting and waiting[-1].start_ns <= heap[0][0]):
            source = waiting.pop()
            later = opened(source)
            if (first := next(later, None)) is not None:
                heappush(heap, (first.log_time_ns, source.at, first, later))
            continue
        _, at, message, later = heap[0]
        yield message
        if (following := next(later, None)) is not None:
            heapreplace(heap, (following.log_time_ns, at, following, later))
        else:
            heappop(heap)


def _messages_in(
    span: Span,
    data: bytes,
    wanted: Wanted,
    doubt: Callable[[str], None],
) -> Iterator[RawMessage]:
    # Four arrays of numbers: objects would take ten times the memory of small messages.
    times, begins, ends, ids = array("Q"), array("L"), array("L"), set[int]()
    asked, least_ns = wanted.channel_ids, wanted.start_ns or 0
    most_ns = _TOO_LATE_NS if wanted.end_ns is None else wanted.end_ns
    for opcode, begin, end in inside(data):
        if opcode != Opcode.MESSAGE:
            continue
        channel_id, time_ns = message_head(data, begin, end)
        if not span.start_ns <= time_ns <= span.end_ns:
            doubt("times")
        ids.add(channel_id)
        if least_ns <= time_ns < most_ns and (asked is None or channel_id in asked):
            times.append(time_ns)
            begins.append(begin)
            ends.append(end)
    if span.channel_ids is not None and not ids <= span.channel_ids:
        doubt("channels")
    for number in _by_time(times):
        yield message_at(data, begins[number], ends[number])


def _by_time(times: "array[int]") -> Iterable[int]:
    """Return the message numbers sorted by time; most files are sorted already."""
    count = len(times)
    if all(map(le, times, itertools.islice(times, 1, None))):
        return range(count)
    return sorted(range(count), key=times.__getitem__)
