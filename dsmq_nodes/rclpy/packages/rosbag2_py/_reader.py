"""Reads a bag message by message, as bytes in CDR."""

import contextlib
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from dsmq_nodes.bag.any_bag import open_source
from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.contents import Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.ros.ros_reading import RosBag
from dsmq_nodes.errors import DsmqError
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.impl.topics.cdr import to_cdr
from dsmq_nodes.rclpy.interfaces.registry import conversion_named
from dsmq_nodes.rclpy.packages.rosbag2_py._storage import (
    STORAGES,
    BagMetadata,
    ConverterOptions,
    FileInformation,
    MessageDefinition,
    ReadOrder,
    StorageFilter,
    StorageOptions,
    TopicInformation,
    TopicMetadata,
)
from dsmq_nodes.rclpy.qos import DurabilityPolicy, QoSProfile
from dsmq_nodes.rclpy.time import Time


class SequentialReader:
    """A bag, read in the order of its messages' times."""

    def __init__(self) -> None:
        self._source: BagSource | None = None
        self._options = StorageOptions("")
        self._filter = StorageFilter()
        self._start_ns = 0
        self._records: Iterator[Record] = iter(())
        self._next: Record | None = None
        self._last: Record | None = None  # the one that was returned last

    def open_uri(self, uri: str) -> None:
        """Open a bag; raises as `open`."""
        self.open(StorageOptions(uri), ConverterOptions())

    def open(self, storage_options: StorageOptions, converter_options: ConverterOptions) -> None:
        """Open a bag.

        Raises:
            RuntimeError: there is none, or it is damaged, or its messages are not of ROS 2.
        """
        wanted = converter_options.output_serialization_format
        if wanted not in {"", "cdr"}:
            raise RuntimeError(f"messages are read as CDR here, not in {wanted!r}")
        self.close()
        try:
            self._source = open_source([Path(storage_options.uri)])
        except DsmqError as error:
            raise RuntimeError(
                f"No storage could be initialized from the inputs: {error}"
            ) from None
        if any(each.channel.encoding == "ros1" for each in self._source.raw_counts()):
            self._source = None
            raise RuntimeError(
                f"{storage_options.uri} is a bag of ROS 1: `dsmq-nodes bag convert` makes one of "
                "ROS 2 of it"
            )
        self._options = storage_options
        self.seek(max(storage_options.start_time_ns, 0))

    def close(self) -> None:
        """Close the bag."""
        self._source, self._records, self._next, self._last = None, iter(()), None, None

    def set_read_order(self, order: ReadOrder) -> bool:
        """Return whether the messages come in this order: it is that of their receipt.

        Raises:
            RuntimeError: it is backwards.
        """
        if order.reverse:
            raise RuntimeError("messages are not read backwards here")
        return order == ReadOrder()

    def set_filter(self, storage_filter: StorageFilter) -> None:
        """Read the messages of some topics only, from here on."""
        self._filter = storage_filter
        if self._last is not None:
            self._records, self._next = self._after(self._last), None
        elif self._source is not None:
            self.seek(self._start_ns)

    def reset_filter(self) -> None:
        """Read the messages of all topics, from here on."""
        self.set_filter(StorageFilter())

    def seek(self, timestamp: int) -> None:
        """Go on with the first message from this time on, in ns; the filter stays."""
        self._records, self._next, self._last = self._from(timestamp), None, None
        self._start_ns = timestamp

    def has_next(self) -> bool:
        """Whether there is one more message."""
        self._opened()
        if self._next is None:
            self._next = next(self._records, None)
        return self._next is not None

    def read_next(self) -> tuple[str, bytes, int]:
        """Return the topic, the bytes and the time of receipt, in ns, of the next message.

        Raises:
            RuntimeError: there is none, or its type is unknown here.
        """
        if not self.has_next():
            raise RuntimeError("Bag is at end. No next message.")
        record: Any = self._next
        self._last, self._next = record, None
        return record.channel.topic, _in_cdr(record), record.log_time_ns

    def get_metadata(self) -> BagMetadata:
        """Return what the bag tells about itself."""
        source = self._opened()
        start, duration = Time(nanoseconds=source.start_ns), source.end_ns - source.start_ns
        topics = [
            TopicInformation(about, each.messages)
            for about, each in zip(
                self.get_all_topics_and_types(), source.raw_counts(), strict=True
            )
        ]
        names = [path.name for path in source.paths]
        return BagMetadata(
            bag_size=sum(path.stat().st_size for path in source.paths),
            storage_identifier="sqlite3" if names[0].endswith(".db3") else "mcap",
            relative_file_paths=names,
            files=[*_files(source)],
            duration=Duration(nanoseconds=duration),
            starting_time=start,
            message_count=len(source),
            topics_with_message_count=topics,
        )

    def get_all_topics_and_types(self) -> list[TopicMetadata]:
        """Return the topics."""
        source = self._opened()
        found = (each.channel for each in source.raw_counts())
        latched = {each.channel.topic: each.channel.latched for each in source.counts()}
        return [
            TopicMetadata(at, x.topic, x.type_name, "cdr", _profiles(latched.get(x.topic, 0)))
            for at, x in enumerate(found, 1)
        ]

    def get_all_message_definitions(self) -> list[MessageDefinition]:
        """Return the definitions of the topics' types that are in the bag."""
        found = {each.channel.type_name: each.channel for each in self._opened().raw_counts()}
        return [_definition(channel) for channel in found.values()]

    def _opened(self) -> BagSource:
        if self._source is None:
            raise RuntimeError("Bag is not open. Call open() before reading.")
        return self._source

    def _from(self, start_ns: int) -> Iterator[Record]:
        source = self._opened()
        is_read = _test(self._filter)
        topics = {name for name in source.topics if is_read(name)}
        end_ns = self._options.end_time_ns
        return self._recorded(start_ns, end_ns + 1 if end_ns >= 0 else None, topics)

    def _recorded(
        self, start_ns: int, end_ns: int | None, topics: Collection[str] | None = None
    ) -> Iterator[Record]:
        source = self._opened()
        records = source.raw_records if isinstance(source, RosBag) else source.records
        return records(start_ns, end_ns, topics)

    def _after(self, last: Record) -> Iterator[Record]:
        """Yield the messages behind one, whatever the filter was when it was read."""
        time_ns, is_read = last.log_time_ns, _test(self._filter)
        same = list(self._recorded(time_ns, time_ns + 1))
        yield from (each for each in same[same.index(last) + 1 :] if is_read(each.channel.topic))
        yield from self._from(time_ns + 1)


class SequentialCompressionReader(SequentialReader):
    """The same: every reader decompresses what is compressed."""


class Info:
    """A reader of what a bag tells about itself."""

    def read_metadata(self, uri: str, storage_id: str) -> BagMetadata:
        """Return it; raises as `SequentialReader.open`."""
        reader = SequentialReader()
        reader.open(StorageOptions(uri, storage_id), ConverterOptions())
        return reader.get_metadata()


def get_registered_readers() -> set[str]:
    """Return the storages that are read."""
    return set(STORAGES)


def _test(chosen: StorageFilter) -> Callable[[str], bool]:
    """Return a function that tells whether a topic is read by this filter."""

    def is_read(topic: str) -> bool:
        is_event = topic.endswith("/_service_event")
        if topic in (chosen.exclude_service_events if is_event else chosen.exclude_topics):
            return False
        if chosen.regex_to_exclude and re.fullmatch(chosen.regex_to_exclude, topic):
            return False
        named = chosen.services_events if is_event else chosen.topics
        if not named and not chosen.regex:
            return True
        return topic in named or bool(chosen.regex and re.fullmatch(chosen.regex, topic))

    return is_read


def _profiles(latched: int) -> list[QoSProfile]:
    durability = DurabilityPolicy.TRANSIENT_LOCAL
    return [QoSProfile(depth=latched, durability=durability)] if latched else []


def _in_cdr(record: Record) -> bytes:
    channel = record.channel
    if channel.encoding == "cdr":
        return record.data
    if channel.encoding != "json" or not channel.type_name:
        raise RuntimeError(f"a message of {channel.topic} cannot be read: {channel.unreadable}")
    try:
        return to_cdr(conversion_named(channel.type_name).from_json(record.data))
    except (DsmqError, TypeError, ValueError, OverflowError) as error:
        raise RuntimeError(f"a message of {channel.topic} cannot be read: {error}") from None


def _files(source: BagSource) -> Iterator[FileInformation]:
    for path in source.paths:
        with contextlib.suppress(DsmqError):  # it is damaged, and the bag is read without it
            file = open_source([path]) if len(source.paths) > 1 else source
            start, length = Time(nanoseconds=file.start_ns), file.end_ns - file.start_ns
            yield FileInformation(path.name, start, Duration(nanoseconds=length), len(file))


def _definition(channel: Channel) -> MessageDefinition:
    text = channel.schema.decode(errors="replace")
    hashed = dict(channel.metadata).get("topic_type_hash", "")
    return MessageDefinition(channel.type_name, channel.schema_encoding, text, hashed)
