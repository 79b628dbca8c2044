"""ROS's tf2_ros on this kit's `tf`: buffers, listener and broadcasters for nodes of rclpy."""

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

__all__ = [
    "Buffer",
    "BufferClient",
    "BufferCore",
    "BufferInterface",
    "BufferServer",
    "ConnectivityException",
    "ConvertRegistration",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "NotImplementedException",
    "Stamped",
    "StaticTransformBroadcaster",
    "TimeoutException",
    "TransformBroadcaster",
    "TransformException",
    "TransformListener",
    "TransformRegistration",
    "TypeException",
    "convert",
]
