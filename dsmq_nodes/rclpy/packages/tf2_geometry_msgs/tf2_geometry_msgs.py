"""The functions, registered with `tf2_ros` for `Buffer.transform`."""

from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes import tf
from dsmq_nodes.rclpy.interfaces import class_named, from_ros, to_ros
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import (
    ConvertRegistration,
    TransformRegistration,
)


def to_msg_msg(msg: Any) -> Any:
    """Return a message as it is."""
    return msg


def from_msg_msg(msg: Any) -> Any:
    """Return a message as it is."""
    return msg


def do_transform_point(point: Any, transform: Any) -> Any:
    """Return a PointStamped in another frame."""
    return to_ros(tf.do_transform_point(_ours(point), _ours(transform)))


def do_transform_vector3(vector3: Any, transform: Any) -> Any:
    """Return a Vector3Stamped in another frame: turned, not moved."""
    return to_ros(tf.do_transform_vector3(_ours(vector3), _ours(transform)))


def do_transform_pose(pose: Any, transform: Any) -> Any:
    """Return a Pose in another frame."""
    return to_ros(tf.do_transform_pose(_ours(pose), _ours(transform)))


def do_transform_pose_stamped(pose: Any, transform: Any) -> Any:
    """Return a PoseStamped in another frame."""
    return to_ros(tf.do_transform_pose_stamped(_ours(pose), _ours(transform)))


def do_transform_pose_with_covariance_stamped(pose: Any, transform: Any) -> Any:
    """Return a PoseWithCovarianceStamped in another frame."""
    moved = tf.do_transform_pose_with_covariance_stamped(_ours(pose), _ours(transform))
    return to_ros(moved)


def do_transform_wrench(wrench: Any, transform: Any) -> Any:
    """Return a WrenchStamped in another frame: force and torque are turned."""
    vector = class_named("geometry_msgs/msg/Vector3Stamped")
    turned = class_named("geometry_msgs/msg/WrenchStamped")()
    for part in ("force", "torque"):
        value = vector(vector=getattr(wrench.wrench, part))
        setattr(turned.wrench, part, do_transform_vector3(value, transform).vector)
    turned.header = transform.header
    return turned


def do_transform_polygon_stamped(polygon: Any, transform: Any) -> Any:
    """Return a PolygonStamped in another frame."""
    kind = class_named("geometry_msgs/msg/PointStamped")
    moved = class_named("geometry_msgs/msg/PolygonStamped")(header=transform.header)
    corner = class_named("geometry_msgs/msg/Point32")
    for each in polygon.polygon.points:
        point = kind()
        point.point.x, point.point.y, point.point.z = each.x, each.y, each.z
        found = do_transform_point(point, transform).point
        moved.polygon.points.append(corner(x=found.x, y=found.y, z=found.z))
    return moved


def transform_covariance(cov_in: Any, transform: Any) -> Any:
    """Return the covariance of a pose, 36 numbers, in another frame."""
    pose = class_named("geometry_msgs/msg/PoseWithCovarianceStamped")()
    pose.pose.covariance = cov_in
    return do_transform_pose_with_covariance_stamped(pose, transform).pose.covariance


def _ours(message: Any) -> Any:
    return from_ros(message)


_FUNCTIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "PointStamped": do_transform_point,
    "Vector3Stamped": do_transform_vector3,
    "PoseStamped": do_transform_pose_stamped,
    "PoseWithCovarianceStamped": do_transform_pose_with_covariance_stamped,
    "WrenchStamped": do_transform_wrench,
    "PolygonStamped": do_transform_polygon_stamped,
}
for _name, _function in _FUNCTIONS.items():
    _class = class_named(f"geometry_msgs/msg/{_name}")
    TransformRegistration().add(_class, _function)
    ConvertRegistration().add_to_msg(_class, to_msg_msg)
    ConvertRegistration().add_from_msg(_class, from_msg_msg)
