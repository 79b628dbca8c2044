"""The interface of every bag, of whatever kind: for showing, playing and converting it."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
from dsmq_nodes.bag.omitted import Omitted


class BagSource(Protocol):
    """Messages in our JSON form, by time."""

    omitted: Omitted

    @property
    def start_ns(self) -> int:
        """When the first message was recorded; 0 for an empty bag."""

    @property
    def end_ns(self) -> int:
        """When the last message was recorded; 0 for an empty bag."""

    @property
    def topics(self) -> dict[str, str]:
        """The type's name of each topic."""

    @property
    def paths(self) -> list[Path]:
        """Its files."""

    def __len__(self) -> int:
        """How many messages there are."""

    def compression(self) -> str:
        """The compression of its files."""

    def raw_counts(self) -> list[ChannelCount]:
        """The channels as they were recorded, and how many messages they have."""

    def counts(self) -> list[ChannelCount]:
        """The channels of the returned messages, and how many messages they have."""

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """The messages, from `start_ns` to before `end_ns`."""

    def latched_before(self, time_ns: int) -> list[Record]:
        """The latched messages that a new subscriber would get at this time."""

    def attachments(self) -> list[Attachment]:
        """The files inside it."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""


def leave_out(source: BagSource, record: Record, reason: object) -> None:
    """Note in a bag's `omitted` that a message of it is left out."""
    at_sec = (record.log_time_ns - source.start_ns) * 1e-9
    source.omitted.message(record.channel.topic, str(reason), at_sec)
