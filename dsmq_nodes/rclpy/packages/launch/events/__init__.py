"""The events of launch: `Shutdown`, and the functions that choose the node of an event."""

from importlib import import_module
from typing import Any

from dsmq_nodes.rclpy.launching.actions import Shutdown, unknown
from dsmq_nodes.rclpy.launching.events.lifecycle_actions import matches_action

__all__ = ["Shutdown", "matches_action"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if name == "process":
        return import_module(f"{__name__}.process")
    return unknown(f"launch.events.{name}")
