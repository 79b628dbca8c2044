"""`LaunchDescription`."""

from dsmq_nodes.rclpy.launching.actions import LaunchDescription

__all__ = ["LaunchDescription"]
