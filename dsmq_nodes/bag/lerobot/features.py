"""Maps topics to the features of a dataset, and reads the numbers of their messages.

Without `--feature`, an arm's topics are found by their types: `observation.state` is the only topic
of JointState that has no command word in its name, `action` the only one that has. Each topic of
pictures is `observation.images.<its name>`.

Joints are in degrees, as in LeRobot, and grippers are 0 to 100 of their range. The range is that of
the calibration, or else a whole turn.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from dsmq_nodes.bag.file.mcap_reader import Record
from dsmq_nodes.bag.lerobot.dataset_layout import ACTION, JOINT, PICTURES, STATE
from dsmq_nodes.bag.lerobot.pictures import COMPRESSED, RAW
from dsmq_nodes.bag.lerobot.resampling import SECOND_NS
from dsmq_nodes.devices.servo_bus.calibration import JointCalibration, ServoJoint
from dsmq_nodes.errors import BagError
from dsmq_nodes.json_text import json_reader, read_json
from dsmq_nodes.messages.sensor import JointState

PICTURE_TYPES: Final = frozenset({RAW, COMPRESSED})
_COMMAND_WORDS: Final = ("command", "cmd", "action", "goal", "target", "desired")
_PLAIN_WORDS: Final = frozenset(
    {"image", "image_raw", "image_color", "image_rect", "compressed", "camera", "cameras", "color"}
)
_GRIPPER: Final = "gripper"
_RARE: Final = 0.05  # relative to the joint with the most messages

Calibrations = Mapping[str, JointCalibration]


class _HeaderStamp(msgspec.Struct):
    sec: int = 0
    nanosec: int = 0


class _HeaderOnly(msgspec.Struct):
    stamp: _HeaderStamp = msgspec.field(default_factory=_HeaderStamp)


class _Stamped(msgspec.Struct):
    header: _HeaderOnly = msgspec.field(default_factory=_HeaderOnly)


_read_stamp: Final = json_reader(_Stamped)


def stamp_of(record: Record) -> int:
    """Return a message's stamp, ns: from its header, else its publish time."""
    try:
        stamp = _read_stamp(record.data).header.stamp
    except ValueError:
        return record.publish_time_ns  # it has no header, or one of another form
    return stamp.sec * SECOND_NS + stamp.nanosec or record.publish_time_ns


# Topics


@dataclass(frozen=True)
class Sources:
    """The topics of each feature.

    Attributes:
        vectors: the topics whose numbers, concatenated, are the feature.
        videos: the topic of the pictures of each feature.
    """

    vectors: dict[str, tuple[str, ...]]
    videos: dict[str, str]

    def topics(self) -> set[str]:
        """Return all topics of the features."""
        return {*self.videos.values(), *(each for found in self.vectors.values() for each in found)}


def named_sources(given: list[str], types: Mapping[str, str]) -> Sources:
    """Return the features that a user named, as `observation.state=/joint_states`.

    Raises:
        BagError: a name has another form, or the bag does not have the topic.
    """
    vectors: dict[str, tuple[str, ...]] = {}
    videos: dict[str, str] = {}
    for each in given:
        name, sign, topic = each.partition("=")
        if not (name and sign and topic) or "/" in name:
            raise BagError(f"--feature {each}: write FEATURE=TOPIC, as {STATE}=/joint_states")
        if topic not in types:
            raise BagError(f"--feature {each}: the bag has no {topic}: {', '.join(types)}")
        if types[topic] not in PICTURE_TYPES:
            vectors[name] = (*vectors.get(name, ()), topic)
        elif name.startswith(PICTURES) and name not in videos:
            videos[name] = topic
        else:
            raise BagError(f"--feature {each}: pictures need one topic and the name {PICTURES}NAME")
    return Sources(vectors, videos)


def found_sources(types: Mapping[str, str]) -> Sources:
    """Return the features of an arm, by the types and the names of the topics.

    Raises:
        BagError: a feature has no candidate or several; the text says which option to give.
    """
    joints = [topic for topic, each in types.items() if each == JointState.type_name]
    commands = [each for each in joints if _is_command(each)]
    vectors: dict[str, tuple[str, ...]] = {
        STATE: (_the_one(STATE, [each for each in joints if each not in commands], types),),
        ACTION: (_the_one(ACTION, commands, types),),
    }
    pictures = sorted(topic for topic, each in types.items() if each in PICTURE_TYPES)
    # A camera may be there twice, uncompressed and compressed.
    pictures = [each for each in pictures if each.removesuffix("/compressed") == each
                or each.removesuffix("/compressed") not in pictures]  # fmt: skip
    short = {topic: _picture_name(topic) for topic in pictures}
    if len(set(short.values())) < len(short):
        short = {topic: topic.strip("/").replace("/", "_") for topic in pictures}
    return Sources(vectors, {PICTURES + name: topic for topic, name in short.items()})


def _is_command(topic: str) -> bool:
    return any(word in topic.rpartition("/")[2] for word in _COMMAND_WORDS)


def _the_one(feature: str, candidates: list[str], types: Mapping[str, str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    what = f"which of {', '.join(candidates)} is" if candidates else "no topic of JointState is"
    named = ", ".join(candidates or types) or "none"
    raise BagError(
        f"{what} {feature}: name all features, as --feature {feature}=TOPIC; there is {named}"
    )


def _picture_name(topic: str) -> str:
    words = topic.strip("/").split("/")
    return "_".join(each for each in words if each not in _PLAIN_WORDS) or words[0]


# Numbers


class VectorReader:
    """The numbers of a topic's messages.

    Attributes:
        names: the names of the numbers, in the order of the message that had most of them.
        fields_seen: the number of messages for each set of names.
    """

    def __init__(self, type_name: str, calibrations: Calibrations) -> None:
        """Prepare to read messages of a type."""
        self.names: tuple[str, ...] = ()
        self.fields_seen: Counter[tuple[str, ...]] = Counter()
        self._may_lack = type_name == JointState.type_name
        self._calibrations = calibrations
        self._numbers: Callable[[Any], Iterator[tuple[str, float]]] = _leaves
        if type_name == JointState.type_name:
            self._numbers = self._joints
        elif type_name.endswith("MultiArray"):
            self._numbers = _array

    def read(self, data: bytes) -> dict[str, float]:
        """Return the numbers of a message, by name.

        Raises:
            ValueError: the names differ from the first message's and the type is not JointState, or
                a number is not finite.
        """
        found = dict(self._numbers(read_json(data)))
        if not found:
            raise ValueError("it has no numbers")
        for name, value in found.items():
            if not math.isfinite(value):
                raise ValueError(f"{name} is {value}")
        if found.keys() != set(self.names):
            self._join(tuple(found))
        self.fields_seen[tuple(found)] += 1
        return found

    def _join(self, found: tuple[str, ...]) -> None:
        others = sorted({*found} ^ {*self.names})
        if self.names and not self._may_lack:
            raise ValueError(f"it has, or lacks, {', '.join(others)}, unlike the first one")
        more, less = sorted((self.names, found), key=len, reverse=True)
        self.names = (*more, *(each for each in less if each not in more))

    def settle(self) -> Iterator[tuple[str, int, bool]]:
        """Yield the names that some messages lacked; call this when all messages are read.

        A name that hardly any message has is removed from `names`, as of another robot.

        Yields:
            The name, the number of messages that lacked it (or had it), and whether it stays.
        """
        messages = self.fields_seen.total()
        count = {name: self._with(name) for name in self.names}
        least = _RARE * max(count.values(), default=0)
        self.names = tuple(name for name in self.names if count[name] >= least)
        for name, times in count.items():
            stays = times >= least
            if times < messages:
                yield name, messages - times if stays else times, stays

    def _with(self, name: str) -> int:
        return sum(times for fields_seen, times in self.fields_seen.items() if name in fields_seen)

    def _joints(self, values: Any) -> Iterator[tuple[str, float]]:
        names, positions = values.get("name", []), values.get("position", [])
        if len(names) != len(positions):
            raise ValueError(f"it has {len(names)} names and {len(positions)} positions")
        for name, rad in zip(names, positions, strict=True):
            yield name + JOINT, in_lerobots_unit(name, float(rad), self._calibrations)


def _array(values: Any) -> Iterator[tuple[str, float]]:
    data = values.get("data", [])
    dimensions = values.get("layout", {}).get("dim", [])
    names = dimensions[0].get("label", "").split(",") if len(dimensions) == 1 else []
    if len(set(names)) != len(data):
        names = [str(number) for number in range(len(data))]
    yield from zip(names, map(float, data), strict=True)


def _leaves(values: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of any message by their paths, except those of headers and covariances."""
    inner = values.items() if isinstance(values, dict) else enumerate(values)
    for key, value in inner:
        name = f"{path}.{key}" if path else str(key)
        if isinstance(value, dict | list):
            if key != "header" and "covariance" not in name:
                yield from _leaves(value, name)
        elif isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity"):
            yield name, float(value)


def is_gripper(joint: str) -> bool:
    """Whether a joint is a gripper, by LeRobot's naming."""
    return _GRIPPER in joint


def in_lerobots_unit(joint: str, rad: float, calibrations: Calibrations) -> float:
    """Convert rad to degrees, or for a gripper to 0 to 100 of its range."""
    if not is_gripper(joint):
        return math.degrees(rad)
    least, most = _range(joint, calibrations)
    return (
        float(np.clip((rad - least) / (most - least), 0.0, 1.0)) * 100
        if math.isfinite(rad)
        else rad
    )


def in_rad(joint: str, value: float, calibrations: Calibrations) -> float:
    """Convert a value of `in_lerobots_unit` back to rad."""
    if not is_gripper(joint):
        return math.radians(value)
    least, most = _range(joint, calibrations)
    return least + value / 100 * (most - least)


def _range(joint: str, calibrations: Calibrations) -> tuple[float, float]:
    whole_turn = JointCalibration(id=0)
    return ServoJoint(joint, calibrations.get(joint, whole_turn)).limits()
