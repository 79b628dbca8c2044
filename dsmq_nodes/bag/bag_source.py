"""The interface of every bag of any kind, for showing, playing and converting it."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
from dsmq_nodes.bag.latched import Latched
from dsmq_nodes.bag.omitted import Omitted


class BagSource(Protocol):
    """The messages of a bag in the kit's JSON form, by time.

    Attributes:
        omitted: the topics and messages of the bag that are left out.
        paths: the files of the bag.
        start_ns: when the first message was recorded; 0 for an empty bag.
        end_ns: when the last message was recorded; 0 for an empty bag.
    """

    omitted: Omitted
    paths: list[Path]
    start_ns: int
    end_ns: int

    @property
    def topics(self) -> dict[str, str]:
        """The type name of each topic."""
        return {each.channel.topic: each.channel.type_name for each in self.raw_counts()}

    def __len__(self) -> int:
        """Return the number of messages."""
        return sum(each.messages for each in self.raw_counts())

    def compression(self) -> str:
        """Return the compression of its files."""

    def counts(self) -> list[ChannelCount]:
        """Return the channels of the messages from `records`, with their message counts."""

    def raw_counts(self) -> list[ChannelCount]:
        """Return the channels as they were recorded, with their message counts."""
        return self.counts()

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Return the messages, from `start_ns` to before `end_ns`."""

    def latched_before(self, time_ns: int) -> list[Record]:
        """Return the latched messages that a new subscriber would receive at this time.

        Raises:
            BagError: the bag is damaged.
        """
        topics = {each.channel.topic for each in self.counts() if each.channel.latched}
        found = Latched()
        for record in self.records(None, time_ns, topics) if topics else ():
            found.take(record)
        return found.records()

    def attachments(self) -> list[Attachment]:
        """Return the files attached to the bag."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return the named texts in the bag."""


def note_omitted(source: BagSource, record: Record, reason: object) -> None:
    """Add a message that is skipped, with the reason, to the bag's `omitted`."""
    at_sec = (record.log_time_ns - source.start_ns) * 1e-9
    source.omitted.message(record.channel.topic, str(reason), at_sec)
