"""ROS's launch, for launch files: their actions become a plan of this kit's launcher."""

from os import PathLike
from typing import Final

from dsmq_nodes.rclpy.launching.actions import Action, Condition, LaunchDescription, modules_in
from dsmq_nodes.rclpy.launching.launch_introspector import LaunchIntrospector
from dsmq_nodes.rclpy.launching.launch_service import LaunchService
from dsmq_nodes.rclpy.launching.substituting import Substitution
from dsmq_nodes.rclpy.launching.visiting import Visit as LaunchContext

LaunchDescriptionEntity = Action
SomeEntitiesType = Action | list[Action]
SomeEntitiesType_types_tuple: Final = (Action, list)
SomeSubstitutionsType = str | PathLike[str] | Substitution | list[str | Substitution]
SomeSubstitutionsType_types_tuple: Final = (str, PathLike, Substitution, list)

__all__ = [
    "Action",
    "Condition",
    "LaunchContext",
    "LaunchDescription",
    "LaunchDescriptionEntity",
    "LaunchIntrospector",
    "LaunchService",
    "SomeEntitiesType",
    "SomeEntitiesType_types_tuple",
    "SomeSubstitutionsType",
    "SomeSubstitutionsType_types_tuple",
    "Substitution",
]

__getattr__ = modules_in(__name__)
