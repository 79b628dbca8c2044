"""The velocity of a frame, from its poses at two times, as tf2 computes it."""

import math
from typing import Final

from dsmq_nodes.messages import Time
from dsmq_nodes.tf import BufferCore
from dsmq_nodes.tf.rigid import Rigid, Vector, multiply, rotate

_FIRST_NS: Final = 10_000  # the earliest time for tf2: time 0 would mean the latest transform
_SEC: Final = 1e-9
_NO_AXIS: Final = 1e-12  # below this there is no rotation, and any axis is right


def velocity_of(
    frames: BufferCore,
    tracking_frame: str,
    observation_frame: str,
    reference: tuple[str, Vector, str],
    time_ns: int,
    interval_ns: int,
) -> tuple[Vector, Vector]:
    """Return the velocities of `tracking_frame`, seen from `observation_frame`, in SI units.

    Args:
        frames: the transforms.
        tracking_frame: the frame that moves.
        observation_frame: the frame that it moves in.
        reference: the frame of the result; the point that moves with the frame, and its frame.
        time_ns: the middle of the interval.
        interval_ns: the length of the interval; it ends at the latest transform.

    Raises:
        TransformException: a transform is not known.
    """
    latest = frames.get_latest_common_time(observation_frame, tracking_frame)
    end_ns = min(time_ns + interval_ns // 2, latest.to_nanoseconds())
    begin_ns = max(_FIRST_NS + interval_ns, end_ns) - interval_ns
    begin = _rigid(frames, observation_frame, tracking_frame, begin_ns)
    end = _rigid(frames, observation_frame, tracking_frame, end_ns)
    per_sec = 1.0 / ((end_ns - begin_ns) * _SEC) if end_ns != begin_ns else math.nan
    moved = _difference(end.translation, begin.translation)
    turned = rotate(begin.rotation, _turned(begin, end))

    reference_frame, point, point_frame = reference
    there = _rigid(frames, reference_frame, tracking_frame, time_ns)
    angular = rotate(there.rotation, _scaled(turned, per_sec))
    linear = _sum(
        rotate(there.rotation, _scaled(moved, per_sec)), _cross(there.translation, angular)
    )
    wanted = _rigid(frames, reference_frame, point_frame, time_ns).apply(point)
    away = _difference(wanted, there.translation)
    ax, ay, az = angular
    dx, dy, dz = away
    return _sum(linear, (ax * dx, ay * dy, az * dz)), angular  # number by number, as in tf2


def _rigid(frames: BufferCore, target: str, source: str, stamp_ns: int) -> Rigid:
    return Rigid.from_msg(frames.lookup(target, source, Time.from_nanoseconds(stamp_ns)).transform)


def _turned(begin: Rigid, end: Rigid) -> Vector:
    """Return the rotation between two poses, as an axis with the angle as its length, rad."""
    x, y, z, w = multiply(begin.inverse().rotation, end.rotation)
    if w < 0.0:  # the shorter way round
        x, y, z, w = -x, -y, -z, -w
    sine = math.sqrt(x * x + y * y + z * z)
    return _scaled((x, y, z), 2.0 * math.atan2(sine, w) / sine) if sine > _NO_AXIS else (0.0,) * 3


def _sum(a: Vector, b: Vector) -> Vector:
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def _difference(a: Vector, b: Vector) -> Vector:
    return (a[0] - b[0], a[1] - b[1], a[2] - b[2])


def _scaled(a: Vector, factor: float) -> Vector:
    return (a[0] * factor, a[1] * factor, a[2] * factor)


def _cross(a: Vector, b: Vector) -> Vector:
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
