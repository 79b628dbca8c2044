"""The functions, registered with `tf2_ros` for `Buffer.transform`."""

from typing import Any, Final

import numpy as np
from numpy.lib.recfunctions import structured_to_unstructured, unstructured_to_structured

from dsmq_nodes.rclpy.interfaces import class_named
from dsmq_nodes.rclpy.packages.sensor_msgs_py.point_cloud2 import create_cloud, read_points
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import (
    ConvertRegistration,
    TransformRegistration,
)

_XYZ: Final = ["x", "y", "z"]


def to_msg_msg(msg: Any) -> Any:
    """Return a message as it is."""
    return msg


def from_msg_msg(msg: Any) -> Any:
    """Return a message as it is."""
    return msg


def transform_points(point_cloud: Any, transform: Any) -> Any:
    """Return an array of n points, n by 3, turned and moved by a Transform."""
    moved = transform.translation
    return point_cloud @ _rotation(transform.rotation).T + np.array([moved.x, moved.y, moved.z])


def do_transform_cloud(cloud: Any, transform: Any) -> Any:
    """Return a PointCloud2 moved by a Transform; a TransformStamped gives it its frame too.

    Raises:
        AssertionError: the cloud has not the fields x, y and z.
    """
    header = class_named("std_msgs/msg/Header")(
        stamp=cloud.header.stamp, frame_id=cloud.header.frame_id
    )
    if hasattr(transform, "transform"):
        header.frame_id = transform.header.frame_id
        transform = transform.transform
    names = {field.name for field in cloud.fields}
    if not names.issuperset(_XYZ):
        raise AssertionError("Point cloud needs the fields x, y, and z for the transformation")
    points = read_points(cloud)
    moved = transform_points(structured_to_unstructured(points[_XYZ]), transform)
    if len(names) > len(_XYZ):
        points = points.copy()
        points[_XYZ] = unstructured_to_structured(moved, names=_XYZ)
    else:
        points = moved
    return create_cloud(header, cloud.fields, points)


def _rotation(quaternion: Any) -> Any:
    """Return the matrix of a quaternion of any length; one of zeros does not turn."""
    q = np.array([quaternion.x, quaternion.y, quaternion.z, quaternion.w])
    norm = q @ q
    if norm < np.finfo(np.float64).eps:
        return np.eye(3)
    x, y, z, w = q
    turned = [
        [y * y + z * z, z * w - x * y, -x * z - y * w],
        [-x * y - z * w, x * x + z * z, x * w - y * z],
        [y * w - x * z, -y * z - x * w, x * x + y * y],
    ]
    return np.eye(3) - 2.0 / norm * np.array(turned)


_CLOUD: Final = class_named("sensor_msgs/msg/PointCloud2")
TransformRegistration().add(_CLOUD, do_transform_cloud)
ConvertRegistration().add_to_msg(_CLOUD, to_msg_msg)
ConvertRegistration().add_from_msg(_CLOUD, from_msg_msg)
