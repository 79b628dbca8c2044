"""The private attributes of rclpy's Node that programs read, as `self._logger`."""

from collections.abc import Callable
from typing import Any


class InnerAttribute:
    """Reads a node's attribute; a subclass that sets the name has an attribute of its own.

    In rclpy it would overwrite the node's: only timers in its own `self._timers` would be spun.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __get__(self, node: Any, _owner: Any = None) -> Any:
        return self if node is None else self._read(node)
