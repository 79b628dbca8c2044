# The compiled part as type checkers see it.
from typing import Any

VERSION: int

class Plan:
    """How messages of one type become JSON text and are made from it."""

    def __new__(
        cls,
        message_type: type[Any],
        fields: tuple[tuple[Any, ...], ...],
        slots: tuple[Any, ...],
        /,
    ) -> Plan: ...
    def fill(self, message: Any, fields: dict[str, Any], /) -> bool: ...
    def dump(self, message: Any, /) -> bytes | None: ...
    def load(self, text: str | bytes, /) -> Any: ...
