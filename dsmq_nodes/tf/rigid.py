"""Rigid transforms in plain Python: a rotation, then a translation.

A vector is (x, y, z) in m; a quaternion is (x, y, z, w), of length 1, by Hamilton's convention.
The transform of a frame `child` in a frame `parent` converts a point's coordinates in `child` to
those in `parent`: p' = R p + t.
"""

import math
from typing import Final, NamedTuple

from dsmq_nodes.errors import InvalidArgumentException
from dsmq_nodes.messages.geometry import Quaternion, Transform, Vector3

Vector = tuple[float, float, float]
Rotation = tuple[float, float, float, float]

# tf2's limit on how far the square of a quaternion's length may be from 1.
_NORM_TOLERANCE: Final = 1e-2
# where slerp's formula loses its digits, and a line is exact enough
_NEARLY_PARALLEL: Final = 1.0 - 1e-9


class Rigid(NamedTuple):
    """A rigid transform."""

    translation: Vector
    rotation: Rotation

    @classmethod
    def from_msg(cls, msg: Transform) -> "Rigid":
        """Return the transform of a message, with a normalised rotation.

        Raises:
            InvalidArgumentException: a number is not finite, or the quaternion's length is not 1.
        """
        t, r = msg.translation, msg.rotation
        translation, rotation = (t.x, t.y, t.z), (r.x, r.y, r.z, r.w)
        if not all(map(math.isfinite, (*translation, *rotation))):
            raise InvalidArgumentException(
                f"a transform's numbers are finite, not translation {translation}, "
                f"rotation {rotation}"
            )
        square = sum(part * part for part in rotation)
        if abs(square - 1.0) > _NORM_TOLERANCE:
            raise InvalidArgumentException(
                f"a rotation is a quaternion of length 1, not {math.sqrt(square):.4g}: {rotation} "
                "(x, y, z, w); no rotation is (0, 0, 0, 1)"
            )
        return cls(translation, normalized(rotation))

    def to_msg(self) -> Transform:
        """Return the transform as a message."""
        (x, y, z), (qx, qy, qz, qw) = self
        return Transform(
            translation=Vector3(x=x, y=y, z=z), rotation=Quaternion(x=qx, y=qy, z=qz, w=qw)
        )

    def apply(self, point: Vector) -> Vector:
        """Return the point's coordinates in the parent frame."""
        x, y, z = rotate(self.rotation, point)
        tx, ty, tz = self.translation
        return (x + tx, y + ty, z + tz)

    def after(self, first: "Rigid") -> "Rigid":
        """Return the transform that does `first`, then this one."""
        rotation = normalized(multiply(self.rotation, first.rotation))
        return Rigid(self.apply(first.translation), rotation)

    def inverse(self) -> "Rigid":
        """Return the inverse transform."""
        x, y, z, w = self.rotation
        back = (-x, -y, -z, w)
        tx, ty, tz = rotate(back, self.translation)
        return Rigid((-tx, -ty, -tz), back)

    def towards(self, other: "Rigid", share: float) -> "Rigid":
        """Return the transform between this (share 0) and `other` (1): linear, the shorter arc."""
        (ax, ay, az), (bx, by, bz) = self.translation, other.translation
        between = (ax + (bx - ax) * share, ay + (by - ay) * share, az + (bz - az) * share)
        return Rigid(between, slerp(self.rotation, other.rotation, share))


IDENTITY: Final = Rigid((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def normalized(q: Rotation) -> Rotation:
    """Return the normalised quaternion.

    Raises:
        InvalidArgumentException: the length is 0, as in a message whose rotation was not set.
    """
    x, y, z, w = q
    length = math.sqrt(x * x + y * y + z * z + w * w)
    if not length:
        raise InvalidArgumentException("a quaternion of length 0; no rotation is (0, 0, 0, 1)")
    return (x / length, y / length, z / length, w / length)


def multiply(a: Rotation, b: Rotation) -> Rotation:
    """Return the rotation that does `b`, then `a`: Hamilton's product."""
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def rotate(q: Rotation, v: Vector) -> Vector:
    """Return the vector after a rotation: v + 2 w (u x v) + 2 u x (u x v), u being (x, y, z)."""
    qx, qy, qz, qw = q
    x, y, z = v
    cx, cy, cz = qy * z - qz * y, qz * x - qx * z, qx * y - qy * x
    return (
        x + 2.0 * (qw * cx + qy * cz - qz * cy),
        y + 2.0 * (qw * cy + qz * cx - qx * cz),
        z + 2.0 * (qw * cz + qx * cy - qy * cx),
    )


def slerp(a: Rotation, b: Rotation, share: float) -> Rotation:
    """Return the rotation between two, at constant angular speed, on the shorter arc.

    Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    """
    cosine = sum(p * q for p, q in zip(a, b, strict=True))
    if cosine < 0.0:  # q and -q are the same rotation
        cosine = -cosine
        b = (-b[0], -b[1], -b[2], -b[3])
    if cosine > _NEARLY_PARALLEL:
        of_a, of_b = 1.0 - share, share
    else:
        angle = math.acos(cosine)
        of_a = math.sin((1.0 - share) * angle) / math.sin(angle)
        of_b = math.sin(share * angle) / math.sin(angle)
    return normalized(
        (
            of_a * a[0] + of_b * b[0],
            of_a * a[1] + of_b * b[1],
            of_a * a[2] + of_b * b[2],
            of_a * a[3] + of_b * b[3],
        )
    )


def roll_pitch_yaw(q: Rotation) -> Vector:
    """Return the rotations about the fixed axes x, y, z, in this order, rad (REP 103).

    At a pitch of +-90 degrees only roll - yaw or roll + yaw is known: roll is 0 then.
    """
    x, y, z, w = q
    sine = 2.0 * (w * y - z * x)
    if abs(sine) > _NEARLY_PARALLEL:
        up = math.copysign(1.0, sine)
        yaw = math.remainder(-2.0 * up * math.atan2(x, w), math.tau)  # q and -q are the same
        return (0.0, up * math.pi / 2, yaw)
    return (
        math.atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y)),
        math.asin(sine),
        math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)),
    )
