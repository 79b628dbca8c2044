"""The conditions of launch."""

from dsmq_nodes.rclpy.launching.actions import (
    IfCondition,
    LaunchConfigurationEquals,
    LaunchConfigurationNotEquals,
    UnlessCondition,
    unknown_names,
)

__getattr__ = unknown_names("launch.conditions")
