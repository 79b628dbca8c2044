"""One file of a bag: an MCAP that is readable up to its last flush, whatever happens.

A file is a sequence of chunks, then an index. `flush` ends a chunk. Flushed messages survive a
crash of the process. They survive a loss of power once the disk has them: a sync is requested right
after the flush, in a separate thread. `dsmq-nodes bag repair` completes a file without an index.
When the disk is full, an incomplete write is cut off again, so that the rest stays readable.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import dsmq_nodes
from dsmq_nodes.bag.file.append_file import NewFile
from dsmq_nodes.bag.file.atomic import NO_ROOM, remove
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.file.record_writer import Compression, RecordWriter
from dsmq_nodes.errors import BagError

CHUNK_BYTES: Final = 1 << 20


class McapWriter:
    """An open file.

    Attributes:
        path: the path of the file.
        first_ns: the log time of its first message; None before that.
        begin_bytes: the size of its beginning: attached files, texts, latched messages.
        messages: the number of messages written.
        unsafe: the number of messages that are not flushed, by topic.
    """

    def __init__(
        self,
        path: Path,
        compression: Compression,
        chunk_bytes: int,
        profile: str,
        *,
        keeps_unfinished: bool,
    ) -> None:
        """Begin a new file; `keeps_unfinished` is as for `BagWriter`.

        Raises:
            BagError: a file of this name exists already, or the file cannot be written.
        """
        self.path = path
        self.first_ns: int | None = None
        self.begin_bytes = 0
        self.messages = 0
        self.unsafe: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()  # since the sync that runs, or ran last, began
        self._syncing: Counter[str] = Counter()  # those that it covers
        self._synced: Counter[str] = Counter()  # those of the syncs before it
        self._has_ended = False
        self._keeps_unfinished = keeps_unfinished
        self._file = NewFile(path)
        self._mcap = RecordWriter(self._file, compression, chunk_bytes)
        self._ids: dict[Channel, int] = {}
        self._schemas: dict[tuple[str, str, bytes], int] = {}
        with self._guard():
            self._mcap.start(profile, f"dsmq_nodes {dsmq_nodes.__version__}")
        self._file.keep()

    @property
    def size_bytes(self) -> int:
        """The size of the file so far."""
        return self._file.tell()

    def write(self, record: Record) -> None:
        """Append a message.

        Raises:
            BagError: the message could not be written; flushed messages are safe.
        """
        if self._has_ended:
            raise BagError(f"{self.path} is closed: write to it before that")
        if self.first_ns is None:
            self.first_ns, self.begin_bytes = record.log_time_ns, self.size_bytes
        self.repeat(record)
        self.messages += 1
        self.unsafe[record.channel.topic] += 1
        if self._file.grown:
            self._keep()

    def repeat(self, record: Record) -> None:
        """Append a message without counting it, for a message repeated from another file.

        Raises:
            BagError: the message could not be written.
        """
        channel, log_time_ns, publish_time_ns, sequence, data = record
        try:
            number = self._ids.get(channel) or self._register(channel)
            self._mcap.add_message(
                number, log_time_ns, data, publish_time_ns, sequence & 0xFFFFFFFF
            )
        except OSError as error:
            raise self._failed(error) from None

    def _register(self, channel: Channel) -> int:
        key = (channel.type_name, channel.schema_encoding, channel.schema)
        schema = self._schemas.get(key, 0)
        if not schema and any(key):  # rosbag2 writes a name alone for a type without a definition
            schema = self._schemas[key] = self._mcap.register_schema(*key)
        number = self._ids[channel] = self._mcap.register_channel(
            channel.topic, channel.encoding, schema, dict(channel.metadata)
        )
        return number

    def attach(self, attachment: Attachment) -> None:
        """Attach a file."""
        with self._guard():
            self._mcap.add_attachment(
                attachment.name, attachment.media_type, attachment.data, attachment.time_ns
            )
        self._file.keep()

    def describe(self, name: str, values: Mapping[str, str]) -> None:
        """Add named texts."""
        with self._guard():
            self._mcap.add_metadata(name, dict(values))
        self._file.keep()

    def flush(self) -> None:
        """Make the written messages safe from a crash; see the module's docstring.

        Raises:
            BagError: the file could not be written, or was deleted or truncated.
        """
        with self._guard():
            if self._file.is_removed:
                self._abandon()
                self.unsafe += self._kept + self._syncing + self._synced
                lost = f"{self.messages} messages are" if self.messages != 1 else "1 message is"
                raise BagError(f"{self.path} was deleted: its {lost} lost")
            if self._file.is_cut:
                self._abandon()
                raise BagError(
                    f"{self.path} was truncated by another program: "
                    f"`dsmq-nodes bag repair {self.path}` saves the readable messages"
                )
            self._mcap.flush()
            self._keep()
            if self._file.sync():
                self._synced += self._syncing
                self._syncing, self._kept = self._kept, Counter()

    def _abandon(self) -> None:
        self._has_ended = True
        self._file.close()

    def _keep(self) -> None:
        self._file.keep()
        self._kept += self.unsafe
        self.unsafe.clear()

    def finish(self) -> None:
        """Write the index, and close; does nothing after a failure.

        Raises:
            BagError: the index could not be written; flushed messages are safe.
        """
        if self._has_ended:
            return
        self.flush()
        with self._guard():
            self._mcap.finish()
            self._file.close()
            if self._file.sync_error:
                raise self._file.sync_error
        self._has_ended = True

    def discard(self) -> None:
        """Close, and delete the file."""
        if not self._has_ended:
            self._has_ended = True
            self._file.cut()
        remove(self.path)

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> BagError:
        self._has_ended = True
        self._file.cut()
        if self._file.sync_error:  # after it nobody knows which part the disk has
            self.unsafe += self._syncing + self._kept
        what = f"cannot write {self.path}: {error.strerror}"
        lost = self.unsafe.total()
        safe = self.messages - lost
        advice = "free some space" if error.errno in NO_ROOM else "check the disk"
        if not (safe and self._keeps_unfinished):
            remove(self.path)  # its name is free again
            return BagError(f"{what}; no part of it is kept: {advice} first")
        return BagError(
            f"{what}; its first {safe} messages are safe, the {lost} after them are lost: "
            f"{advice}, then `dsmq-nodes bag repair {self.path}`"
        )
