"""Reads one MCAP file; its faults are explained in words."""

import contextlib
from collections.abc import Collection, Iterator, Mapping
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

REPEATED: Final = ("repeated", "true")  # marks messages repeated from the file before
_OTHERS: Final = {
    b"#ROSBAG V": "a ROS 1 bag: `dsmq-nodes bag convert {path} -o NAME` makes one of ours of it",
    b"SQLite format 3": (
        "a SQLite database; if it is of a ROS 2 bag, `dsmq-nodes bag convert FOLDER -o NAME` of "
        "the folder it is in makes one of ours of it"
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
    """How many messages of a channel a file has."""

    channel: Channel
    messages: int


def channel_counts(
    channels: Mapping[int, Channel], counts: Mapping[int, int]
) -> list[ChannelCount]:
    """How many messages of each channel there are, by their numbers."""
    return [ChannelCount(channel, counts.get(number, 0)) for number, channel in channels.items()]


class McapFile:
    """One file of a bag.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path, omitted: Omitted | None = None) -> None:
        """Open a file.

        Args:
            path: where it is.
            omitted: gets a note when the file has other messages than its index says.

        Raises:
            BagError: it does not exist, is not an MCAP, or is not whole.
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
        """Its channels, with or without messages repeated from the file before."""
        channels = {
            number: self._channels[number]
            for number in sorted(self._channels)
            if with_repeated or number not in self._repeated
        }
        return channel_counts(channels, self._index.counts)

    def compression(self) -> str:
        """The compression of its chunks."""
        kinds = sorted(each or "none" for each in self._index.compressions)
        return ", ".join(kinds) or "none"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Its messages by log time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: it is damaged.
        """
        return (record for record, _ in self.marked_records(topics, start_ns, end_ns))

    def marked_records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[tuple[Record, bool]]:
        """As `records`, with whether each is a latched message repeated from a file before.

        Raises:
            BagError: it is damaged.
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
            for message in messages(stream, spans, wanted, self._doubt):
                if message.channel_id not in self._channels:
                    raise ValueError(f"there is no channel {message.channel_id}")
                count += 1
                yield message
        self._compare(count, wanted)

    def _compare(self, count: int, wanted: Wanted) -> None:
        """Note that there are other messages than the index says."""
        ids, start_ns, end_ns = wanted
        if start_ns is not None and start_ns > (self.start_ns or 0):
            return  # how many there are in a part, it does not tell
        if end_ns is not None and end_ns <= (self.end_ns or 0):
            return
        counts = self._index.counts
        told = sum(each for number, each in counts.items() if ids is None or number in ids)
        if count != told:
            which = "" if ids is None else " of these topics"
            self._omitted.note(
                f"{self.path}: its index tells of {told} messages{which}, it has {count}"
            )

    def _doubt(self, what: str) -> None:
        self._omitted.note(
            f"{self.path}: its chunks have messages of other {what} than its index says, so that "
            f"some may not be found: `dsmq-nodes bag repair {self.path}` makes a right one of it"
        )

    def attachments(self) -> list[Attachment]:
        """The files inside it."""
        return [
            Attachment(each.name, each.data, each.media_type, each.log_time)
            for each in self._parsed(self._index.attachments)
            if isinstance(each, AttachmentRecord)
        ]

    def texts(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""
        return [
            (each.name, each.metadata)
            for each in self._parsed(self._index.texts)
            if isinstance(each, Metadata)
        ]

    def _parsed(self, found: list[Head]) -> list[McapRecord | None]:
        with opened(self.path) as stream, self._in_words():
            return [parsed(head.opcode, content(stream, head)) for head in found]

    def profile(self) -> str:
        """MCAP's name for what the messages are in."""
        return self._index.profile

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except NoIndexError:
            what = "it has no index, as if its recording had been killed"
        except (ValueError, EOFError, OSError, MemoryError) as error:
            what = f"it is damaged ({str(error) or type(error).__name__})"
        else:
            return
        raise BagError(
            f"{self.path} is not whole: {what}; `dsmq-nodes bag repair {self.path}` saves what is "
            "good of it"
        )


def channel_of(record: ChannelRecord, schema: Schema | None) -> Channel:
    """A channel in a file."""
    return Channel(
        record.topic,
        schema.name if schema else "",
        bytes(schema.data) if schema else b"",
        schema.encoding if schema else "",
        record.message_encoding,
        tuple(sorted(record.metadata.items())),
    )


def without_repeated(channel: Channel) -> Channel:
    """A channel without the mark of repeated messages."""
    kept = tuple(each for each in channel.metadata if each != REPEATED)
    return replace(channel, metadata=kept)


def opened(path: Path) -> IO[bytes]:
    """Open a file of a bag; raise an explained error if that cannot be."""
    try:
        return path.open("rb")
    except OSError as error:
        raise BagError(f"cannot read {path}: {error.strerror}") from None


def check_no_pipe(path: Path) -> None:
    """Raise an explained error if a path is neither a file nor a folder, before it is opened."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise BagError(f"{path} is a pipe or a device: copy it to a file first")


def check_kind(path: Path, stream: IO[bytes]) -> None:
    """Raise an explained error if a file is not an MCAP."""
    start = stream.read(16)
    if start.startswith(MAGIC):
        return
    if not start:
        raise BagError(f"{path} is empty: nothing was recorded in it")
    for other, text in _OTHERS.items():
        if start.startswith(other):
            raise BagError(f"{path} is {text.format(path=path)}")
    raise BagError(f"{path} is no MCAP file: it begins with {start[:8]!r}")
