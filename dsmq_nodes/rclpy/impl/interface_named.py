"""The interfaces that rclpy itself speaks, by their names in ROS."""

from functools import cache
from typing import Any

from dsmq_nodes.rclpy.interfaces import action_named, class_named, service_named


@cache
def interface(name: str) -> Any:
    """Return the class of a message, service or action: `rcl_interfaces/msg/Parameter`."""
    kind = name.split("/")[1]
    if kind == "msg" or "_" in name.rpartition("/")[2]:
        return class_named(name)
    return service_named(name) if kind == "srv" else action_named(name)


def interface_from(module: str, names: dict[str, str], name: str) -> Any:
    """Return the interface that a module has under its own name for it; for its `__getattr__`.

    Raises:
        AttributeError: it has none of this name.
    """
    if name not in names:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return interface(names[name])
