"""ROS's launch, for launch files: what they say becomes a plan of this kit's launcher."""

from dsmq_nodes.rclpy.launching.actions import Action, LaunchDescription, modules_in
from dsmq_nodes.rclpy.launching.launch_introspector import LaunchIntrospector
from dsmq_nodes.rclpy.launching.launch_service import LaunchService
from dsmq_nodes.rclpy.launching.substituting import Substitution
from dsmq_nodes.rclpy.launching.visiting import Visit as LaunchContext

LaunchDescriptionEntity = Action

__all__ = [
    "Action",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "LaunchIntrospector",
    "LaunchService",
    "Substitution",
]

__getattr__ = modules_in(
    __name__,
    "actions",
    "conditions",
    "event_handlers",
    "events",
    "launch_description_sources",
    "substitutions",
)
