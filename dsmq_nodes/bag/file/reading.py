"""Reads the MCAP files of one recording, and merges them if the recording was split."""

import heapq
from collections.abc import Collection, Iterator
from pathlib import Path

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, McapFile, Record, added
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.omitted import Omitted


class McapBag(BagSource):
    """A recording in the kit's own format: one MCAP file, or several if it was split.

    Attributes:
        files: the files, in the order of their recording.
        omitted: differences between the index of a file and its messages.
    """

    def __init__(self, paths: Collection[Path], topics: Selection | None = None) -> None:
        """Open its files.

        Raises:
            BagError: a file does not exist, is not an MCAP, or is damaged; or a named topic is
                missing.
        """
        self.omitted = Omitted()
        found = [McapFile(path, self.omitted) for path in paths]
        self.files: list[McapFile] = sorted(found, key=_by_start)
        self.paths = [file.path for file in self.files]
        starts = (each.start_ns for each in self.files if each.start_ns is not None)
        ends = (each.end_ns for each in self.files if each.end_ns is not None)
        self.start_ns, self.end_ns = min(starts, default=0), max(ends, default=0)
        self._selection = topics
        if topics is not None:
            names = {each.channel.topic for file in self.files for each in file.counts()}
            topics.check(names, ", ".join(map(str, self.paths)))

    def counts(self) -> list[ChannelCount]:
        """Return the channels of all files, with their message counts."""
        return added(
            each
            for number, file in enumerate(self.files)
            for each in file.counts(with_repeated=number == 0)
            if self._selection is None or each.channel.topic in self._selection
        )

    def compression(self) -> str:
        """Return the compression of its chunks."""
        return ", ".join(dict.fromkeys(file.compression() for file in self.files))

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Return the undecoded messages, by log time.

        Latched messages from before `start_ns` are not included: see `latched_before`.

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

    def attachments(self) -> list[Attachment]:
        """Return the attached files, such as the launch file."""
        found = [each for file in self.files for each in file.attachments()]
        return list(dict.fromkeys(found))  # each file of a recording has the same attachments

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return the named texts in the files."""
        found: list[tuple[str, dict[str, str]]] = []
        for file in self.files:
            found += [each for each in file.texts() if each not in found]
        return found


def _by_start(file: McapFile) -> tuple[bool, int]:
    return file.start_ns is None, file.start_ns or 0


def _once(marked: Iterator[tuple[Record, bool]]) -> Iterator[Record]:
    """Yield the messages of several files, without repeated ones."""
    seen: set[tuple[str, int, int]] = set()
    for record, is_repeated in marked:
        if record.channel.metadata and record.channel.latched:
            key = record.channel.topic, record.sequence, record.publish_time_ns
            if is_repeated and key in seen:
                continue
            seen.add(key)
        yield record
