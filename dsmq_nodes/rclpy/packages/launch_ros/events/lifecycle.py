"""The events of lifecycle nodes."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.events.lifecycle_actions import ChangeState

__getattr__ = unknown_names("launch_ros.events.lifecycle")
