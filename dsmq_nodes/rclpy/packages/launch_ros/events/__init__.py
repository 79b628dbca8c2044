"""The events of launch_ros."""

from dsmq_nodes.rclpy.launching.actions import unknown_names

__all__: list[str] = []


__getattr__ = unknown_names("launch_ros.events", "lifecycle")
