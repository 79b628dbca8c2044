"""ROS's tf2_geometry_msgs on this kit's `tf`: messages of geometry_msgs moved to another frame."""

from typing import Any, Final

from dsmq_nodes.rclpy.impl.interface_named import interface_from
from dsmq_nodes.rclpy.packages.tf2_geometry_msgs.tf2_geometry_msgs import (
    do_transform_point,
    do_transform_polygon_stamped,
    do_transform_pose,
    do_transform_pose_stamped,
    do_transform_pose_with_covariance_stamped,
    do_transform_vector3,
    do_transform_wrench,
    from_msg_msg,
    to_msg_msg,
    transform_covariance,
)

_NAMES: Final = (
    *("Point", "Point32", "PointStamped", "PolygonStamped", "Pose", "PoseStamped"),
    *("PoseWithCovarianceStamped", "TransformStamped", "Vector3Stamped", "WrenchStamped"),
)
_MESSAGES: Final = {name: f"geometry_msgs/msg/{name}" for name in _NAMES}


def __getattr__(name: str) -> Any:
    """Return a message that programs import from here."""
    return interface_from(__name__, _MESSAGES, name)
