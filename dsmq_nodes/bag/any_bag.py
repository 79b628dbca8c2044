"""What can be looked at, played and converted: a bag of ours, or a ROS bag."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Protocol

from dsmq_nodes.bag.file.contents import Attachment
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, McapFile, Record
from dsmq_nodes.bag.file.reading import Bag
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.bag.optional import need
from dsmq_nodes.errors import BagError

_ROS1_MAGIC = b"#ROSBAG V"
_ROS_ENCODINGS = frozenset({"cdr", "ros1"})
_ROS_METADATA = "metadata.yaml"
_BAGS = (".mcap", ".db3", ".bag", ".zstd", ".zst")
_ROS_SUFFIXES = frozenset({".db3", ".zstd", ".zst"})


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
        """The channels of what is given, and how many messages they have."""

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """The messages, from `start_ns` to before `end_ns`."""

    def latched_before(self, time_ns: int) -> list[Record]:
        """What a subscriber of the latched topics is given that comes at this time."""

    def attachments(self) -> list[Attachment]:
        """The files inside it."""

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """The named texts inside it."""


def open_source(paths: list[Path], topics: Selection | None = None) -> BagSource:
    """Open what is at `paths`, whatever kind it is.

    Raises:
        BagError: it is not there, of no kind that is known, or not whole, or it has not the topics.
    """
    first = paths[0]
    if not first.exists():
        raise BagError(f"cannot read {first}: there is no such file or folder")
    ours = _files_of_ours(first)
    if ours is None and _is_of_ros(first):
        return _ros(paths, topics)
    bag = Bag(*(ours or paths), topics=topics)
    if topics is not None:
        bag.check_topics(topics)
    return bag


def _files_of_ours(folder: Path) -> list[Path] | None:
    """The files in a folder that is no bag of ROS; None: it is one, or no folder."""
    if not folder.is_dir() or (folder / _ROS_METADATA).exists():
        return None
    files = sorted(each for each in folder.iterdir() if each.name.endswith(_BAGS))
    try:
        return None if any(map(_is_of_ros, files)) else files or None
    except BagError:  # of a bag of ROS the files that are not damaged are read
        return None


def _is_of_ros(path: Path) -> bool:
    if path.is_dir() or path.suffix in _ROS_SUFFIXES or _starts_with(path, _ROS1_MAGIC):
        return True
    return not _ROS_ENCODINGS.isdisjoint(each.channel.encoding for each in McapFile(path).counts())


def _ros(paths: list[Path], topics: Selection | None) -> BagSource:
    need("ros", "rosbags", "numpy")
    from dsmq_nodes.bag.convert.ros_reading import RosBag  # noqa: PLC0415  an extra of its own

    if len(paths) > 1:
        raise BagError("ROS bags are read one by one: name one, or the folder it is in")
    return RosBag(paths[0], topics)


def _starts_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(magic)) == magic
    except OSError as error:
        raise BagError(f"cannot read {path}: {error.strerror}") from None
