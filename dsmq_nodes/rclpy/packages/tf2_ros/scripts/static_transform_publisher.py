"""Publishes one transform that holds at all times, with the arguments of tf2_ros's program.

Angles in rad, lengths in m. The arguments are options, or as in earlier releases of ROS 2:
`X Y Z YAW PITCH ROLL FRAME CHILD`, or `X Y Z QX QY QZ QW FRAME CHILD`.
"""

import argparse
import contextlib
import math
import sys
from typing import Any

from dsmq_nodes import rclpy
from dsmq_nodes.rclpy.executors import ExternalShutdownException
from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.node import Node
from dsmq_nodes.rclpy.packages.tf2_ros import StaticTransformBroadcaster
from dsmq_nodes.rclpy.utilities import remove_ros_args

_LENGTHS = ("x", "y", "z")
_ANGLES = ("yaw", "pitch", "roll")
_QUATERNION = ("qx", "qy", "qz", "qw")
_FRAMES = ("frame-id", "child-frame-id")


def read(words: list[str]) -> argparse.Namespace:
    """Return the options; a number that is not given is 0."""
    for names in (_LENGTHS + _ANGLES + _FRAMES, _LENGTHS + _QUATERNION + _FRAMES):
        if len(words) == len(names) and not any(word.startswith("--") for word in words):
            words = [f"--{name}={word}" for name, word in zip(names, words, strict=True)]
            break
    parser = argparse.ArgumentParser("static_transform_publisher", description=__doc__)
    for name in _LENGTHS + _ANGLES + _QUATERNION:
        parser.add_argument(f"--{name}", type=float)
    for name in _FRAMES:
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args(words)
    angles, quaternion = (
        [getattr(given, each) for each in names] for names in (_ANGLES, _QUATERNION)
    )
    if any(each is not None for each in angles) and any(each is not None for each in quaternion):
        parser.error("give roll, pitch and yaw, or a quaternion, not both")
    return given


def rotation(given: argparse.Namespace) -> dict[str, float]:
    """Return the unit quaternion x, y, z, w; about fixed axes: first roll, then pitch, then yaw."""
    numbers = [getattr(given, name) for name in _QUATERNION]
    if any(each is not None for each in numbers):
        x, y, z, w = (each or 0.0 for each in numbers)
        length = math.hypot(x, y, z, w)
        if not length:
            raise SystemExit("static_transform_publisher: a quaternion of length 0 is no rotation")
        return {"x": x / length, "y": y / length, "z": z / length, "w": w / length}
    half = [(getattr(given, name) or 0.0) / 2 for name in ("roll", "pitch", "yaw")]
    (sr, sp, sy), (cr, cp, cy) = map(math.sin, half), map(math.cos, half)
    return {
        "x": sr * cp * cy - cr * sp * sy,
        "y": cr * sp * cy + sr * cp * sy,
        "z": cr * cp * sy - sr * sp * cy,
        "w": cr * cp * cy + sr * sp * sy,
    }


def main() -> None:
    """Publish until a signal."""
    given = read(remove_ros_args(sys.argv)[1:])
    stamped: Any = class_named("geometry_msgs/msg/TransformStamped")()
    stamped.header.frame_id, stamped.child_frame_id = given.frame_id, given.child_frame_id
    for name in _LENGTHS:
        setattr(stamped.transform.translation, name, getattr(given, name) or 0.0)
    for name, value in rotation(given).items():
        setattr(stamped.transform.rotation, name, value)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.init()
        node = Node("static_transform_publisher")
        stamped.header.stamp = node.get_clock().now().to_msg()
        StaticTransformBroadcaster(node).sendTransform(stamped)
        where = f"{given.child_frame_id!r} in {given.frame_id!r}"
        node.get_logger().info(f"publishing the transform of {where}")
        rclpy.spin(node)


if __name__ == "__main__":
    main()
