"""The event handlers of launch."""

from dsmq_nodes.rclpy.launching.actions import (
    OnExecutionComplete,
    OnProcessExit,
    OnProcessStart,
    unknown_names,
)

__all__ = ["OnExecutionComplete", "OnProcessExit", "OnProcessStart"]


__getattr__ = unknown_names("launch.event_handlers")
