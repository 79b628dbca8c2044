"""The events of lifecycle nodes."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import unknown
from dsmq_nodes.rclpy.launching.lifecycle_actions import ChangeState

__all__ = ["ChangeState"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch_ros.events.lifecycle.{name}")
