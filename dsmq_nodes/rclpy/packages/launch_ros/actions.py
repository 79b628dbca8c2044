"""The actions of launch_ros; one that is not known is told when the file is visited."""

from typing import Any

from dsmq_nodes.rclpy.launching.actions import TimerAction, unknown
from dsmq_nodes.rclpy.launching.lifecycle_actions import LifecycleNode, LifecycleTransition
from dsmq_nodes.rclpy.launching.node_actions import (
    Node,
    PushRosNamespace,
    SetParameter,
    SetParametersFromFile,
    SetRemap,
    SetUseSimTime,
)

PushROSNamespace = PushRosNamespace
RosTimer = TimerAction

__all__ = [
    "LifecycleNode",
    "LifecycleTransition",
    "Node",
    "PushROSNamespace",
    "PushRosNamespace",
    "RosTimer",
    "SetParameter",
    "SetParametersFromFile",
    "SetRemap",
    "SetUseSimTime",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return unknown(f"launch_ros.actions.{name}")
