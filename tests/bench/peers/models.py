"""The messages of a user of a peer system: plain pydantic models, sent as JSON."""

import os
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

_NS = 1_000_000_000
_DIGITS = 20
_PADDING = "x" * 280
_PIXELS = os.urandom(640 * 480 * 3)


class PeerTime(BaseModel):
    sec: int = 0
    nanosec: int = 0


class PeerHeader(BaseModel):
    stamp: PeerTime = PeerTime()
    frame_id: str = ""


class PeerVector3(BaseModel):
    x: float = 0
    y: float = 0
    z: float = 0


class PeerQuaternion(PeerVector3):
    w: float = 1


class PeerImu(BaseModel):
    header: PeerHeader
    orientation: PeerQuaternion = PeerQuaternion()
    orientation_covariance: list[float] = [0.0] * 9
    angular_velocity: PeerVector3
    angular_velocity_covariance: list[float] = [0.0] * 9
    linear_acceleration: PeerVector3
    linear_acceleration_covariance: list[float] = [0.0] * 9


class PeerImage(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    header: PeerHeader
    height: int
    width: int
    encoding: str
    is_bigendian: int = 0
    step: int
    data: bytes


def _header(built_ns: int) -> PeerHeader:
    stamp = PeerTime(sec=built_ns // _NS, nanosec=built_ns % _NS)
    return PeerHeader(stamp=stamp, frame_id="base_link")


def peer_imu(built_ns: int) -> PeerImu:
    return PeerImu(
        header=_header(built_ns),
        angular_velocity=PeerVector3(x=0.1),
        linear_acceleration=PeerVector3(z=9.81),
    )


def _peer_image(built_ns: int) -> PeerImage:
    return PeerImage(
        header=_header(built_ns),
        height=480,
        width=640,
        encoding="rgb8",
        step=640 * 3,
        data=_PIXELS,
    )


def _text(built_ns: int) -> str:
    return f"{built_ns:0{_DIGITS}}{_PADDING}"


def _text_ns(text: str | bytes) -> int:
    return int(text[:_DIGITS])


def built_ns(msg: PeerImu | PeerImage) -> int:
    return msg.header.stamp.sec * _NS + msg.header.stamp.nanosec


def codec(kind: str) -> tuple[Callable[[int], str], Callable[[str | bytes], int]]:
    """What makes the text of a message that carries a time, and what reads the time from one."""
    if kind == "text":
        return _text, _text_ns
    if kind == "imu":
        return (
            lambda ns: peer_imu(ns).model_dump_json(),
            lambda text: built_ns(PeerImu.model_validate_json(text)),
        )
    return (
        lambda ns: _peer_image(ns).model_dump_json(),
        lambda text: built_ns(PeerImage.model_validate_json(text)),
    )
