"""Hashes of types; this middleware has none."""

_SIZE_BYTES = 32


class TypeHash:
    """A hash of a type's definition; without a version it is unknown."""

    __slots__ = ["_value", "_version"]

    def __init__(self, version: int = -1, value: bytes = bytes(_SIZE_BYTES)) -> None:
        self.version = version
        self.value = value

    @property
    def version(self) -> int:
        """The version of the algorithm; -1: there is no hash."""
        return self._version

    @version.setter
    def version(self, value: int) -> None:
        assert isinstance(value, int)
        self._version = value

    @property
    def value(self) -> bytes:
        """The 32 bytes of the hash."""
        return self._value

    @value.setter
    def value(self, value: bytes) -> None:
        assert isinstance(value, bytes)
        self._value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypeHash):
            return False
        return (self._version, self._value) == (other.version, other.value)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        if self._version <= 0 or len(self._value) != _SIZE_BYTES:
            return "INVALID"
        return f"RIHS{self._version:02}_{self._value.hex()}"
