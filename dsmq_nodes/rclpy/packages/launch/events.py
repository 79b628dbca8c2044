"""The events of launch: `Shutdown`, and which node an event is for."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import Shutdown, unknown
from dsmq_nodes.rclpy.launching.lifecycle_actions import matches_action

__all__ = ["Shutdown", "matches_action"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch.events.{name}")
