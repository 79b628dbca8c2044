"""The enumerations of rclpy's C side: numbers that are printed by their names."""

from enum import IntEnum


class CEnum(IntEnum):
    """A number of C with a name."""

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
