"""The events of launch_ros."""

from importlib import import_module
from typing import Any

from dsmq_nodes.rclpy.launching.actions import unknown

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    if name == "lifecycle":
        return import_module(f"{__name__}.lifecycle")
    return unknown(f"launch_ros.events.{name}")
