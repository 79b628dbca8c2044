"""A bag of an arm with a camera, as a recorder writes it; each topic with its own rate."""

import math
from collections.abc import Collection
from pathlib import Path

import numpy as np

from dsmq_nodes.bag import BagWriter, Channel, schema_text
from dsmq_nodes.devices.servo_bus.servo_arm import SO101
from dsmq_nodes.messages import Header, Image, JointState, Time
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.dsmq_msgs import EpisodeMark

BEGIN_NS = 1_700_000_000_000_000_000
WIDTH, HEIGHT = 32, 24
LATENCY_NS = 2_000_000
STATE, ACTION, CAMERA = "/joint_states", "/joint_command", "/camera/front/image_raw"
_PERIODS_NS = {STATE: 10_000_000, ACTION: 20_000_000, CAMERA: 40_000_000}


def position(joint: int, at_sec: float) -> float:
    return 0.5 * math.sin(3 * at_sec + joint)


def level(at_sec: float) -> int:
    """The grey of the picture of a moment."""
    return int(40 + 60 * at_sec) % 256


def channel(topic: str, kind: type[Message]) -> Channel:
    return Channel(topic, kind.type_name, schema_text(kind.schema()))


def write_arm_bag(
    path: Path,
    seconds: float,
    *,
    silent: tuple[str, float, float] | None = None,
    marks: Collection[tuple[float, str, str]] = (),
    chunk_bytes: int = 1 << 16,
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Path:
    """Write a bag.

    Args:
        path: its file.
        seconds: how long it is.
        silent: a topic, and from when to when it says nothing.
        marks: when, which, and the task.
        chunk_bytes: of the file.
        size: width and height of the pictures.
    """
    events: list[tuple[int, str, Message]] = []
    for topic, period_ns in _PERIODS_NS.items():
        for at_ns in range(0, round(seconds * 1e9), period_ns):
            at_sec = at_ns * 1e-9
            if silent and silent[0] == topic and silent[1] <= at_sec < silent[2]:
                continue
            events.append((at_ns, topic, _message(topic, at_sec, *size)))
    for at_sec, mark, task in marks:
        events.append((round(at_sec * 1e9), "/episode", EpisodeMark(mark=mark, task=task)))
    events.sort(key=lambda each: each[:2])
    with BagWriter(path, chunk_bytes=chunk_bytes) as writer:
        for at_ns, topic, message in events:
            stamp = BEGIN_NS + at_ns
            log_ns = stamp + (LATENCY_NS if topic != "/episode" else 0)
            data = message.to_json().encode()
            writer.write(channel(topic, type(message)), log_ns, data, stamp)
    return writer.paths[0]


def _message(topic: str, at_sec: float, width: int, height: int) -> Message:
    at_ns = BEGIN_NS + round(at_sec * 1e9)
    header = Header(stamp=Time(sec=at_ns // 10**9, nanosec=at_ns % 10**9))
    if topic == CAMERA:
        pixels = np.full((height, width, 3), level(at_sec), np.uint8)
        if width > WIDTH:  # something to encode
            pixels += np.arange(width, dtype=np.uint8)[:, None] // 4
            noise = np.random.default_rng(round(at_sec * 1e3)).integers(
                0, 8, pixels.shape, np.uint8
            )
            pixels += noise
            pixels[:, round(at_sec * 40) % (width - 20) :][:, :20] = 255, 80, 40
        return Image(
            header=header,
            height=height,
            width=width,
            encoding="rgb8",
            step=3 * width,
            data=pixels.tobytes(),
        )
    joints = [position(number, at_sec) for number in range(len(SO101))]
    return JointState(header=header, name=SO101, position=joints)
