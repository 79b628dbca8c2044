"""The event handlers of launch_ros."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.events.lifecycle_actions import OnStateTransition

__getattr__ = unknown_names("launch_ros.event_handlers")
