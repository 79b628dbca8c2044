"""MCAP files in every layout that the format allows: with and without each optional part.

The parts are those of the format's conformance suite: chunks, indexes of messages, chunks,
attachments and metadata, statistics, schemas and channels said again in the summary, offsets of
the summary, and bytes after the fields of a record that an older reader passes over.
"""

import itertools
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
    Message,
    MessageIndex,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

MAGIC = b"\x89MCAP0\r\n"
PARTS = ("ch", "mx", "st", "rsh", "rch", "ax", "mdx", "chx", "sum", "pad")
SCHEMA = Schema(id=1, name="std_msgs/msg/Float64", encoding="jsonschema", data=b'{"type":"object"}')
CHANNEL = Channel(id=1, topic="/t", message_encoding="json", metadata={"who": "me"}, schema_id=1)
START_NS = 10**18
STEP_NS = 10**8


def message(number: int, channel_id: int = 1) -> Message:
    at_ns = START_NS + number * STEP_NS
    return Message(channel_id, at_ns, b'{"data":%d}' % number, at_ns + 1, number)


CONTENTS: dict[str, Sequence[McapRecord]] = {
    "NoData": (),
    "OneMessage": (SCHEMA, CHANNEL, message(0)),
    "OneAttachment": (Attachment(2, 1, "notes.txt", "text/plain", b"by hand"),),
    "OneMetadata": (Metadata("robot", {"name": "one"}),),
    "OneSchemalessMessage": (Channel(2, "/plain", "json", {}, 0), message(0, 2)),
    "TenMessages": (SCHEMA, CHANNEL, *map(message, range(10))),
}


class Layout(NamedTuple):
    content: str
    parts: frozenset[str]

    def __str__(self) -> str:
        return "-".join([self.content, *sorted(self.parts)])


def layouts() -> Iterator[Layout]:
    for content, records in CONTENTS.items():
        kinds = {type(each) for each in records}
        useless = set()
        useless |= set() if Attachment in kinds else {"ax"}
        useless |= set() if Metadata in kinds else {"mdx"}
        useless |= set() if Schema in kinds else {"rsh"}
        useless |= set() if Channel in kinds else {"rch"}
        useless |= set() if kinds & {Message, Channel, Schema} else {"ch", "chx", "mx"}
        for chosen in itertools.product((False, True), repeat=len(PARTS)):
            parts = frozenset(itertools.compress(PARTS, chosen))
            offsets = "sum" in parts and not parts & {"chx", "rsh", "rch", "mdx", "ax", "st"}
            indexes = parts & {"mx", "chx"} and "ch" not in parts  # of what is not there
            if not (parts & useless or offsets or indexes):
                yield Layout(content, parts)


def file_of(records: Sequence[McapRecord], parts: frozenset[str], profile: str = "") -> bytes:
    """A file with these records, in one chunk or in none, and with these parts."""
    return _File(records, parts, profile).made


class _File:
    def __init__(self, records: Sequence[McapRecord], parts: frozenset[str], profile: str) -> None:
        self.parts = parts
        self.made = MAGIC
        self.indexes: list[McapRecord] = []
        self.put(Header(profile, ""))
        in_chunk = [each for each in records if isinstance(each, Schema | Channel | Message)]
        for each in records:
            if "ch" in parts and each in in_chunk:
                continue
            at = len(self.made)
            length = self.put(each)
            if isinstance(each, Attachment) and "ax" in parts:
                times, size = (each.log_time, each.create_time), len(each.data)
                index = AttachmentIndex(at, length, *times, size, each.name, each.media_type)
                self.indexes.append(index)
            if isinstance(each, Metadata) and "mdx" in parts:
                self.indexes.append(MetadataIndex(at, length, each.name))
        if "ch" in parts:
            self.put_chunk(in_chunk)
        self.put(DataEnd(zlib.crc32(self.made)))
        self.end(records)

    def put(self, record: McapRecord) -> int:
        raw = self.raw(record)
        self.made += raw
        return len(raw)

    def raw(self, record: McapRecord) -> bytes:
        builder = RecordBuilder()
        record.write(builder)
        raw = bytes(builder.end())  # type: ignore[no-untyped-call]
        if "pad" in self.parts and not isinstance(record, Message | Footer):
            raw = raw[:1] + struct.pack("<Q", len(raw) - 9 + 3) + raw[9:] + b"\1\2\3"
        return raw

    def put_chunk(self, records: Sequence[McapRecord]) -> None:
        data = b""
        found: dict[int, list[tuple[int, int]]] = {}
        messages = [each for each in records if isinstance(each, Message)]
        times = [each.log_time for each in messages] or [0]
        for each in records:
            if isinstance(each, Message):
                found.setdefault(each.channel_id, []).append((each.log_time, len(data)))
            data += self.raw(each)
        at = len(self.made)
        length = self.put(Chunk("", data, max(times), min(times), zlib.crc32(data), len(data)))
        offsets, indexes_at = {}, len(self.made)
        if "mx" in self.parts:
            for number, entries in found.items():
                offsets[number] = len(self.made)
                self.put(MessageIndex(number, entries))
        if "chx" in self.parts:
            indexes = len(self.made) - indexes_at
            sizes = len(data), max(times), indexes, offsets, min(times), len(data)
            self.indexes.append(ChunkIndex(length, at, "", *sizes))

    def end(self, records: Sequence[McapRecord]) -> None:
        start, groups = len(self.made), list[SummaryOffset]()
        again = [
            *(each for each in records if isinstance(each, Schema) and "rsh" in self.parts),
            *(each for each in records if isinstance(each, Channel) and "rch" in self.parts),
            *([self.statistics(records)] if "st" in self.parts else []),
            *self.indexes,
        ]
        for each in again:
            at = len(self.made)
            groups.append(SummaryOffset(self.raw(each)[0], at, self.put(each)))
        summary_start = start if again else 0
        offsets_start = len(self.made) if "sum" in self.parts else 0
        for group in groups if "sum" in self.parts else []:
            self.put(group)
        head = struct.pack("<BQQQ", Opcode.FOOTER, 20, summary_start, offsets_start)
        crc = zlib.crc32(self.made[start:] + head)
        self.put(Footer(summary_start, offsets_start, crc))
        self.made += MAGIC

    def statistics(self, records: Sequence[McapRecord]) -> Statistics:
        def many(kind: type[McapRecord]) -> int:
            return sum(isinstance(each, kind) for each in records)

        messages = [each for each in records if isinstance(each, Message)]
        times = [each.log_time for each in messages] or [0]
        counts: dict[int, int] = {}
        for each in messages:
            counts[each.channel_id] = counts.get(each.channel_id, 0) + 1
        return Statistics(
            attachment_count=many(Attachment),
            channel_count=many(Channel),
            channel_message_counts=counts,
            chunk_count=int("ch" in self.parts),
            message_count=len(messages),
            message_end_time=max(times),
            message_start_time=min(times),
            metadata_count=many(Metadata),
            schema_count=many(Schema),
        )
