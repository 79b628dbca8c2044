"""Reads a LeRobotDataset v3.0, v2.1 or v2.0 as a bag, to show, play and convert like any other.

`observation.state` and `action` of joints become `/joint_states` and `/joint_command`. Pictures
become `/<last word of the name>/image_raw` (the whole name if two names end alike). Other vectors
become arrays on a topic of their name. Times begin at 1 s, because a dataset has no absolute times.
Episodes follow each other after a pause of one second, between marks.
"""

import contextlib
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Final

import av
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from av.video.frame import VideoFrame

from dsmq_nodes.bag.bag_source import BagSource
from dsmq_nodes.bag.file.contents import Attachment, Channel
from dsmq_nodes.bag.file.mcap_reader import ChannelCount, Record
from dsmq_nodes.bag.file.recorded_schemas import schema_text
from dsmq_nodes.bag.file.selection import Selection
from dsmq_nodes.bag.lerobot import dataset_layout as layout
from dsmq_nodes.bag.lerobot.features import Calibrations, in_rad
from dsmq_nodes.bag.lerobot.pictures import rgb_of
from dsmq_nodes.bag.lerobot.resampling import SECOND_NS
from dsmq_nodes.bag.omitted import Omitted
from dsmq_nodes.devices.servo_bus.calibration import parsed_calibration
from dsmq_nodes.errors import BagError, CalibrationError
from dsmq_nodes.json_text import read_loose_json
from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.dsmq_msgs import EpisodeMark
from dsmq_nodes.messages.sensor import CompressedImage, Image, JointState
from dsmq_nodes.messages.std import Float64MultiArray, MultiArrayDimension, MultiArrayLayout
from dsmq_nodes.printable import one_line
from dsmq_nodes.topic_names import EPISODE_TOPIC

_BEGIN_NS: Final = SECOND_NS
_PAUSE_NS: Final = SECOND_NS  # between episodes
_JOINT_TOPICS: Final = {layout.STATE: "/joint_states", layout.ACTION: "/joint_command"}
# By the first bytes, of which TIFF's are those of depth; otherwise PNG, LeRobot's default.
_FORMATS: Final = {b"\xff\xd8": "jpeg", b"II": "tiff", b"MM": "tiff"}
_NUMBERS: Final = frozenset(
    {"float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64"}
    | {"uint8", "uint16", "uint32", "uint64"}
)
_MOST_NUMBERS: Final = 100_000  # of one feature
_OLD_VERSIONS: Final = ("v2.1", "v2.0")
_OLD_EPISODES: Final = "meta/episodes.jsonl"
_OLD_NUMBERS: Final = {"{episode_chunk": "{chunk_index", "{episode_index": "{file_index"}
_WIDE: Final = re.compile(r"\{[^}]*\d{4}")  # a number in a path, padded to 1000 or more places
# A folder that is no valid dataset raises any of these.
_WRONG: Final = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError),
    *(pa.ArrowException, av.FFmpegError),
)

Row = dict[str, Any]
_Make = Callable[[Any, Header], Message]


class LerobotDataset(BagSource):
    """A dataset's folder.

    Attributes:
        path: the path of the folder.
        omitted: features that are left out.
        start_ns: the time of the first frame.
        end_ns: the time of the last mark.
    """

    def __init__(self, path: Path, topics: Selection | None = None) -> None:
        """Open the dataset.

        Raises:
            BagError: it is of another version, or is damaged, or lacks the topics.
        """
        self.path = path
        self.paths = sorted(each for each in path.rglob("*") if each.is_file())
        self.omitted = Omitted()
        try:
            self._read_meta()
            self._writers: dict[str, _FeatureTopic] = {}
            for each in self._features():
                topic = each.channel.topic
                if self._writers.setdefault(topic, each) is not each:
                    self.omitted.note(f"left out: {each.name}: {topic} is already a feature")
            self._starts_ns = self._starts()
        except _WRONG as error:
            raise BagError(f"{path} is no complete dataset: {error}") from None
        names = [EPISODE_TOPIC, *self._writers]
        if topics is not None:
            topics.check(names, str(path))
        self._names = [each for each in names if topics is None or each in topics]
        self.start_ns = self._starts_ns[0] if self._episodes else 0
        self.end_ns = self._starts_ns[-1] - _PAUSE_NS if self._episodes else 0

    def _read_meta(self) -> None:
        self._info: dict[str, Any] = read_loose_json((self.path / layout.INFO).read_bytes())
        version = self._info.get("codebase_version")
        if version not in (layout.VERSION, *_OLD_VERSIONS):
            supported = ", ".join((layout.VERSION, *_OLD_VERSIONS))
            raise ValueError(f"it has version {version}; supported are {supported}")
        self._fps = int(self._info["fps"])
        if self._fps < 1:
            raise ValueError(f"it has {self._fps} frames a second")
        files = sorted((self.path / "meta/episodes").rglob("*.parquet"))
        self._episodes: list[Row] = [row for each in files for row in _episode_rows(each)]
        if version in _OLD_VERSIONS:
            self._episodes = list(self._old_episodes())
        calibration = self.path / layout.CALIBRATION
        self._calibration = calibration.read_bytes() if calibration.exists() else b""

    def _old_episodes(self) -> Iterator[Row]:
        """Yield the episodes of a version 2, each of which has its own files, as version 3 does."""
        begin = 0
        for line in (self.path / _OLD_EPISODES).read_bytes().splitlines():
            each: Row = read_loose_json(line)
            number = each["episode_index"]
            each |= {"dataset_from_index": begin, "data/file_index": number}
            each["data/chunk_index"] = chunk = number // self._info["chunks_size"]
            for name in self._info["features"]:
                place = {"chunk_index": chunk, "file_index": number, "from_timestamp": 0.0}
                each |= {f"videos/{name}/{what}": value for what, value in place.items()}
            begin += each["length"]
            yield each

    def _starts(self) -> list[int]:
        """Return the begin of each episode, and that of one more after the last."""
        found = [_BEGIN_NS]
        for each in self._episodes:
            found.append(found[-1] + each["length"] * SECOND_NS // self._fps + _PAUSE_NS)
        return found

    def _features(self) -> Iterator["_FeatureTopic"]:
        calibrations: Calibrations = {}
        if self._calibration:
            try:
                calibrations = parsed_calibration(self._calibration, str(layout.CALIBRATION))
            except CalibrationError as error:
                self.omitted.note(str(error))
        features = self._info["features"]
        pictures = _picture_topics(n for n, f in features.items() if f["dtype"] in _PICTURES)
        for name, feature in features.items():
            if name in layout.OWN_COLUMNS:
                continue
            if name in pictures and not _is_quantized(feature):
                yield _FeatureTopic(name, pictures[name], *_PICTURES[feature["dtype"]])
            elif name in pictures:
                reason = "its depth was quantized for a video, which this does not undo"
                self.omitted.topic(pictures[name], reason)
            elif feature["dtype"] in _NUMBERS and len(feature["shape"]) == 1:
                yield _vector_topic(name, feature, calibrations)
            else:
                reason = f"{feature['dtype']} of shape {feature['shape']} is no message"
                self.omitted.topic(_plain_topic(name), reason)

    # Contents

    def compression(self) -> str:
        """Return the compression of its files."""
        infos = [each.get("info") or {} for each in self._info["features"].values()]
        codecs = [str(each["video.codec"]) for each in infos if "video.codec" in each]
        return ", ".join(dict.fromkeys(["snappy", *codecs]))

    def counts(self) -> list[ChannelCount]:
        """Return the topics, with their message counts."""
        frames = sum(each["length"] for each in self._episodes)
        marks = ChannelCount(_MARKS, 2 * len(self._episodes))
        features = [ChannelCount(each.channel, frames) for each in self._writers.values()]
        return [each for each in (marks, *features) if each.channel.topic in self._names]

    def attachments(self) -> list[Attachment]:
        """Return the calibration, if the dataset has one."""
        name = layout.CALIBRATION.name
        found = Attachment(name, self._calibration, "application/json")
        return [found] if self._calibration else []

    def metadata(self) -> list[tuple[str, dict[str, str]]]:
        """Return the name of the dataset, and its type of robot."""
        names = {"from": self.path.name, "robot_type": str(self._info.get("robot_type"))}
        return [("converted", names)]

    # Messages

    def records(
        self,
        start_ns: int | None = None,
        end_ns: int | None = None,
        topics: Collection[str] | None = None,
    ) -> Iterator[Record]:
        """Yield the messages, by time.

        Raises:
            BagError: the dataset is damaged.
        """
        wanted = [each for each in self._names if topics is None or each in topics]
        begin, end = start_ns or 0, math.inf if end_ns is None else end_ns
        try:
            for record in self._all(wanted, begin, end):
                if begin <= record.log_time_ns < end:
                    yield record
        except _WRONG as error:
            raise BagError(f"{self.path} is damaged: {error}") from None

    def _all(self, wanted: list[str], begin: int, end: float) -> Iterator[Record]:
        writers = [self._writers[each] for each in wanted if each != EPISODE_TOPIC]
        videos = {w.name: _Frames() for w in writers if w.type is Image}
        table_of = lru_cache(maxsize=1)(_read_table)  # a file may have a thousand episodes
        for number, episode in enumerate(self._episodes):
            first_ns, next_ns = self._starts_ns[number], self._starts_ns[number + 1]
            if next_ns <= begin or first_ns >= end:
                continue
            task = (episode.get("tasks") or [""])[0]
            if EPISODE_TOPIC in wanted:
                yield _mark("start", task, number, first_ns)
            rows = self._rows(episode, table_of)
            pictures = {
                name: frames.of(self._video(name, episode), self._first(name, episode))
                for name, frames in videos.items()
            }
            for frame in range(episode["length"]):
                at_ns = first_ns + frame * SECOND_NS // self._fps
                for writer in writers:
                    source = pictures.get(writer.name)
                    value = rows[writer.name][frame].as_py() if source is None else next(source)
                    yield writer.record(value, at_ns, episode["dataset_from_index"] + frame)
            if EPISODE_TOPIC in wanted:
                yield _mark("stop", "", number, next_ns - _PAUSE_NS)

    def _rows(self, episode: Row, table_of: Callable[[Path], pa.Table]) -> pa.Table:
        number = episode["episode_index"]
        place = {what: episode[f"data/{what}"] for what in ("chunk_index", "file_index")}
        table = table_of(self._file("data_path", place))
        rows = table.filter(pc.equal(table["episode_index"], number))
        if rows.num_rows != episode["length"]:
            raise ValueError(f"episode {number} has {rows.num_rows} rows, not {episode['length']}")
        return rows

    def _video(self, name: str, episode: Row) -> Path:
        place = {what: episode[f"videos/{name}/{what}"] for what in ("chunk_index", "file_index")}
        return self._file("video_path", {"video_key": name, **place})

    def _file(self, pattern: str, place: Row) -> Path:
        """Return the path of a file of the dataset, made from a pattern.

        Raises:
            ValueError: the path would lead out of the dataset's folder.
        """
        pattern_text = str(self._info[pattern])
        for old, new in _OLD_NUMBERS.items():
            pattern_text = pattern_text.replace(old, new)
        if _WIDE.search(pattern_text):
            raise ValueError(f"its {pattern} is {pattern_text}")
        name = PurePath(pattern_text.format(**place))
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"its {pattern} leads out of the folder: {pattern_text}")
        return self.path / name

    def _first(self, name: str, episode: Row) -> int:
        begin_sec: float = episode[f"videos/{name}/from_timestamp"]
        return round(begin_sec * self._fps)


class _Frames:
    """The pictures of a feature; each file is decoded from its begin to its end."""

    def __init__(self) -> None:
        self._path = Path()
        self._frames: Iterator[VideoFrame] = iter(())
        self._next = 0

    def of(self, path: Path, first: int) -> Iterator[VideoFrame]:
        """Yield the pictures of a file from the frame `first` on.

        Raises:
            ValueError: the file ends before that frame.
        """
        if path != self._path or first < self._next:
            self._path, self._frames, self._next = path, _decoded(path), 0
        while True:
            frame = next(self._frames, None)
            if frame is None:
                raise ValueError(f"{path} ends after {self._next} frames")
            self._next += 1
            if self._next > first:
                yield frame


def _decoded(path: Path) -> Iterator[VideoFrame]:
    with _naming(path), av.open(str(path)) as container:
        yield from container.decode(video=0)


def _read_table(path: Path) -> pa.Table:
    with _naming(path):
        return pq.read_table(path)


def _episode_rows(path: Path) -> list[Row]:
    """Return the episodes of a file without their statistics, which are most of it."""
    table = _read_table(path)
    names = [each for each in table.column_names if not each.startswith("stats/")]
    return table.select(names).to_pylist()  # type: ignore[no-any-return]


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in an error: those of its pages or frames do not, and may have several lines.

    Raises:
        ValueError: the file is missing or damaged.
    """
    try:
        yield
    except _WRONG as error:
        fault = str(error).replace(str(path), path.name)
        raise ValueError(f"{path}: {one_line(fault.strip())}") from None


class _FeatureTopic:
    """Makes the messages of a feature.

    Attributes:
        name: the name of the feature.
        channel: the channel of its topic.
        type: the class of its messages.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        message: type[Message],
        make: _Make,
    ) -> None:
        self.name, self.type = name, message
        self.channel = Channel(topic, message.type_name, schema_text(message.schema()))
        self._make = make

    def record(self, value: Any, at_ns: int, sequence: int) -> Record:
        """Return a message with a value of the feature."""
        stamp = Time(sec=at_ns // SECOND_NS, nanosec=at_ns % SECOND_NS)
        message = self._make(value, Header(stamp=stamp))
        return Record(self.channel, at_ns, at_ns, sequence + 1, message.to_json().encode())


_MARKS: Final = Channel(EPISODE_TOPIC, EpisodeMark.type_name, schema_text(EpisodeMark.schema()))


def _mark(mark: str, task: str, number: int, at_ns: int) -> Record:
    data = EpisodeMark(mark=mark, task=task, number=number).to_json().encode()
    return Record(_MARKS, at_ns, at_ns, 2 * number + (mark == "stop") + 1, data)


def _vector_topic(name: str, feature: Row, calibrations: Calibrations) -> _FeatureTopic:
    names = _names(feature)
    joints = [each.removesuffix(layout.JOINT) for each in names]

    def joint_state(values: Any, header: Header) -> Message:
        pairs = zip(joints, _listed(values), strict=True)
        rad = [in_rad(joint, value, calibrations) for joint, value in pairs]
        return JointState(header=header, name=joints, position=rad)

    if all(each.endswith(layout.JOINT) for each in names):
        return _FeatureTopic(
            name, _JOINT_TOPICS.get(name, _plain_topic(name)), JointState, joint_state
        )
    size = len(names)
    dimension = MultiArrayDimension(label=",".join(names), size=size, stride=size)
    form = MultiArrayLayout(dim=[dimension])

    def array(values: Any, header: Header) -> Message:
        del header
        return Float64MultiArray(layout=form, data=[float(each) for each in _listed(values)])

    return _FeatureTopic(name, _plain_topic(name), Float64MultiArray, array)


def _listed(values: Any) -> list[Any]:
    """Return the numbers of a vector; a vector of one number is given as that number."""
    return values if isinstance(values, list) else [values]


def _names(feature: Row) -> list[str]:
    given = feature.get("names")
    if isinstance(given, dict):  # {"motors": [...]}, or {"delta_x": 0, ...} for a gamepad
        has_places = all(isinstance(each, int) for each in given.values())
        lists = [sorted(given, key=given.__getitem__)] if has_places else given.values()
        given = [name for each in lists for name in each]
    size = feature["shape"][0]
    if size > _MOST_NUMBERS:
        raise ValueError(f"a feature of {size} numbers")
    if isinstance(given, list) and len(given) == size:
        return [str(each) for each in given]
    return [str(number) for number in range(size)]


def _is_quantized(feature: Row) -> bool:
    infos = [feature.get(each) or {} for each in ("info", "video_info")]
    is_depth = any(i.get("is_depth_map") or i.get("video.is_depth_map") for i in infos)
    return is_depth and feature["dtype"] == "video"


def _picture_of(frame: VideoFrame, header: Header) -> Message:
    pixels = rgb_of(frame)
    return Image(
        header=header,
        height=frame.height,
        width=frame.width,
        encoding="rgb8",
        step=3 * frame.width,
        data=pixels.tobytes(),
    )


def _file_of(value: Row, header: Header) -> Message:
    data = value["bytes"]
    if not data:
        raise ValueError(f"the picture {value.get('path')} is not in the table")
    return CompressedImage(header=header, format=_FORMATS.get(data[:2], "png"), data=data)


def _plain_topic(feature: str) -> str:
    return "/" + "/".join(re.sub(r"\W", "_", each) for each in feature.split("."))


def _picture_topics(features: Iterable[str]) -> dict[str, str]:
    """Return each feature's topic: the last word of its name if unique, else the whole name."""
    whole = {name: _plain_topic(name) for name in features}
    last = {name: topic.rpartition("/")[2] for name, topic in whole.items()}
    often = Counter(last.values())
    return {
        name: f"{topic if often[last[name]] > 1 else f'/{last[name]}'}/image_raw"
        for name, topic in whole.items()
    }


_PICTURES: Final[dict[str, tuple[type[Message], _Make]]] = {
    "video": (Image, _picture_of),
    "image": (CompressedImage, _file_of),
}
