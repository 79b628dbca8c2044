"""The interface of every bag, of whatever kind: for showing, playing and converting it."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
from dsmq_nodes.bag.latched import Latched
from dsmq_nodes.bag.omitted import Omitted


class BagSource(Protocol):
    """Messages in our JSON form, by time.

    Attributes:
        omitted: what it has and leaves out.
        paths: its files.
        start_ns: when the first message was recorded; 0 for an empty bag.
        end_ns: when the last message was recorded; 0 for an empty bag.
    """

    omitted: Omitted
    paths: list[Path]
    start_ns: int
    end_ns: int

    @property
    def topics(self) -> dict[str, str]:
        """The type's name of each topic."""
        return {each.channel.topic: each.channel.type_name for each in self.counts()}

    def __len__(self) -> int:
        """How many messages there are."""
        return sum(each.messages for each in self.counts())

    def compression(self) -> str:
        """The compression of its files."""

    def counts(self) -> list[ChannelCount]:
        """The channels of the returned messages, and how many messages they have."""

    def raw_counts(self) -> list[ChannelCount]:
        """The same, of the channels as they were recorded."""
        return self.counts()

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """The messages, from `start_ns` to before `end_ns`."""

    def latched_before(self, time_ns: int) -> list[Record]:
        """The latched messages that a new subscriber would get at this time.

        Raises:
            BagError: it is damaged.
        """
        topics = {each.channel.topic for each in self.counts() if each.channel.latched}
        found = Latched()
        for record in self.records(None, time_ns, topics) if topics else ():
            found.take(record)
        return found.records()

    def attachments(self) -> list[Attachment]:
        """The files inside it."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""


def leave_out(source: BagSource, record: Record, reason: object) -> None:
    """Note in a bag's `omitted` that a message of it is left out."""
    at_sec = (record.log_time_ns - source.start_ns) * 1e-9
    source.omitted.message(record.channel.topic, str(reason), at_sec)
