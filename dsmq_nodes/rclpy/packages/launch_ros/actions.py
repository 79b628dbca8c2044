"""The actions of launch_ros; an unknown one is reported when the file is visited."""

from dsmq_nodes.rclpy.launching.actions import TimerAction, unknown_names
from dsmq_nodes.rclpy.launching.events.lifecycle_actions import LifecycleNode, LifecycleTransition
from dsmq_nodes.rclpy.launching.node_actions import (
    Node,
    PushRosNamespace,
    SetParameter,
    SetParametersFromFile,
    SetRemap,
    SetROSLogDir,
    SetUseSimTime,
)

PushROSNamespace = PushRosNamespace
ROSTimer = RosTimer = TimerAction

__all__ = [
    "LifecycleNode",
    "LifecycleTransition",
    "Node",
    "PushROSNamespace",
    "PushRosNamespace",
    "ROSTimer",
    "RosTimer",
    "SetParameter",
    "SetParametersFromFile",
    "SetROSLogDir",
    "SetRemap",
    "SetUseSimTime",
]


__getattr__ = unknown_names("launch_ros.actions")
