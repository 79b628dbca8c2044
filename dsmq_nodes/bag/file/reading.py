"""Reads bags: `for topic, msg, stamp in Bag("run.mcap")`."""

import heapq
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, McapFile, Record, open_files
from dsmq_nodes.bag.file.selection import Selection, chosen
from dsmq_nodes.bag.latched import Latched
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError, MessageError

if TYPE_CHECKING:
    from dsmq_nodes.messages.base import Message

__all__ = ["TEXT", "Bag", "BagMessage", "Record", "Untyped"]

TEXT: Final = "text"
"""The encoding of plain clients' messages that are not JSON objects."""


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
        msg: of the type's class if it is known, else `Untyped`; a plain client's text is a str.
        stamp: when it was recorded, in nanoseconds since 1970-01-01 UTC.
    """

    topic: str
    msg: "Message | Untyped | str"
    stamp: int


class Bag:
    """A recording: one MCAP file, or several if it was split.

    Iterating yields its messages in the order of their recording; each `for` begins again.
    `records` yields them undecoded, from any time on, and `latched_before` returns earlier latched
    messages.

    Attributes:
        files: its files, in the order of their recording.
        omitted: messages that it announces and lacks.
    """

    def __init__(
        self,
        *paths: str | Path,
        topics: Collection[str] | Selection | None = None,
        types: "Mapping[str, type[Message]] | None" = None,
    ) -> None:
        """Open a bag.

        Args:
            paths: its files.
            topics: only these topics, by name or shell pattern; None for all. Or a `Selection`,
                whose topics need not exist.
            types: message classes by topic, where the recorded type's name does not find the right
                one.

        Raises:
            BagError: a file does not exist, is not an MCAP, or is not whole; or a named topic is
                missing.
        """
        if not paths:
            raise BagError("a bag has at least one file: name it")
        self.omitted = Omitted()
        found = open_files(paths, self.omitted)
        self.files: list[McapFile] = sorted(found, key=_by_start)
        self._types = dict(types or {})
        self._selection = chosen(topics)
        if self._selection is not None and not isinstance(topics, Selection):
            self.check_topics(self._selection)
        self._decoders: dict[Channel, Callable[[bytes], Message | Untyped | str]] = {}

    def check_topics(self, asked: Selection) -> None:
        """Raise if a topic that is selected by name is in none of its files.

        Raises:
            BagError: it is missing; the text has the nearest names.
        """
        names = {each.channel.topic for file in self.files for each in file.counts()}
        asked.check(names, ", ".join(str(file.path) for file in self.files))

    @property
    def topics(self) -> dict[str, str]:
        """The type's name of each topic."""
        return {each.channel.topic: each.channel.type_name for each in self.counts()}

    def counts(self) -> list[ChannelCount]:
        """The channels of all its files, and how many messages they have."""
        total: dict[Channel, int] = {}
        for number, file in enumerate(self.files):
            for each in file.counts(with_repeated=number == 0):
                total[each.channel] = total.get(each.channel, 0) + each.messages
        return [
            ChannelCount(each, total[each])
            for each in total
            if self._selection is None or each.topic in self._selection
        ]

    def raw_counts(self) -> list[ChannelCount]:
        """The same: its messages are not converted."""
        return self.counts()

    @property
    def paths(self) -> list[Path]:
        """The paths of its files."""
        return [file.path for file in self.files]

    def compression(self) -> str:
        """The compression of its chunks."""
        return ", ".join(dict.fromkeys(file.compression() for file in self.files))

    @property
    def start_ns(self) -> int:
        """When the first message was recorded; 0 for an empty bag."""
        return min((each.start_ns for each in self.files if each.start_ns is not None), default=0)

    @property
    def end_ns(self) -> int:
        """When the last message was recorded; 0 for an empty bag."""
        return max((each.end_ns for each in self.files if each.end_ns is not None), default=0)

    def __len__(self) -> int:
        return sum(each.messages for each in self.counts())

    def __iter__(self) -> Iterator[BagMessage]:
        for record in self.records():
            yield BagMessage(record.channel.topic, self.decode(record), record.log_time_ns)

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Its undecoded messages, by log time.

        Latched messages from before `start_ns` are not among them: see `latched_before`.

        Args:
            start_ns: only messages from this time on.
            end_ns: only messages before this time.
            topics: only these topics; None for all.

        Raises:
            BagError: a file is damaged.
        """
        if self._selection is not None:
            wanted = {each.channel.topic for each in self.counts()}
            topics = wanted if topics is None else wanted & set(topics)
        if len(self.files) == 1:
            return self.files[0].records(topics, start_ns, end_ns)
        parts = [file.marked_records(topics, start_ns, end_ns) for file in self.files]
        return _once(heapq.merge(*parts, key=lambda marked: marked[0].log_time_ns))

    def latched_before(self, time_ns: int) -> list[Record]:
        """The latched messages that a new subscriber would get at this time.

        Raises:
            BagError: a file is damaged.
        """
        return latched_before(self, time_ns)

    def decode(self, record: Record) -> "Message | Untyped | str":
        """Decode one of its records.

        Raises:
            BagError: it does not match its type, or has an unknown encoding.
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
                "if the class has changed since, give the old one in types={topic: class}"
            ) from None

    def _decoder(self, channel: Channel) -> "Callable[[bytes], Message | Untyped | str]":
        if channel.encoding == TEXT:
            return lambda data: data.decode()
        if channel.encoding != "json":
            raise BagError(
                f"{channel.topic}: its messages are in {channel.encoding!r}, not in JSON: "
                "`dsmq-nodes bag convert` makes one of ours of a ROS bag"
            )
        # `bag info` needs no types, and they take half of its time.
        from dsmq_nodes.bag.file.recorded_schemas import class_of  # noqa: PLC0415  75 ms

        found = self._types.get(channel.topic) or class_of(channel.type_name)
        return found.from_json if found is not None else _generic(channel.type_name)

    def attachments(self) -> list[Attachment]:
        """The files inside it, such as the launch file."""
        found = [each for file in self.files for each in file.attachments()]
        return list(dict.fromkeys(found))  # a recording has the same in each of its files

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""
        found: list[tuple[str, dict[str, str]]] = []
        for file in self.files:
            found += [each for each in file.texts() if each not in found]
        return found


def _by_start(file: McapFile) -> tuple[bool, int]:
    return file.start_ns is None, file.start_ns or 0


def _once(marked: Iterator[tuple[Record, bool]]) -> Iterator[Record]:
    """The messages of several files, without repeated ones."""
    seen: set[tuple[str, int, int]] = set()
    for record, is_repeated in marked:
        if record.channel.metadata and record.channel.latched:
            key = record.channel.topic, record.sequence, record.publish_time_ns
            if is_repeated and key in seen:
                continue
            seen.add(key)
        yield record


class _Records(Protocol):
    """A source of messages by time."""

    def counts(self) -> list[ChannelCount]: ...

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]: ...


def latched_before(source: _Records, time_ns: int) -> list[Record]:
    """The newest messages of each latched topic before a time."""
    topics = {each.channel.topic for each in source.counts() if each.channel.latched}
    found = Latched()
    for record in source.records(None, time_ns, topics) if topics else ():
        found.take(record)
    return found.records()


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
