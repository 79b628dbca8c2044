"""The actions of launch_ros; an unknown one is reported when the file is visited."""

from dsmq_nodes.rclpy.launching.actions import TimerAction as RosTimer
from dsmq_nodes.rclpy.launching.actions import unknown_names
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
ROSTimer = RosTimer

__getattr__ = unknown_names("launch_ros.actions")
