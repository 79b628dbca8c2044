"""Launch files in XML, by their paths."""

from dsmq_nodes.rclpy.packages.launch.launch_description_sources import XMLLaunchDescriptionSource

__all__ = ["XMLLaunchDescriptionSource"]
