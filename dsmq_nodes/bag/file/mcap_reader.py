"""Reads one MCAP file, and explains its faults in words."""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final, NamedTuple

from mcap.records import Attachment as AttachmentRecord
from mcap.records import Channel as ChannelRecord
from mcap.records import McapRecord, Metadata, Schema

from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_index import NoIndexError, Wanted, messages, read_index
from dsmq_nodes.bag.file.mcap_records import MAGIC, Head, RawMessage, content, parsed
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError
from dsmq_nodes.given_files import is_endless

REPEATED: Final = ("repeated", "true")  # marks messages repeated from the previous file
ROS1_MAGIC: Final = b"#ROSBAG V"
_OTHERS: Final = {
    ROS1_MAGIC: "a ROS 1 bag: `dsmq-nodes bag convert {path} -o NAME` converts it",
    b"SQLite format 3": (
        "a SQLite database; if it belongs to a ROS 2 bag, convert the folder that contains it: "
        "`dsmq-nodes bag convert FOLDER -o NAME`"
    ),
}


class Record(NamedTuple):
    """A message in a file."""

    channel: Channel
    log_time_ns: int
    publish_time_ns: int
    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """The number of messages of a channel in a file."""

    channel: Channel
    messages: int


def channel_counts(
    channels: Mapping[int, Channel], counts: Mapping[int, int]
) -> list[ChannelCount]:
    """Return the number of messages of each channel, given both by channel number."""
    return [ChannelCount(channel, counts.get(number, 0)) for number, channel in channels.items()]


def added(counts: Iterable[ChannelCount]) -> list[ChannelCount]:
    """Return each channel once, with summed counts: files and publishers share channels."""
    total: dict[Channel, int] = {}
    for each in counts:
        total[each.channel] = total.get(each.channel, 0) + each.messages
    return [ChannelCount(channel, count) for channel, count in total.items()]


class McapFile:
    """One file of a bag.

    Attributes:
        path: the path of the file.
    """

    def __init__(self, path: Path, omitted: Omitted | None = None) -> None:
        """Open a file.

        Args:
            path: the path of the file.
            omitted: gets a note when the file has other messages than its index says.

        Raises:
            BagError: the file does not exist, is not an MCAP, or is damaged.
        """
        self.path = path
        self._omitted = Omitted() if omitted is None else omitted
        self._channels: dict[int, Channel] = {}
        self._repeated: set[int] = set()
        with opened(self.path) as stream:
            check_kind(path, stream)
            size_bytes = stream.seek(0, 2)
            with self._in_words():
                self._index = read_index(stream, size_bytes)
        for number, record in self._index.channels.items():
            found = channel_of(record, self._index.schemas.get(record.schema_id))
            if REPEATED in found.metadata:
                self._repeated.add(number)
                found = without_repeated(found)
            self._channels[number] = found

    @property
    def start_ns(self) -> int | None:
        """The log time of the first message; None when there is none."""
        return self._index.start_ns

    @property
    def end_ns(self) -> int | None:
        """The log time of the last message; None when there is none."""
        return self._index.end_ns

    def counts(self, *, with_repeated: bool = True) -> list[ChannelCount]:
        """Return the channels, with or without messages repeated from the previous file."""
        channels = {
            number: self._channels[number]
            for number in sorted(self._channels)
            if with_repeated or number not in self._repeated
        }
        return channel_counts(channels, self._index.counts)

    def compression(self) -> str:
        """Return the compression of its chunks."""
        kinds = sorted(each or "none" for each in self._index.compressions)
        return ", ".join(kinds) or "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Return the messages by log time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: the file is damaged.
        """
        return (record for record, _ in self.marked_records(topics, start_ns, end_ns))

    def marked_records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[tuple[Record, bool]]:
        """Yield as `records`, with whether each message repeats a latched one of an earlier file.

        Raises:
            BagError: the file is damaged.
        """
        channels, repeated = self._channels, self._repeated
        for message in self._messages(topics, start_ns, end_ns):
            number = message.channel_id
            record = Record(
                channels[number],
                message.log_time_ns,
                message.publish_time_ns,
                message.sequence,
                message.data,
            )
            yield record, number in repeated

    def _messages(
        self, topics: Collection[str] | None, start_ns: int | None, end_ns: int | None
    ) -> Iterator[RawMessage]:
        ids = None
        if topics is not None:
            ids = {number for number, each in self._channels.items() if each.topic in topics}
        wanted = Wanted(ids, start_ns, end_ns)
        spans = [each for each in self._index.spans if each.may_have(wanted)]
        count = 0
        with opened(self.path) as stream, self._in_words():
            for message in messages(stream, spans, wanted, self._note_wrong_index):
                if message.channel_id not in self._channels:
                    raise ValueError(f"there is no channel {message.channel_id}")
                count += 1
                yield message
        self._compare(count, wanted)

    def _compare(self, count: int, wanted: Wanted) -> None:
        """Add to `omitted` that the message count differs from that of the index."""
        ids, start_ns, end_ns = wanted
        if start_ns is not None and start_ns > (self.start_ns or 0):
            return  # the index has no counts for a part
        if end_ns is not None and end_ns <= (self.end_ns or 0):
            return
        counts = self._index.counts
        expected = sum(each for number, each in counts.items() if ids is None or number in ids)
        if count != expected:
            which = "" if ids is None else " of these topics"
            self._omitted.note(
                f"{self.path}: its index lists {expected} messages{which}, but it has {count}"
            )

    def _note_wrong_index(self, what: str) -> None:
        self._omitted.note(
            f"{self.path}: the {what} of messages in its chunks differ from its index, so that "
            f"some may not be found: `dsmq-nodes bag repair {self.path}` makes a correct copy"
        )

    def attachments(self) -> list[Attachment]:
        """Return the files attached to the file."""
        return [
            Attachment(each.name, each.data, each.media_type, each.log_time)
            for each in self._parsed(self._index.attachments)
            if isinstance(each, AttachmentRecord)
        ]

    def texts(self) -> list[tuple[str, dict[str, str]]]:
        """Return the named texts in the file."""
        return [
            (each.name, each.metadata)
            for each in self._parsed(self._index.texts)
            if isinstance(each, Metadata)
        ]

    def _parsed(self, found: list[Head]) -> list[McapRecord | None]:
        with opened(self.path) as stream, self._in_words():
            return [parsed(head.opcode, content(stream, head)) for head in found]

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except NoIndexError:
            what = "it has no index, as after a recording that was killed"
        except (ValueError, EOFError, OSError, MemoryError) as error:
            what = f"it is damaged ({str(error) or type(error).__name__})"
        else:
            return
        raise BagError(
            f"{self.path} cannot be read: {what}; `dsmq-nodes bag repair {self.path}` saves the "
            "good part of it"
        )


def channel_of(record: ChannelRecord, schema: Schema | None) -> Channel:
    """Return the `Channel` for a channel record and its schema."""
    return Channel(
        record.topic,
        schema.name if schema else "",
        bytes(schema.data) if schema else b"",
        schema.encoding if schema else "",
        record.message_encoding,
        tuple(sorted(record.metadata.items())),
    )


def without_repeated(channel: Channel) -> Channel:
    """Return a channel without the metadata that marks repeated messages."""
    kept = tuple(each for each in channel.metadata if each != REPEATED)
    return replace(channel, metadata=kept)


def opened(path: Path) -> IO[bytes]:
    """Open a file of a bag, or raise a BagError that explains why not."""
    check_no_pipe(path)
    try:
        return path.open("rb")
    except OSError as error:
        raise BagError(f"cannot read {path}: {error.strerror}") from None


def check_no_pipe(path: Path) -> None:
    """Raise a BagError if a path is neither a file nor a folder, before it is opened."""
    if is_endless(path):
        raise BagError(f"{path} is a pipe or a device: copy it to a file first")


def check_kind(path: Path, stream: IO[bytes]) -> None:
    """Raise a BagError if a file is not an MCAP."""
    start = stream.read(16)
    if start.startswith(MAGIC):
        return
    if not start:
        raise BagError(f"{path} is empty: nothing was recorded")
    for other, text in _OTHERS.items():
        if start.startswith(other):
            raise BagError(f"{path} is {text.format(path=path)}")
    raise BagError(f"{path} is no MCAP file: it begins with {start[:8]!r}")
