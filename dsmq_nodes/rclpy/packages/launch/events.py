"""The events of launch: `Shutdown`."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import Shutdown, unknown

__all__ = ["Shutdown"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch.events.{name}")
