"""Reads bags of any kind: `for topic, msg, stamp in Bag("run.mcap")`."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dsmq_nodes.bag.file.contents import TEXT, Attachment, Channel
from dsmq_nodes.bag.file.selection import Selection, chosen
from dsmq_nodes.bag.optional import need_bag
from dsmq_nodes.errors import BagError, MessageError

if TYPE_CHECKING:
    from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
    from dsmq_nodes.messages.base import Message


_IF_CHANGED: Final = (
    "if the class has changed since, pass the old one or Untyped: types={topic: class}"
)


class Untyped(dict[str, Any]):
    """A message of an unknown type: a dict whose entries are also attributes."""

    type_name: str = ""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"this message has no field {name!r}: {list(self)}") from None


class BagMessage(NamedTuple):
    """A recorded message.

    Attributes:
        topic: the topic's name.
        msg: an instance of the type's class if that is known, else `Untyped`; a plain client's text
            is a str.
        stamp: when the message was recorded, in nanoseconds since 1970-01-01 UTC.
    """

    topic: str
    msg: "Message | Untyped | str"
    stamp: int


class Bag:
    """A recording: the kit's own (its files), of ROS 1 or ROS 2, or a dataset of LeRobot.

    Iteration yields the messages in the order of their recording; each `for` starts at the first.
    Topics that cannot be read are left out and named in `omitted`; it is an error when all are.
    `records` yields undecoded messages from any time on, and `latched_before` returns earlier
    latched messages.

    Attributes:
        omitted: topics and messages of the bag that cannot be read, and messages that its index
            lists and that are missing.
        paths: the paths of its files.
        start_ns: when the first message was recorded; 0 for an empty bag.
        end_ns: when the last message was recorded; 0 for an empty bag.
    """

    def __init__(
        self,
        *paths: str | Path,
        topics: Collection[str] | Selection | None = None,
        types: "Mapping[str, type[Message | Untyped]] | None" = None,
    ) -> None:
        """Open a bag.

        Args:
            paths: the files or the folder of the bag.
            topics: only these topics, by name or shell pattern; None for all.
            types: message classes by topic, for topics whose recorded type name does not find the
                right class; `Untyped` has all fields that were recorded.

        Raises:
            BagError: a file does not exist, is of an unknown kind, or is damaged; or a named
                topic is missing; or reading the bag needs an extra.
        """
        need_bag()
        from dsmq_nodes.bag.any_bag import open_source  # noqa: PLC0415  the extra's

        if not paths:
            raise BagError("a bag needs at least one file: name it")
        self._source = open_source([Path(each) for each in paths], chosen(topics))
        self.omitted, self.paths = self._source.omitted, self._source.paths
        self.start_ns, self.end_ns = self._source.start_ns, self._source.end_ns
        self._types = dict(types or {})
        self._decoders: dict[Channel, Callable[[bytes], Message | Untyped | str]] = {}

    @property
    def topics(self) -> dict[str, str]:
        """The type name of each topic."""
        return self._source.topics

    def counts(self) -> "list[ChannelCount]":
        """Return the channels of the bag, with their message counts."""
        return self._source.counts()

    def raw_counts(self) -> "list[ChannelCount]":
        """Return the channels as they were recorded, with their message counts."""
        return self._source.raw_counts()

    def compression(self) -> str:
        """Return the compression of its files."""
        return self._source.compression()

    def attachments(self) -> list[Attachment]:
        """Return the files attached to the bag, such as the launch file."""
        return self._source.attachments()

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return the named texts in the bag."""
        return self._source.metadata()

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[BagMessage]:
        is_empty = True
        for record in self.records():
            channel = record.channel
            if channel.unreadable:
                self.omitted.topic(channel.topic, channel.unreadable)
                continue
            yield BagMessage(channel.topic, self.decode(record), record.log_time_ns)
            is_empty = False
        if is_empty and self.omitted.topics:
            raise BagError(
                "; ".join(f"{topic}: {why}" for topic, why in self.omitted.topics.items())
            )

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> "Iterator[Record]":
        """Yield the undecoded messages, in JSON, by log time.

        Latched messages from before `start_ns` are not included: see `latched_before`.

        Args:
            start_ns: only messages from this time on.
            end_ns: only messages before this time.
            topics: only these topics; None for all.

        Raises:
            BagError: a file is damaged.
        """
        return self._source.records(start_ns, end_ns, topics)

    def latched_before(self, time_ns: int) -> "list[Record]":
        """Return the latched messages that a new subscriber would receive at this time.

        Raises:
            BagError: a file is damaged.
        """
        return self._source.latched_before(time_ns)

    def decode(self, record: "Record") -> "Message | Untyped | str":
        """Decode a record of this bag.

        Raises:
            BagError: the record does not match its type, or has an unknown encoding.
        """
        channel = record.channel
        decoder = self._decoders.get(channel)
        if decoder is None:
            decoder = self._decoders[channel] = self._decoder(channel)
        try:
            return decoder(record.data)
        except (MessageError, ValueError, RecursionError) as error:
            when_sec = (record.log_time_ns - self.start_ns) * 1e-9
            raise BagError(
                f"{channel.topic} at {when_sec:.3f} s: a message does not fit its type: {error}; "
                f"{_IF_CHANGED}"
            ) from None

    def _decoder(self, channel: Channel) -> "Callable[[bytes], Message | Untyped | str]":
        if channel.encoding == TEXT:
            return lambda data: data.decode()
        if channel.unreadable:
            raise BagError(f"{channel.topic}: {channel.unreadable}")
        # `bag info` needs no types, and importing them would take half of its time.
        from dsmq_nodes.bag.file import recorded_schemas  # noqa: PLC0415  75 ms

        chosen = self._types.get(channel.topic)
        found = chosen or recorded_schemas.class_of(channel.type_name)
        if found is None or issubclass(found, Untyped):
            return _generic(channel.type_name)
        if not chosen and (lost := recorded_schemas.lost_fields(channel, found)):
            raise BagError(
                f"{channel.topic}: the class {found.__qualname__} lacks {', '.join(lost)}, and has "
                f"fields that were not recorded: {_IF_CHANGED}"
            )
        return found.from_json


def _generic(type_name: str) -> Callable[[bytes], Untyped]:
    def hook(values: dict[str, Any]) -> Untyped:
        return Untyped(values)

    def decode(data: bytes) -> Untyped:
        found = json.loads(data, object_hook=hook)
        if not isinstance(found, Untyped):
            raise ValueError("it is not a JSON object")  # noqa: TRY004  what json itself raises
        found.type_name = type_name
        return found

    return decode
