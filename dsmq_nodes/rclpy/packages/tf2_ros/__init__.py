"""ROS's tf2_ros on this kit's `tf`: buffers, listener and broadcasters for nodes of rclpy.

Programs also import what its modules import: messages, and names of rclpy.
"""

from typing import Any, Final

from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.impl.interface_named import interface_from
from dsmq_nodes.rclpy.node import Node
from dsmq_nodes.rclpy.packages.tf2_py import (
    BufferCore,
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TimeoutException,
    TransformException,
)
from dsmq_nodes.rclpy.packages.tf2_ros.buffer import Buffer
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_client import BufferClient
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_interface import (
    BufferInterface,
    ConvertRegistration,
    NotImplementedException,
    Stamped,
    TransformRegistration,
    TypeException,
    convert,
)
from dsmq_nodes.rclpy.packages.tf2_ros.buffer_server import BufferServer
from dsmq_nodes.rclpy.packages.tf2_ros.static_transform_broadcaster import (
    StaticTransformBroadcaster,
)
from dsmq_nodes.rclpy.packages.tf2_ros.transform_broadcaster import TransformBroadcaster
from dsmq_nodes.rclpy.packages.tf2_ros.transform_listener import TransformListener
from dsmq_nodes.rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from dsmq_nodes.rclpy.time import Time

_INTERFACES: Final = {
    "FrameGraph": "tf2_msgs/srv/FrameGraph",
    "Header": "std_msgs/msg/Header",
    "LookupTransform": "tf2_msgs/action/LookupTransform",
    "PointCloud2": "sensor_msgs/msg/PointCloud2",
    "PointStamped": "geometry_msgs/msg/PointStamped",
    "PoseStamped": "geometry_msgs/msg/PoseStamped",
    "PoseWithCovarianceStamped": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "TFMessage": "tf2_msgs/msg/TFMessage",
    "TransformStamped": "geometry_msgs/msg/TransformStamped",
    "Vector3Stamped": "geometry_msgs/msg/Vector3Stamped",
}


def __getattr__(name: str) -> Any:
    return interface_from(__name__, _INTERFACES, name)
