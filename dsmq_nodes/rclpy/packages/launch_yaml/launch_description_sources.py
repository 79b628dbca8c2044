"""Launch files in YAML, by their paths."""

from dsmq_nodes.rclpy.packages.launch.launch_description_sources import YAMLLaunchDescriptionSource

__all__ = ["YAMLLaunchDescriptionSource"]
