"""ROS's launch, for launch files: what they say becomes a plan of this kit's launcher."""

from dsmq_nodes.rclpy.launching.actions import Action, LaunchDescription
from dsmq_nodes.rclpy.launching.substituting import Substitution
from dsmq_nodes.rclpy.launching.visiting import Visit as LaunchContext

LaunchDescriptionEntity = Action

__all__ = [
    "Action",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "Substitution",
]
