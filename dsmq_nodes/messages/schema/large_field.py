"""Finds the one large `bytes` field of a message, which is sent beside the JSON text."""

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGE_BYTES: Final = 1024  # the least size; smaller fields cost less as base64 in the text


@cache
def large_field(cls: "type[BaseModel]") -> str:
    """Return the name of the one `bytes` field that the text may omit, or ""."""
    names = [
        name
        for name, field in cls.model_fields.items()
        if field.annotation is bytes and not (field.is_required() or field.serialization_alias)
    ]
    return names[0] if len(names) == 1 else ""
