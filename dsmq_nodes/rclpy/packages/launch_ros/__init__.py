"""ROS's launch_ros, for launch files."""

from importlib import import_module
from typing import Any

_MODULES = frozenset(
    (
        "actions",
        "descriptions",
        "event_handlers",
        "events",
        "parameter_descriptions",
        "substitutions",
    )
)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'launch_ros' has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
