"""Reads one ROS 1 `.bag`: its messages as they are (extra `ros`: rosbags)."""

import bz2
import contextlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import lz4.frame
from rosbags.rosbag1 import Reader

from dsmq_nodes.bag.file.contents import Channel, latched_metadata
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record, channel_counts
from dsmq_nodes.bag.file.mcap_records import MOST_UNPACKED, PIECE_BYTES
from dsmq_nodes.errors import BagError

MAGIC: Final = b"#ROSBAG V"
_UNPACKERS: Final[dict[bytes, Callable[[], Any]]] = {
    b"BZh": bz2.BZ2Decompressor,
    b"\x04\x22\x4d": lz4.frame.LZ4FrameDecompressor,
}


class Ros1File:
    """One file of a bag.

    Attributes:
        path: where it is.
        start_ns: the time of the first message; None: there is none.
        end_ns: the time of the last message; None: there is none.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            BagError: it is not a bag, or is damaged.
        """
        self.path = path
        self._kinds: set[str] = set()
        with self._open() as reader:
            self._channels = _channels(reader)
            self._counts = {each.id: each.msgcount for each in reader.connections}
            self._topics = {each.id: each.topic for each in reader.connections}
            has_any = any(self._counts.values())
            self.start_ns: int | None = reader.start_time if has_any else None
            self.end_ns: int | None = reader.end_time - 1 if has_any else None

    def counts(self) -> list[ChannelCount]:
        """Its channels; a topic has one for each of its publishers."""
        return channel_counts(self._channels, self._counts)

    def compression(self) -> str:
        """The compression of its chunks, which only its library knows."""
        return "as ROS 1 has it"

    def records(
        self,
        topics: Collection[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> Iterator[Record]:
        """Its messages by time, from `start_ns` to before `end_ns`.

        Raises:
            BagError: it is damaged.
        """
        with self._open() as reader:
            wanted = [each for each in reader.connections if topics is None or each.topic in topics]
            if not wanted:
                return
            for connection, time_ns, data in reader.messages(wanted, start_ns, end_ns):
                yield Record(self._channels[connection.id], time_ns, time_ns, 0, bytes(data))

    @contextlib.contextmanager
    def _open(self) -> Iterator[Reader]:
        try:
            with Reader(self.path) as reader:
                for place, chunk in reader.chunks.items():
                    reader.chunks[place] = chunk._replace(
                        decompressor=partial(_unpacked, chunk.decompressor)
                    )
                yield reader
        except (BagError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001  whatever a damaged file makes the library raise
            reason = str(error) or "its index is damaged"
            raise BagError(
                f"{self.path} cannot be read as a ROS 1 bag: {reason}; where its index is missing "
                "or damaged, `rosbag reindex` of ROS 1 makes it from what is there"
            ) from None


def _unpacked(unpack: Callable[[bytes], bytes], packed: bytes) -> bytes:
    """The records of a chunk; unpacked here because the library has no limit of size.

    Raises:
        ValueError: it is damaged, or too large.
    """
    make = _UNPACKERS.get(packed[:3])
    if make is None:  # it is not compressed, or damaged
        return unpack(packed)
    pieces, missing = [], MOST_UNPACKED + 1
    while packed and missing > 0:
        unpacker = make()
        while not unpacker.eof and missing > 0:
            piece = unpacker.decompress(packed, min(missing, PIECE_BYTES))
            packed, missing = b"", missing - len(piece)
            if not piece and unpacker.needs_input:
                raise ValueError("a chunk is cut off")
            pieces.append(piece)
        packed = unpacker.unused_data or b""
    if missing <= 0:
        raise ValueError(f"a chunk unpacks to more than {MOST_UNPACKED} bytes")
    return b"".join(pieces)


def _channels(reader: Any) -> dict[int, Channel]:
    found = {}
    for each in reader.connections:
        # A topic has as many latched messages as publishers that latch.
        latched = sum(
            bool(other.ext.latching) for other in reader.connections if other.topic == each.topic
        )
        definition = each.msgdef.data.encode()
        found[each.id] = Channel(
            each.topic, each.msgtype, definition, "ros1msg", "ros1", latched_metadata(latched)
        )
    return found
