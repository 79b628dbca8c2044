"""Hashes of types; this middleware has none."""

from dsmq_nodes.rclpy.impl.checked_slot import EqualBySlots, checked_slot

_SIZE_BYTES = 32


class TypeHash(EqualBySlots):
    """A hash of a type's definition; without a version it is unknown."""

    __slots__ = ["_value", "_version"]

    def __init__(self, version: int = -1, value: bytes = bytes(_SIZE_BYTES)) -> None:
        self.version = version
        self.value = value

    version = checked_slot("_version", int, "The version of the algorithm; -1: there is no hash.")
    value = checked_slot("_value", bytes, "The 32 bytes of the hash.")

    def __str__(self) -> str:
        if self.version <= 0 or len(self.value) != _SIZE_BYTES:
            return "INVALID"
        return f"RIHS{self.version:02}_{self.value.hex()}"
