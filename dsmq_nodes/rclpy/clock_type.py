"""The kinds of clocks."""

from enum import IntEnum


class ClockType(IntEnum):
    """Whose time it is."""

    UNINITIALIZED = 0
    ROS_TIME = 1
    SYSTEM_TIME = 2
    STEADY_TIME = 3

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
