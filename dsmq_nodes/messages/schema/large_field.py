"""Finds the one large `bytes` field of a message, which is sent beside the JSON text."""

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGE_BYTES: Final = 1024  # the least size; smaller fields cost less as base64 in the text


@cache
def large_field(cls: "type[BaseModel]") -> str:
    """Return the name of the one `bytes` field that the text may omit, or "".

    A field that code of the user's own reads or writes stays in the text: the code is called then.
    """
    own = cls.__pydantic_decorators__
    validated = {name for each in own.field_validators.values() for name in each.info.fields}
    written = {name for each in own.field_serializers.values() for name in each.info.fields}
    own_names = validated | written
    is_pydantics = cls.model_post_init.__module__.startswith("pydantic.")
    is_made_by_own_code = cls.__pydantic_custom_init__ or not is_pydantics
    if own.model_validators or own.model_serializers or "*" in own_names or is_made_by_own_code:
        return ""
    names = [
        name
        for name, field in cls.model_fields.items()
        if field.annotation is bytes and not (field.is_required() or field.serialization_alias)
        if name not in own_names
        if not any(hasattr(each, "__get_pydantic_core_schema__") for each in field.metadata)
    ]
    return names[0] if len(names) == 1 else ""
