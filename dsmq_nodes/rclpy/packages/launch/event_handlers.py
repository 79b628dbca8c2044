"""The event handlers of launch."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.events.event_handlers import (
    OnExecutionComplete,
    OnProcessExit,
    OnProcessIO,
    OnProcessStart,
    OnShutdown,
)

__getattr__ = unknown_names("launch.event_handlers")
