"""Writes bags, of one file or of several."""

import platform
import socket
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import dsmq_nodes
from dsmq_nodes.bag.file.atomic import file_name, remove
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_reader import REPEATED, Record
from dsmq_nodes.bag.file.mcap_writer import CHUNK_BYTES, McapWriter
from dsmq_nodes.bag.file.record_writer import Compression
from dsmq_nodes.bag.latched import Latched
from dsmq_nodes.errors import BagError

_TIMES: Final = range(1 << 64)
OWN_TEXTS: Final = "dsmq_nodes"
"""The name of the metadata of the kit's bags."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a file: then a new one begins with the latched messages. 0 is no limit."""

    size_bytes: int = 0
    duration_sec: float = 0.0

    def __bool__(self) -> bool:
        return self.size_bytes > 0 or self.duration_sec > 0

    def reached(self, file: McapWriter, now_ns: int) -> bool:
        """Whether a file has reached a limit, not counting its beginning."""
        if file.first_ns is None:
            return False
        if 0 < self.size_bytes <= file.size_bytes - file.begin_bytes:
            return True
        return 0 < self.duration_sec <= (now_ns - file.first_ns) * 1e-9


class BagWriter:
    """Writes a bag; close it, or use it in a `with`.

    Attributes:
        paths: the files so far.
        messages: the number of messages written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        compression: Compression = "zstd",
        limits: Limits | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        profile: str = "",
        keeps_unfinished: bool = True,
    ) -> None:
        """Begin a bag.

        Args:
            path: the file; `.mcap` is added if it is missing. With limits the files are
                numbered: `run_0.mcap`, `run_1.mcap`.
            compression: the compression of the chunks.
            limits: when to begin another file; None for never.
            chunk_bytes: the size of a chunk, before compression.
            profile: MCAP's name for the kind of messages: empty for JSON, "ros2" for CDR.
            keeps_unfinished: keep what is written when an error ends it, as for a recording;
                otherwise it is deleted, as for a copy.

        Raises:
            BagError: a file of this name exists already, the path is not a file name, or the file
                cannot be written.
        """
        self.messages = 0
        self.paths: list[Path] = []
        self._path = bag_path(path)
        self._limits = limits or Limits()
        self._earlier_bytes = 0
        self._texts: list[tuple[str, dict[str, str]]] = []
        self._attachments: list[Attachment] = []
        self._latched = Latched()
        self._settings = (compression, chunk_bytes, profile)
        self._keeps_unfinished = keeps_unfinished
        self._file = self._open()

    @property
    def size_bytes(self) -> int:
        """The size of all files of the bag."""
        return self._earlier_bytes + self._file.size_bytes

    @property
    def unsafe(self) -> Counter[str]:
        """The number of messages that a crash would lose, by topic; after an error, those lost."""
        return self._file.unsafe

    def write(
        self,
        channel: Channel,
        log_time_ns: int,
        data: bytes,
        publish_time_ns: int,
        sequence: int = 0,
    ) -> None:
        """Append a message.

        Raises:
            BagError: the message could not be written (the text says what is safe), or a time is
                invalid.
        """
        self.write_record(Record(channel, log_time_ns, publish_time_ns, sequence, data))

    def write_record(self, record: Record) -> None:
        """Append a message as `write` does, from a record of another bag."""
        channel, log_time_ns, publish_time_ns, _, _ = record
        if not (log_time_ns in _TIMES and publish_time_ns in _TIMES):
            raise BagError(
                f"a message at {log_time_ns} ns, published at {publish_time_ns} ns, cannot be "
                "written: times are nanoseconds since 1970, from 0 to 2**64 - 1"
            )
        if self._limits and self._limits.reached(self._file, log_time_ns):
            self._file.finish()
            self._earlier_bytes += self._file.size_bytes
            self._file = self._open()
            self._repeat_latched(log_time_ns)
        self._file.write(record)
        self.messages += 1
        if self._limits and channel.latched:
            self._latched.take(record)

    def _repeat_latched(self, log_time_ns: int) -> None:
        """Begin a file with the latched messages, so that it can be played alone."""
        found = self._latched.records()
        for each in found:
            marked = replace(each.channel, metadata=(*each.channel.metadata, REPEATED))
            self._file.repeat(each._replace(channel=marked, log_time_ns=log_time_ns))
        if found:
            self._file.flush()

    def attach(self, attachment: Attachment) -> None:
        """Attach a file to each file of the bag."""
        self._attachments.append(attachment)
        self._file.attach(attachment)

    def describe(self, name: str, values: Mapping[str, str]) -> None:
        """Add named texts to each file of the bag."""
        self._texts.append((name, dict(values)))
        self._file.describe(name, values)

    def flush(self) -> None:
        """Make the written messages safe from a crash; see mcap_writer.py.

        Raises:
            BagError: the messages could not be written; the text says what is safe.
        """
        self._file.flush()

    def close(self) -> None:
        """Write the index, and close the bag.

        Raises:
            BagError: the index could not be written; the text says what is safe.
        """
        self._file.finish()

    def _open(self) -> McapWriter:
        path = self._path
        if self._limits:
            path = path.with_stem(f"{path.stem}_{len(self.paths)}")
        file = McapWriter(path, *self._settings, keeps_unfinished=self._keeps_unfinished)
        self.paths.append(path)
        for name, values in self._texts:
            file.describe(name, values)
        for attachment in self._attachments:
            file.attach(attachment)
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None or self._keeps_unfinished:
            self.close()
            return
        self._file.discard()
        for path in self.paths:
            remove(path)


def about_here() -> dict[str, str]:
    """Return the metadata of a recording: its program and its machine."""
    return {
        "version": dsmq_nodes.__version__,
        "python": platform.python_version(),
        "host": socket.gethostname(),
    }


def bag_path(path: str | Path) -> Path:
    """Return the name of a bag's file, with `.mcap`.

    Raises:
        BagError: the path is not a file name.
    """
    return file_name(path, ".mcap")
