"""Reads ROS 1 and ROS 2 bags like the kit's own (extra `ros`: rosbags).

Topics of unknown types, service events, and messages that do not match their type are left out
and reported; everything else is returned.
"""

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, Protocol

from dsmq_nodes.bag.bag_source import BagSource, note_omitted
from dsmq_nodes.bag.file.contents import ROS_ENCODINGS, Attachment, Channel, latched_metadata
from dsmq_nodes.bag.file.mcap_reader import ROS1_MAGIC, ChannelCount, McapFile, Record, added
from dsmq_nodes.bag.file.recorded_schemas import ANYTHING, class_of, schema_text
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.bag.ros.db3_file import Db3File
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

_TIMES: Final = range(1 << 64)


class RawFile(Protocol):
    """A file of ROS messages."""

    path: Path

    @property
    def start_ns(self) -> int | None:
        """When the first message was recorded; None when there is none."""

    @property
    def end_ns(self) -> int | None:
        """When the last message was recorded; None when there is none."""

    def counts(self) -> list[ChannelCount]:
        """Return the channels, with their message counts."""

    def compression(self) -> str:
        """Return the compression of its messages."""

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Return the messages in their own encoding, by time."""


class RosBag(BagSource):
    """A ROS bag: a `.bag` of ROS 1, or a folder, `.mcap` or `.db3` file of ROS 2.

    Attributes:
        path: the path of the bag.
        paths: the paths of its files.
        files: its open files.
        omitted: the topics and messages that are left out.
        start_ns: when the first message was recorded; 0 for an empty bag.
        end_ns: when the last message was recorded; 0 for an empty bag.
    """

    def __init__(self, path: Path, topics: Selection | None = None) -> None:
        """Open the bag.

        Raises:
            BagError: the path is no ROS bag, or it is damaged, or lacks the topics.
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
        """Yield the files; a file that cannot be read is skipped, if another can.

        Raises:
            BagError: no file can be read.
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
        """Open a file, decompressed if it is compressed.

        Raises:
            BagError: the file cannot be read.
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
            fault = str(error).replace(str(whole), str(path.with_suffix("")))
            raise BagError(f"{fault}; decompress it first: `zstd -d {path}`") from None

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
                    f"{topic}: {METADATA} lists {count} messages, but the files have "
                    f"{found.get(topic, 0)}"
                )

    def _wanted(self) -> list[ChannelCount]:
        chosen = self._selection
        return [each for each in self._all if chosen is None or each.channel.topic in chosen]

    def compression(self) -> str:
        """Return the compression of its files."""
        if self._folder is not None and self._folder.compressed_messages:
            return "zstd, message by message"
        if self.paths[0].suffix in PACKED_SUFFIXES:
            return "zstd, file by file"
        return self.files[0].compression()

    def raw_counts(self) -> list[ChannelCount]:
        """Return the ROS channels, with their message counts."""
        return added(self._wanted())

    def counts(self) -> list[ChannelCount]:
        """Return the channels in the kit's form, except omitted ones, with their message counts."""
        return added(
            ChannelCount(self._channel(each.channel), each.messages)
            for each in self._wanted()
            if self._is_read(each.channel)
        )

    def attachments(self) -> list[Attachment]:
        """Return the attached files; only MCAP bags have any."""
        return [
            attachment
            for file in self.files
            if isinstance(file, McapFile)
            for attachment in file.attachments()
        ]

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return the name of the original bag."""
        return [("converted", {"from": self.path.name})]

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Yield the messages in the kit's JSON form, by time.

        Raises:
            BagError: the bag is damaged.
        """
        sequence: dict[Channel, int] = {}
        for raw in self._packed_records(start_ns, end_ns, topics):
            if not self._is_read(raw.channel):
                continue
            channel = self._channel(raw.channel)
            try:
                data = self._json(raw)
            except ValueError as error:
                note_omitted(self, raw, error)
                continue
            number = sequence[channel] = sequence.get(channel, 0) + 1
            yield raw._replace(channel=channel, sequence=number, data=data)

    def raw_records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Yield the messages in their own encoding, by time.

        Raises:
            BagError: the bag is damaged.
        """
        for raw in self._packed_records(start_ns, end_ns, topics):
            try:
                yield raw._replace(data=_unpacked(raw))
            except ValueError as error:
                note_omitted(self, raw, error)

    def _packed_records(
        self, start_ns: int | None, end_ns: int | None, topics: Collection[str] | None
    ) -> Iterator[Record]:
        wanted = {each.channel.topic for each in self._wanted()}
        names = wanted if topics is None else wanted & set(topics)
        parts = [file.records(names, start_ns, end_ns) for file in self.files]
        return heapq.merge(*parts, key=lambda record: record.log_time_ns)

    def _json(self, raw: Record) -> bytes:
        """Return a message as JSON.

        Raises:
            ValueError: the message cannot be converted.
        """
        if raw.log_time_ns not in _TIMES:
            raise ValueError("its time is before 1970")
        data = _unpacked(raw)
        decoder = self._decoders[raw.channel]
        return data if decoder is None else decoder.json(data)

    def _is_read(self, raw: Channel) -> bool:
        """Whether the messages of a channel can be read; if not, add the channel to `omitted`."""
        if raw.encoding == "json":
            self._decoders[raw] = None
        if raw in self._decoders:
            return True
        if raw.topic in self.omitted.topics:
            return False
        try:
            if raw.encoding not in ROS_ENCODINGS:
                raise UnknownTypeError(f"its messages are in {raw.encoding!r}, which is not CDR")
            self._decoders[raw] = RosDecoder(raw, lambda: self._first(raw))
        except ValueError as error:
            self.omitted.topic(raw.topic, str(error))
            return False
        return True

    def _first(self, raw: Channel) -> bytes | None:
        """Return the first message of a channel; None when there is none."""
        for file in self.files:
            for record in file.records({raw.topic}):
                if record.channel == raw:
                    return _unpacked(record)
        return None

    def _channel(self, raw: Channel) -> Channel:
        """Return the kit's channel for a ROS channel."""
        known = self._channels.get(raw)
        if known is None:
            known = self._channels[raw] = self._made(raw)
        return known

    def _made(self, raw: Channel) -> Channel:
        decoder = self._decoders[raw]
        if decoder is None:
            return raw
        recorded = dict(raw.metadata)
        depth = raw.latched or latched_depth(recorded.get("offered_qos_profiles", ""))
        depth = depth or int(recorded.get("latching") == "1")  # for ROS 1 in an MCAP
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
                    f"{raw.topic}: its {name} has other fields than the class "
                    "of that name: it is converted with the recorded fields"
                )
        return Channel(raw.topic, name, schema_text(schema or ANYTHING), metadata=metadata)


def _unpacked(raw: Record) -> bytes:
    """Return a message's data, decompressed if ROS 2 compressed it."""
    return raw.data if raw.channel.encoding == "ros1" else unpacked_message(raw.data)
