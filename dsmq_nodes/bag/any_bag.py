"""Opens a bag of any kind: the kit's own, one of ROS 1 or ROS 2, or a dataset of LeRobot."""

from pathlib import Path

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.atomic import file_name
from dsmq_nodes.bag.file.contents import ROS_ENCODINGS
from dsmq_nodes.bag.file.mcap_reader import ROS1_MAGIC, McapFile, check_no_pipe, opened
from dsmq_nodes.bag.file.reading import McapBag
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.optional import need
from dsmq_nodes.errors import BagError

_ROS_METADATA = "metadata.yaml"
_LEROBOT_INFO = "meta/info.json"
_BAGS = (".mcap", ".db3", ".bag", ".zstd", ".zst")
_ROS_SUFFIXES = frozenset({".db3", ".zstd", ".zst"})


def open_source(paths: list[Path], topics: Selection | None = None) -> BagSource:
    """Open the bag at `paths`, of any kind.

    Raises:
        BagError: the bag does not exist, is of an unknown kind, is damaged, or lacks the topics.
    """
    first = paths[0]
    if not first.exists() and file_name(first, ".mcap").is_file():
        paths = [file_name(each, ".mcap") for each in paths]  # `record -o` also adds the suffix
        first = paths[0]
    if not first.exists():
        parts = sorted(first.parent.glob(f"{first.name}_[0-9]*.mcap"))
        split = f"; it was split: {', '.join(map(str, parts))}" if parts else ""
        raise BagError(f"cannot read {first}: there is no such file or folder{split}")
    for each in paths:
        check_no_pipe(each)
    if (first / _LEROBOT_INFO).exists():
        return _dataset(paths, topics)
    ours = _files_of_ours(first)
    if ours is None and _is_of_ros(first):
        return _ros(paths, topics)
    return McapBag(ours or paths, topics)


def _files_of_ours(folder: Path) -> list[Path] | None:
    """Return the files in a folder, or None if it is a ROS bag or no folder."""
    if not folder.is_dir() or (folder / _ROS_METADATA).exists():
        return None
    files = sorted(each for each in folder.iterdir() if each.name.endswith(_BAGS))
    for each in files:
        check_no_pipe(each)
    try:
        return None if any(map(_is_of_ros, files)) else files or None
    except BagError:  # undamaged files of a ROS bag are still read
        return None


def is_mcap(path: Path) -> bool:
    """Whether a file is not a ROS bag in another format: it is an MCAP, or of an unknown kind.

    Raises:
        BagError: the file is a pipe or a device.
    """
    check_no_pipe(path)
    return not (path.is_dir() or any(_starts_with(path, each) for each in (ROS1_MAGIC, b"SQLite")))


def _is_of_ros(path: Path) -> bool:
    if path.is_dir() or path.suffix in _ROS_SUFFIXES or _starts_with(path, ROS1_MAGIC):
        return True
    return not ROS_ENCODINGS.isdisjoint(each.channel.encoding for each in McapFile(path).counts())


def _ros(paths: list[Path], topics: Selection | None) -> BagSource:
    need("ros", "rosbags", "numpy")
    from dsmq_nodes.bag.ros.ros_reading import RosBag  # noqa: PLC0415  an extra's

    if len(paths) > 1:
        raise BagError("only one ROS bag can be read at a time: name one, or its folder")
    return RosBag(paths[0], topics)


def _dataset(paths: list[Path], topics: Selection | None) -> BagSource:
    need("lerobot", "pyarrow", "av", "numpy")
    from dsmq_nodes.bag.lerobot.dataset_reading import LerobotDataset  # noqa: PLC0415  an extra's

    if len(paths) > 1:
        raise BagError("only one dataset can be read at a time: name one folder")
    return LerobotDataset(paths[0], topics)


def _starts_with(path: Path, magic: bytes) -> bool:
    with opened(path) as stream:
        return stream.read(len(magic)) == magic
