"""A message in two parts: its JSON text, and the bytes of its one large field."""

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGE_BYTES: Final = 1024  # of a field; smaller ones cost less as base64 in the text


@cache
def large_field(cls: "type[BaseModel]") -> str:
    """The name of a message type's one `bytes` field that may be left out of the text, or ""."""
    names = [
        name
        for name, field in cls.model_fields.items()
        if field.annotation is bytes and not (field.is_required() or field.serialization_alias)
    ]
    return names[0] if len(names) == 1 else ""
