"""The private attributes of rclpy's Node that programs read, as `self._logger`."""

from collections.abc import Callable
from typing import Any


class InnerAttribute:
    """Reads what the node has; a subclass that sets the name has one of its own.

    In rclpy it overwrites the node's: timers that it keeps in `self._timers` are all that is spun.
    """

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __get__(self, node: Any, _owner: Any = None) -> Any:
        return self if node is None else self._read(node)
