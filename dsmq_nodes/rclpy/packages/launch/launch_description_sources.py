"""Launch files by their paths; the file's name shows its kind."""

from dsmq_nodes.rclpy.launching.including import LaunchSource

PythonLaunchDescriptionSource = LaunchSource
AnyLaunchDescriptionSource = LaunchSource
FrontendLaunchDescriptionSource = LaunchSource
XMLLaunchDescriptionSource = LaunchSource
YAMLLaunchDescriptionSource = LaunchSource

__all__ = [
    "AnyLaunchDescriptionSource",
    "FrontendLaunchDescriptionSource",
    "PythonLaunchDescriptionSource",
    "XMLLaunchDescriptionSource",
    "YAMLLaunchDescriptionSource",
]
