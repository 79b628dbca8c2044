"""The substitutions of launch_ros."""

from dsmq_nodes.rclpy.launching.actions import unknown_names
from dsmq_nodes.rclpy.launching.package_substitutions import (
    ExecutableInPackage,
    FindPackagePrefix,
    FindPackageShare,
)
from dsmq_nodes.rclpy.launching.scopes import Parameter

__getattr__ = unknown_names("launch_ros.substitutions")
