"""Launch files by their paths; of which kind one is, its name says."""

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
