"""JSON Schema of a message type: what its fields are and how they nest, nothing else."""

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from typing_extensions import override

if TYPE_CHECKING:
    from pydantic_core import core_schema

    from dsmq_nodes.messages.base import Message


class _Structure(GenerateJsonSchema):
    """Leaves out what does not change the meaning of a message, so that two types compare."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    @override
    def bytes_schema(self, schema: "core_schema.BytesSchema") -> JsonSchemaValue:
        return {"type": "string", "contentEncoding": "base64"}

    @override
    def model_schema(self, schema: "core_schema.ModelSchema") -> JsonSchemaValue:
        # Receivers ignore fields they do not know, so no "additionalProperties": false.
        dropped = ("title", "description", "additionalProperties")
        found = super().model_schema(schema)
        return {key: value for key, value in found.items() if key not in dropped}


@cache
def json_schema(cls: type["Message"]) -> dict[str, Any]:
    """Return the JSON Schema of a message type; fields without a default are in `required`."""
    return cls.model_json_schema(schema_generator=_Structure)
