"""A ROS 2 bag as a folder: its files, and the contents of its `metadata.yaml`.

The files have priority: `metadata.yaml` may be wrong, because people edit it, split and merge bags,
or lose a file. Its counts are compared with the files, and differences are reported.
"""

import os
import re
import shutil
import struct
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, Final

import yaml
import zstandard

from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.errors import BagError
from dsmq_nodes.given_files import bytes_of

METADATA: Final = "metadata.yaml"
PACKED: Final = ".zstd"  # as ROS 2 calls it
PACKED_SUFFIXES: Final = frozenset({PACKED, ".zst"})
_SUFFIXES: Final = (".mcap", ".db3", ".mcap.zstd", ".db3.zstd")
_TRANSIENT_LOCAL: Final = (1, "transient_local")
_MOST_BYTES: Final = 512 << 20  # of one message
_MOST_METADATA_BYTES: Final = 16 << 20
_PIECE_BYTES: Final = 1 << 20
_SQLITE_HEAD: Final = struct.Struct(">16xH10xI")  # the page size, the page count
_MOST_UNPACKED: Final = 200  # times its size, or 1 MiB
_MOST_CUT: Final = 1000  # the full size of a cut file, at most, in times its size
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RosFolder:
    """The folder of a bag.

    Attributes:
        files: the existing files, in the order of their recording.
        compressed_messages: whether each message is compressed separately.
        latched: the depth of each latched topic, from the metadata.
        counts: the number of messages of each topic, from the metadata.
    """

    def __init__(self, path: Path, omitted: Omitted) -> None:
        """Open a folder.

        Raises:
            BagError: the folder has none of the files.
        """
        self.compressed_messages = False
        self.latched: dict[str, int] = {}
        self.counts: dict[str, int] = {}
        there = sorted(
            (each for each in path.iterdir() if each.name.endswith(_SUFFIXES) and each.is_file()),
            key=_number,
        )
        metadata = _read_metadata(path / METADATA, omitted)
        names = _texts(metadata.get("relative_file_paths"))
        found = {name: _file_of(path, name) for name in names}
        missing = [name for name, file in found.items() if file is None]
        # ROS 2 decompresses a file beside the compressed one and keeps both: use only one of them.
        packed = {each.with_suffix("") for each in there if each.suffix == PACKED}
        named = [each for each in dict.fromkeys(found.values()) if each is not None]
        self.files = named or [each for each in there if each not in packed]
        if not self.files:
            raise BagError(
                f"{path} has no .mcap and no .db3 file: it is not a ROS 2 bag"
                + (f"; {METADATA} names {', '.join(missing)}" if missing else "")
            )
        if missing:
            omitted.note(f"{path}: missing: {', '.join(missing)}, which {METADATA} names")
        read = {_unpacked_name(each) for each in self.files}
        if names and (more := [each.name for each in there if _unpacked_name(each) not in read]):
            omitted.note(f"{path}: not read: {', '.join(more)}, which {METADATA} does not name")
        self.compressed_messages = _lower(metadata.get("compression_mode")) == "message"
        for each in _list(metadata.get("topics_with_message_count")):
            self._take_topic(each)

    def _take_topic(self, entry: Any) -> None:
        about = entry.get("topic_metadata") if isinstance(entry, dict) else None
        if not isinstance(about, dict):
            return
        topic, count = about.get("name"), entry.get("message_count")
        if not isinstance(topic, str):
            return
        if isinstance(count, int):
            self.counts[topic] = self.counts.get(topic, 0) + count
        profiles = about.get("offered_qos_profiles")
        if profiles:
            self.latched[topic] = max(latched_depth(profiles), self.latched.get(topic, 0))


def _read_metadata(path: Path, omitted: Omitted) -> Mapping[str, Any]:
    """Return the metadata; empty, with a note, if they cannot be read."""
    try:
        text = bytes_of(path, _MOST_METADATA_BYTES).decode(errors="replace")
        if len(text) > _MOST_METADATA_BYTES:
            raise ValueError("it is too large")
        found = _Loader(text).get_single_data()
        metadata = found.get("rosbag2_bagfile_information") if isinstance(found, dict) else None
    except FileNotFoundError:
        omitted.note(f"{path} does not exist, as after a recording that was killed")
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        omitted.note(f"{path} cannot be read: {' '.join(str(error).split()):.120}")
    else:
        if isinstance(metadata, dict):
            return metadata
        omitted.note(f"{path} has no information about the bag")
    return {}


def latched_depth(profiles: object) -> int:
    """Return the number of messages that these QoS profiles latch; 0 for none."""
    if isinstance(profiles, str):
        try:
            profiles = _Loader(profiles).get_single_data()
        except (yaml.YAMLError, ValueError, RecursionError):
            return 0
    depth = 0
    for each in _list(profiles):
        if isinstance(each, dict) and _lower(each.get("durability")) in _TRANSIENT_LOCAL:
            depth_value = each.get("depth")
            depth += depth_value if isinstance(depth_value, int) and depth_value > 0 else 1
    return depth


def _file_of(folder: Path, name: str) -> Path | None:
    """Return the path of a file in the metadata, compressed or not; None if it does not exist.

    Old versions prefixed names with the folder's own name. Files outside of the folder are ignored.
    """
    inner = folder / name
    is_inside = not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
    for each in (*([inner] if is_inside else []), folder / PurePath(name).name):
        unpacked = _unpacked_name(each)
        for file in (each, unpacked, unpacked.with_name(f"{unpacked.name}{PACKED}")):
            if os.path.isfile(file):  # noqa: PTH113  False also of a name that no file can have
                return file
    return None


def _unpacked_name(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == PACKED else path


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _texts(value: object) -> list[str]:
    """Return the texts in a list; other values are skipped, not converted: they may be huge."""
    return [each for each in _list(value) if isinstance(each, str) and each]


def _list(value: object) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _number(path: Path) -> tuple[int, str]:
    """Return a sort key, so that run_10.mcap comes after run_9.mcap."""
    found = re.search(r"(\d+)\D*$", path.name.partition(".")[0])
    return int(found[1]) if found else 0, path.name


class Unpacked:
    """Decompresses files, and completes cut ones, in a temporary folder that it owns."""

    def __init__(self) -> None:
        self._folder = ""

    def path(self, path: Path) -> Path:
        """Return the path of the file, or of its decompressed copy.

        Raises:
            BagError: the file cannot be decompressed.
        """
        if path.suffix not in PACKED_SUFFIXES:
            return path
        found = self._place(path.stem)
        try:
            with path.open("rb") as packed, found.open("wb") as stream:
                reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
                most_bytes = max(path.stat().st_size, _PIECE_BYTES) * _MOST_UNPACKED
                while piece := reader.read(_PIECE_BYTES):
                    if stream.tell() > most_bytes:  # more could fill the disk
                        raise BagError(
                            f"{path} cannot be decompressed: over {_MOST_UNPACKED} times "
                            "its size; decompress it with `zstd -d` if that is intended"
                        )
                    stream.write(piece)
        except (OSError, zstandard.ZstdError) as error:
            raise BagError(f"{path} cannot be decompressed: {error}") from None
        return found

    def whole(self, path: Path) -> Path:
        """Return the path of a SQLite file, or of a copy with zeros for pages that were cut off.

        SQLite does not open a cut file.

        Raises:
            BagError: the file cannot be copied.
        """
        try:
            with path.open("rb") as stream:
                head = stream.read(_SQLITE_HEAD.size)
                size_bytes = stream.seek(0, os.SEEK_END)
            if len(head) < _SQLITE_HEAD.size:
                return path
            page_bytes, pages = _SQLITE_HEAD.unpack(head)
            header_bytes = (65536 if page_bytes == 1 else page_bytes) * pages
            if header_bytes <= size_bytes or header_bytes > _MOST_CUT * size_bytes:
                return path
            found = self._place(path.name)
            if found != path:
                shutil.copyfile(path, found)
            os.truncate(found, header_bytes)
        except OSError as error:
            raise BagError(f"cannot read {path}: {error.strerror}") from None
        return found

    def _place(self, name: str) -> Path:
        if not self._folder:
            self._folder = tempfile.mkdtemp(prefix="dsmq_bag_")
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return Path(self._folder, name)


def unpacked_message(data: bytes) -> bytes:
    """Return a single message, decompressed if it is compressed: the metadata may be missing.

    Raises:
        ValueError: the message is damaged.
    """
    if not data.startswith(zstandard.FRAME_HEADER):
        return data
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=_MOST_BYTES)
    except zstandard.ZstdError as error:
        raise ValueError(f"it cannot be decompressed: {error}") from None
