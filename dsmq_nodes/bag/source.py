"""What can be converted: a bag of ours, or a ROS bag."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from dsmq_nodes.bag.channel import Attachment
from dsmq_nodes.bag.extra import need
from dsmq_nodes.bag.mcap_file import ChannelCount, McapFile, Record
from dsmq_nodes.bag.reading import Bag
from dsmq_nodes.bag.selection import Selection
from dsmq_nodes.errors import BagError

_ROS1_MAGIC = b"#ROSBAG V"
_ROS_ENCODINGS = {"cdr", "ros1"}


class Source(Protocol):
    """Messages in our JSON form, by time."""

    def counts(self) -> list[ChannelCount]:
        """The channels, and how many messages they have."""

    def records(self, start_ns: int | None = None, end_ns: int | None = None) -> Iterator[Record]:
        """The messages, from `start_ns` to before `end_ns`."""

    def attachments(self) -> list[Attachment]:
        """The files inside it."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""


def open_source(paths: list[Path], topics: Selection | None = None) -> Source:
    """Open what is at `paths`, whatever kind it is.

    Raises:
        BagError: it is not there, of no kind that is known, or not whole, or it has not the topics.
    """
    first = paths[0]
    if not first.exists():
        raise BagError(f"cannot read {first}: there is no such file or folder")
    if first.is_dir() or first.suffix == ".db3" or _starts_with(first, _ROS1_MAGIC):
        return _ros(paths, topics)
    encodings = {each.channel.encoding for each in McapFile(first).counts()}
    if encodings & _ROS_ENCODINGS:
        return _ros(paths, topics)
    bag = Bag(*paths, topics=topics)
    if topics is not None:
        bag.check_topics(topics)
    return bag


def _ros(paths: list[Path], topics: Selection | None) -> Source:
    need("ros", "rosbags", "numpy")
    from dsmq_nodes.bag.ros_reading import RosBag  # noqa: PLC0415  an extra of its own

    if len(paths) > 1:
        raise BagError("ROS bags are converted one by one: name one, or the folder it is in")
    return RosBag(paths[0], topics)


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic
