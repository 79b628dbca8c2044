"""The event handlers of launch."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import OnProcessExit, OnProcessStart, unknown

__all__ = ["OnProcessExit", "OnProcessStart"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch.event_handlers.{name}")
