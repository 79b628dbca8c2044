"""The substitutions of launch_ros."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import unknown
from dsmq_nodes.rclpy.launching.node_actions import ExecutableInPackage
from dsmq_nodes.rclpy.launching.substituting import FindPackageShare

__all__ = ["ExecutableInPackage", "FindPackageShare"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch_ros.substitutions.{name}")
