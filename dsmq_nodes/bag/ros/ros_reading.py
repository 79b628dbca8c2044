"""Reads ROS 1 and ROS 2 bags as if they were ours (extra `ros`: rosbags).

Topics of unknown types, events of services, and messages that do not match their type are left out
and reported; everything else is returned.
"""

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, Protocol

from dsmq_nodes.bag.bag_source import BagSource, leave_out
from dsmq_nodes.bag.file.contents import Attachment, Channel, latched_metadata
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, McapFile, Record
from dsmq_nodes.bag.file.recorded_schemas import ANYTHING, class_of, schema_text
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.bag.ros.db3_file import Db3File
from dsmq_nodes.bag.ros.ros1_file import MAGIC as ROS1_MAGIC
from dsmq_nodes.bag.ros.ros1_file import Ros1File
from dsmq_nodes.bag.ros.ros_folder import (
    METADATA,
    PACKED_SUFFIXES,
    RosFolder,
    Unpacked,
    latched_depth,
    unpacked_message,
)
from dsmq_nodes.bag.ros.ros_types import RosDecoder, UnknownTypeError
from dsmq_nodes.errors import BagError
from dsmq_nodes.graph.topics.compatible import compare

ENCODINGS: Final = frozenset({"cdr", "ros1"})
_TIMES: Final = range(1 << 64)


class RawFile(Protocol):
    """A file of ROS messages."""

    path: Path

    @property
    def start_ns(self) -> int | None:
        """When the first message was recorded; None: there is none."""

    @property
    def end_ns(self) -> int | None:
        """When the last message was recorded; None: there is none."""

    def counts(self) -> list[ChannelCount]:
        """Its channels, and how many messages they have."""

    def compression(self) -> str:
        """The compression of its messages."""

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Its messages as they are, by time."""


class RosBag(BagSource):
    """A ROS bag: a `.bag` of ROS 1, the folder or the `.mcap` or `.db3` file of a ROS 2 one.

    Attributes:
        path: where it is.
        paths: where its files are.
        files: its files.
        omitted: the topics and messages that are left out.
        start_ns: when the first message was recorded; 0 for an empty bag.
        end_ns: when the last message was recorded; 0 for an empty bag.
    """

    def __init__(self, path: Path, topics: Selection | None = None) -> None:
        """Open it.

        Raises:
            BagError: it is no ROS bag, or damaged, or has not the topics.
        """
        self.path = path
        self.omitted = Omitted()
        self._unpacked = Unpacked()
        self._folder = RosFolder(path, self.omitted) if path.is_dir() else None
        self.paths = [path] if self._folder is None else self._folder.files
        self.files: list[RawFile] = list(self._opened())
        self._all = [each for file in self.files for each in file.counts()]
        self._compare()
        if topics is not None:
            topics.check((each.channel.topic for each in self._all), str(path))
        self._selection = topics
        self._decoders: dict[Channel, RosDecoder | None] = {}
        self._channels: dict[Channel, Channel] = {}
        self.start_ns = min((f.start_ns for f in self.files if f.start_ns is not None), default=0)
        self.end_ns = max((f.end_ns for f in self.files if f.end_ns is not None), default=0)

    def _opened(self) -> Iterator[RawFile]:
        """Its files; a file that cannot be read is left out, if there is another one.

        Raises:
            BagError: none of them can be read.
        """
        faults = []
        for path in self.paths:
            try:
                yield self._file(path)
            except BagError as error:
                faults.append(error)
        if len(faults) == len(self.paths):
            raise faults[0]
        for fault in faults:
            self.omitted.note(f"left out: {fault}")

    def _file(self, path: Path) -> RawFile:
        """A file, unpacked if it is packed.

        Raises:
            BagError: it cannot be read.
        """
        unpacked = self._unpacked.path(path)
        whole = self._unpacked.whole(unpacked) if unpacked.suffix == ".db3" else unpacked
        if whole != unpacked:
            self.omitted.note(f"{path} is cut off")
        try:
            return self._raw(whole)
        except BagError as error:
            if unpacked == path:
                raise BagError(str(error).replace(str(whole), str(path))) from None
            told = str(error).replace(str(whole), str(path.with_suffix("")))
            raise BagError(f"{told}; first unpack it: `zstd -d {path}`") from None

    def _raw(self, found: Path) -> RawFile:
        if found.suffix == ".db3":
            return Db3File(found, self.omitted)
        with found.open("rb") as stream:
            is_one = stream.read(len(ROS1_MAGIC)) == ROS1_MAGIC
        return Ros1File(found, self.omitted) if is_one else McapFile(found, self.omitted)

    def _compare(self) -> None:
        """Compare the metadata with the files."""
        announced = self._folder.counts if self._folder else {}
        found: dict[str, int] = {}
        for each in self._all:
            found[each.channel.topic] = found.get(each.channel.topic, 0) + each.messages
        for topic, count in announced.items():
            if found.get(topic, 0) != count:
                self.omitted.note(
                    f"{topic}: {METADATA} tells of {count} messages, the files have "
                    f"{found.get(topic, 0)}"
                )

    @property
    def topics(self) -> dict[str, str]:
        """The type's name of each topic."""
        return {each.channel.topic: each.channel.type_name for each in self._wanted()}

    def __len__(self) -> int:
        return sum(each.messages for each in self._wanted())

    def _wanted(self) -> list[ChannelCount]:
        chosen = self._selection
        return [each for each in self._all if chosen is None or each.channel.topic in chosen]

    def compression(self) -> str:
        """The compression of its files."""
        if self._folder is not None and self._folder.compressed_messages:
            return "zstd, message by message"
        if self.paths[0].suffix in PACKED_SUFFIXES:
            return "zstd, file by file"
        return self.files[0].compression()

    def raw_counts(self) -> list[ChannelCount]:
        """Its ROS channels, and how many messages they have."""
        return _added(self._wanted())

    def counts(self) -> list[ChannelCount]:
        """Its channels in our form, without those left out, and how many messages they have."""
        return _added(
            [
                ChannelCount(self._channel(each.channel), each.messages)
                for each in self._wanted()
                if self._is_read(each.channel)
            ]
        )

    def attachments(self) -> list[Attachment]:
        """ROS bags hold no files, except those that are MCAP."""
        return [
            attachment
            for file in self.files
            if isinstance(file, McapFile)
            for attachment in file.attachments()
        ]

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Where it comes from."""
        return [("converted", {"from": self.path.name})]

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Its messages in our JSON form, by time.

        Raises:
            BagError: it is damaged.
        """
        wanted = {each.channel.topic for each in self._wanted()}
        names = wanted if topics is None else wanted & set(topics)
        parts = [file.records(names, start_ns, end_ns) for file in self.files]
        sequence: dict[Channel, int] = {}
        for raw in heapq.merge(*parts, key=lambda record: record.log_time_ns):
            if not self._is_read(raw.channel):
                continue
            channel = self._channel(raw.channel)
            try:
                data = self._json(raw)
            except ValueError as error:
                leave_out(self, raw, error)
                continue
            number = sequence[channel] = sequence.get(channel, 0) + 1
            yield raw._replace(channel=channel, sequence=number, data=data)

    def _json(self, raw: Record) -> bytes:
        """A message as JSON.

        Raises:
            ValueError: it cannot be converted.
        """
        if raw.log_time_ns not in _TIMES:
            raise ValueError("its time is before 1970")
        data = _unpacked(raw)
        decoder = self._decoders[raw.channel]
        return data if decoder is None else decoder.json(data)

    def _is_read(self, raw: Channel) -> bool:
        """Whether the messages of a channel can be read; otherwise the channel is left out."""
        if raw.encoding == "json":
            self._decoders[raw] = None
        if raw in self._decoders:
            return True
        if raw.topic in self.omitted.topics:
            return False
        try:
            if raw.encoding not in ENCODINGS:
                raise UnknownTypeError(f"its messages are in {raw.encoding!r}, not in CDR")
            self._decoders[raw] = RosDecoder(raw, lambda: self._first(raw))
        except ValueError as error:
            self.omitted.topic(raw.topic, str(error))
            return False
        return True

    def _first(self, raw: Channel) -> bytes | None:
        """The first message of a channel; None when there is none."""
        for file in self.files:
            for record in file.records({raw.topic}):
                if record.channel == raw:
                    return _unpacked(record)
        return None

    def _channel(self, raw: Channel) -> Channel:
        """Our channel for a ROS channel."""
        known = self._channels.get(raw)
        if known is None:
            known = self._channels[raw] = self._made(raw)
        return known

    def _made(self, raw: Channel) -> Channel:
        decoder = self._decoders[raw]
        if decoder is None:
            return raw
        told = dict(raw.metadata)
        depth = raw.latched or latched_depth(told.get("offered_qos_profiles", ""))
        depth = depth or int(told.get("latching") == "1")  # of ROS 1 in an MCAP
        if self._folder is not None:
            depth = self._folder.latched.get(raw.topic, depth)
        metadata = latched_metadata(depth)
        schema = decoder.schema()
        name = decoder.type_name
        found = class_of(name)
        if found is not None:
            ours = found.schema()
            if not compare(ours, schema).differences:
                schema = ours
            else:
                self.omitted.note(
                    f"{raw.topic}: its {name} has other fields than the class that is "
                    "known here: it is converted as it was recorded"
                )
        return Channel(raw.topic, name, schema_text(schema or ANYTHING), metadata=metadata)


def _unpacked(raw: Record) -> bytes:
    """A message, which ROS 2 may have compressed."""
    return raw.data if raw.channel.encoding == "ros1" else unpacked_message(raw.data)


def _added(counts: list[ChannelCount]) -> list[ChannelCount]:
    """Each channel once: files and publishers share channels."""
    total: dict[Channel, int] = {}
    for each in counts:
        total[each.channel] = total.get(each.channel, 0) + each.messages
    return [ChannelCount(channel, count) for channel, count in total.items()]
