"""ROS's launch, for launch files: what they say becomes a plan of this kit's launcher."""

from importlib import import_module
from typing import Any

from dsmq_nodes.rclpy.launching.actions import Action, LaunchDescription
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

_MODULES = frozenset(
    (
        "actions",
        "conditions",
        "event_handlers",
        "events",
        "launch_description_sources",
        "substitutions",
    )
)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'launch' has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
