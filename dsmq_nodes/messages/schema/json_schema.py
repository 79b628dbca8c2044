"""JSON Schema of a message type: only its fields and how they nest."""

from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

import pybase64
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from typing_extensions import override

from dsmq_nodes.messages.schema.ros_base import number_or_text

if TYPE_CHECKING:
    from pydantic import BaseModel


class _Structure(GenerateJsonSchema):
    """Omits what has no meaning for messages, so that schemas of equal types are equal."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        return {"type": "string"}  # fields.py adds how it writes those of messages

    @override
    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        # A member of an enumeration is expected as its value, too (fields.py).
        values = [each.value if isinstance(each, Enum) else each for each in schema["expected"]]
        unequal = {(type(each), each): each for each in values}
        return super().literal_schema(core_schema.literal_schema([*unequal.values()]))

    @override
    def handle_invalid_for_json_schema(
        self, schema: core_schema.CoreSchema, error_info: str
    ) -> JsonSchemaValue:
        return {}  # a class that a serializer of the user's own writes, in any form

    @override
    def encode_default(self, dft: Any) -> Any:
        if dft is None or isinstance(dft, str | int | float):
            return _as_json(dft)  # pydantic would make an adapter each time: a third of all time
        return super().encode_default(_as_json(dft))

    @override
    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        # Receivers ignore unknown fields, so there is no "additionalProperties": false.
        dropped = ("title", "description", "additionalProperties")
        found = super().model_schema(schema)
        return {key: value for key, value in found.items() if key not in dropped}


def _as_json(value: object) -> object:
    """Return a default in a message's JSON form: bytes as base64, NaN and infinity as texts."""
    if isinstance(value, float):
        return number_or_text(value)
    if isinstance(value, bytes):
        return pybase64.b64encode_as_string(value)
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    return [_as_json(inner) for inner in value] if isinstance(value, list | tuple) else value


@cache
def json_schema(cls: type["BaseModel"]) -> dict[str, Any]:
    """Return the JSON Schema of a message type; fields without a default are in `required`."""
    return cls.model_json_schema(schema_generator=_Structure)
