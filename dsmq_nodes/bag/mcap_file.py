"""Reads one MCAP file; what is wrong with it is told in words."""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple

from mcap.reader import SeekingReader, make_reader
from mcap.summary import Summary

from dsmq_nodes.bag.channel import Attachment, Channel
from dsmq_nodes.errors import BagError

MAGIC: Final = b"\x89MCAP0\r\n"
_OTHERS: Final = {
    b"#ROSBAG V": "a ROS 1 bag: `dsmq-nodes bag convert {path} -o NAME` makes one of ours of it",
    b"SQLite format 3": (
        "a SQLite database; if it is of a ROS 2 bag, `dsmq-nodes bag convert FOLDER -o NAME` of "
        "the folder it is in makes one of ours of it"
    ),
}


class Record(NamedTuple):
    """A message as it stands in a file."""

    channel: Channel
    log_time_ns: int
    publish_time_ns: int
    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """How many messages of a channel a file has; None: it does not say."""

    channel: Channel
    messages: int | None


class McapFile:
    """One file of a bag.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path) -> None:
        """Look at a file.

        Raises:
            BagError: it is not there, no MCAP, or not whole.
        """
        self.path = path
        self._channels: dict[int, Channel] = {}
        with self._open() as stream:
            check_kind(path, stream)
            self.summary = self._read_summary(stream)

    def _read_summary(self, stream: IO[bytes]) -> Summary:
        stream.seek(0)
        what = "it has no index, as if its recording had been killed"
        with self._in_words(what, says_why=False):
            found = SeekingReader(stream).get_summary()
        if found is not None and found.statistics is not None:
            return found
        # A file may do without an index: then all of it is read.
        summary = Summary()
        with self._in_words("it is damaged"):
            stream.seek(0)
            for schema, channel, _ in make_reader(stream).iter_messages(log_time_order=False):
                summary.channels[channel.id] = channel
                if schema is not None:
                    summary.schemas[schema.id] = schema
        return summary

    @property
    def start_ns(self) -> int | None:
        """The log time of the first message, as far as the index says."""
        found = self.summary.statistics
        return found.message_start_time if found and found.message_count else None

    @property
    def end_ns(self) -> int | None:
        """The log time of the last message, as far as the index says."""
        found = self.summary.statistics
        return found.message_end_time if found and found.message_count else None

    def counts(self) -> list[ChannelCount]:
        """Its channels."""
        found = self.summary.statistics
        counts = found.channel_message_counts if found else {}
        return [
            ChannelCount(self._channel(number), counts.get(number, 0) if found else None)
            for number in sorted(self.summary.channels)
        ]

    def compression(self) -> str:
        """The compression of its chunks."""
        kinds = sorted({each.compression or "none" for each in self.summary.chunk_indexes})
        return ", ".join(kinds) or "none"

    def _channel(self, number: int) -> Channel:
        known = self._channels.get(number)
        if known is None:
            found = self.summary.channels[number]
            schema = self.summary.schemas.get(found.schema_id)
            known = self._channels[number] = Channel(
                found.topic,
                schema.name if schema else "",
                bytes(schema.data) if schema else b"",
                schema.encoding if schema else "",
                found.message_encoding,
                tuple(sorted(found.metadata.items())),
            )
        return known

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
        with self._open() as stream, self._in_words("it is damaged"):
            messages = make_reader(stream, validate_crcs=True).iter_messages(
                topics, starting_at=start_ns, ending_before=end_ns
            )
            for _, channel, message in messages:
                yield Record(
                    self._channel(channel.id),
                    message.log_time,
                    message.publish_time,
                    message.sequence,
                    message.data,
                )

    def attachments(self) -> list[Attachment]:
        """The files inside it."""
        with self._open() as stream, self._in_words("it is damaged"):
            return [
                Attachment(each.name, each.data, each.media_type, each.log_time)
                for each in make_reader(stream).iter_attachments()
            ]

    def texts(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""
        with self._open() as stream, self._in_words("it is damaged"):
            return [(each.name, each.metadata) for each in make_reader(stream).iter_metadata()]

    def profile(self) -> str:
        """MCAP's name for what the messages are in."""
        with self._open() as stream, self._in_words("it is damaged"):
            return make_reader(stream).get_header().profile

    def _open(self) -> IO[bytes]:
        try:
            return self.path.open("rb")
        except IsADirectoryError:
            raise BagError(
                f"{self.path} is a folder: name the .mcap files in it; if it is a ROS 2 bag, "
                f"`dsmq-nodes bag convert {self.path} -o NAME` makes one of ours of it"
            ) from None
        except OSError as error:
            raise BagError(f"cannot read {self.path}: {error.strerror}") from None

    @contextlib.contextmanager
    def _in_words(self, what: str, *, says_why: bool = True) -> Iterator[None]:
        try:
            yield
        except (BagError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes the library raise
            reason = f" ({error})" if str(error) and says_why else ""
            raise BagError(
                f"{self.path} is not whole: {what}{reason}; `dsmq-nodes bag repair {self.path}` "
                "saves what is good of it"
            ) from None


def check_kind(path: Path, stream: IO[bytes]) -> None:
    """Raise, in words, if a file is not an MCAP."""
    start = stream.read(16)
    if start.startswith(MAGIC):
        return
    if not start:
        raise BagError(f"{path} is empty: nothing was recorded in it")
    for other, text in _OTHERS.items():
        if start.startswith(other):
            raise BagError(f"{path} is {text.format(path=path)}")
    raise BagError(f"{path} is no MCAP file: it begins with {start[:8]!r}")


def open_files(paths: Collection[str | Path]) -> list[McapFile]:
    """The files of a bag.

    Raises:
        BagError: one is not there, no MCAP, or not whole.
    """
    return [McapFile(Path(path)) for path in paths]
