"""Serves the transforms of /tf and /tf_static to `BufferClient`s, as tf2_ros's program does.

The action is `tf2_buffer_server`; the parameter `buffer_size` is the time that it keeps, s.
"""

import contextlib

from dsmq_nodes import rclpy
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.executors import ExternalShutdownException
from dsmq_nodes.rclpy.node import Node
from dsmq_nodes.rclpy.packages.tf2_ros import Buffer, BufferServer, TransformListener


def main() -> None:
    """Serve until a signal."""
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.init()
        node = Node("tf_buffer")
        kept_sec = node.declare_parameter("buffer_size", 120.0).value
        buffer = Buffer(Duration(seconds=kept_sec), node)
        TransformListener(buffer, node)
        BufferServer(buffer, node, "tf2_buffer_server")
        rclpy.spin(node)


if __name__ == "__main__":
    main()
