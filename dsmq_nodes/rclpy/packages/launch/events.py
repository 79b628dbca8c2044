"""The events of launch: `Shutdown`, and which node an event is for."""

from dsmq_nodes.rclpy.launching.actions import Shutdown, unknown_names
from dsmq_nodes.rclpy.launching.lifecycle_actions import matches_action

__all__ = ["Shutdown", "matches_action"]


__getattr__ = unknown_names("launch.events")
