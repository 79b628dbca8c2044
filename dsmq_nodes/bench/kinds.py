"""The kinds of messages that are sent, each with the time at which it was built."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dsmq_nodes.messages.base import Header, Message, Time
from dsmq_nodes.messages.geometry import Vector3
from dsmq_nodes.messages.sensor import Image, Imu, LaserScan
from dsmq_nodes.messages.std import String

_NS: Final = 1_000_000_000
_DIGITS: Final = 20
_PADDING: Final = "x" * 280
_BEAMS: Final = 1080
_WIDTH: Final = 640
_HEIGHT: Final = 480


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A kind of message.

    Attributes:
        msg_type: its type.
        build: makes a message that carries the given time, in ns.
        built_ns: returns the time that a message carries.
    """

    msg_type: type[Message]
    build: Callable[[int], Message]
    built_ns: Callable[[Any], int]


def _header(built_ns: int) -> Header:
    stamp = Time(sec=built_ns // _NS, nanosec=built_ns % _NS)
    return Header(stamp=stamp, frame_id="base_link")


def _header_ns(msg: Any) -> int:
    stamp: Time = msg.header.stamp
    return stamp.sec * _NS + stamp.nanosec


def _text(built_ns: int) -> String:
    return String(data=f"{built_ns:0{_DIGITS}}{_PADDING}")


def _text_ns(msg: String) -> int:
    return int(msg.data[:_DIGITS])


def _imu(built_ns: int) -> Imu:
    return Imu(
        header=_header(built_ns),
        angular_velocity=Vector3(x=0.1),
        linear_acceleration=Vector3(z=9.81),
    )


@functools.cache
def _ranges() -> list[float]:
    return [1.0 + number / 1000 for number in range(_BEAMS)]


def _scan(built_ns: int) -> LaserScan:
    return LaserScan(header=_header(built_ns), range_max=30.0, ranges=_ranges())


@functools.cache
def _pixels() -> bytes:
    return os.urandom(_WIDTH * _HEIGHT * 3)


def _image(built_ns: int) -> Image:
    return Image(
        header=_header(built_ns),
        height=_HEIGHT,
        width=_WIDTH,
        encoding="rgb8",
        step=_WIDTH * 3,
        data=_pixels(),
    )


KINDS: Final = {
    "text": MessageKind(String, _text, _text_ns),
    "imu": MessageKind(Imu, _imu, _header_ns),
    "scan": MessageKind(LaserScan, _scan, _header_ns),
    "image": MessageKind(Image, _image, _header_ns),
}
