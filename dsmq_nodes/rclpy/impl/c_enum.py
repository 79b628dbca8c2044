"""The enumerations of rclpy's C side: numbers that are printed by their names."""

from enum import EnumType, IntEnum

from typing_extensions import override

from dsmq_nodes.rclpy.impl.c_errors import C_MODULE


class CEnumType(EnumType):
    """Makes an enumeration look like one of the C side."""

    @override
    def __repr__(cls) -> str:
        return f"<class '{C_MODULE}.{cls.__name__}'>"


class CEnum(IntEnum, metaclass=CEnumType):
    """A number of C with a name."""

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self.name}"
