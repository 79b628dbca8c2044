"""The events of launch: `Shutdown`, and the functions that choose the node of an event."""

from dsmq_nodes.rclpy.launching.actions import Shutdown, unknown_names
from dsmq_nodes.rclpy.launching.events.lifecycle_actions import matches_action

__getattr__ = unknown_names("launch.events", "process")
