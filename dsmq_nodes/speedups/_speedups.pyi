# The compiled part as type checkers see it.
from typing import Any

VERSION: int

class Plan:
    """How messages of one type become JSON text and are made from it."""

    depth: int
    def __new__(
        cls,
        message_type: type[Any],
        fields: tuple[tuple[str, str, Plan | None, bool, int, int, int, int], ...],
        slots: tuple[Any, ...],
        /,
    ) -> Plan: ...
    def dump(self, message: Any, /) -> bytes | None: ...
    def load(self, text: str | bytes, /) -> Any: ...
