"""Times in messages, read from their texts."""

import math
from typing import Any

from dsmq_nodes.json_text import read_json


def time_in(text: str, *path: str) -> float | None:
    """Return the time at a path in a message, in seconds; None if there is none."""
    try:
        value = read_json(text)
        for step in path:
            value = value[step]
        found = float(value["sec"] + value["nanosec"] * 1e-9)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        return None
    return found if math.isfinite(found) else None


def has_header(schema: dict[str, Any]) -> bool:
    """Whether a type is known to have a header."""
    fields = schema.get("properties")
    return isinstance(fields, dict) and "header" in fields
