"""What launch_ros has for nodes in one process; it is not known here."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import unknown
from dsmq_nodes.rclpy.launching.node_actions import ParameterFile, ParameterValue

__all__ = ["ParameterFile", "ParameterValue"]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch_ros.descriptions.{name}")
