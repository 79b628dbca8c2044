"""The conditions of launch."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import (
    IfCondition,
    LaunchConfigurationEquals,
    LaunchConfigurationNotEquals,
    UnlessCondition,
    unknown,
)

__all__ = [
    "IfCondition",
    "LaunchConfigurationEquals",
    "LaunchConfigurationNotEquals",
    "UnlessCondition",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch.conditions.{name}")
