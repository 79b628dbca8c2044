"""The event handlers of launch_ros."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import unknown
from dsmq_nodes.rclpy.launching.lifecycle_actions import OnStateTransition

__all__ = ["OnStateTransition"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch_ros.event_handlers.{name}")
