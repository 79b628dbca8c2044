"""JSON Schema of a message type: only its fields and how they nest."""

from enum import Enum
from functools import cache
from typing import Any

import pybase64
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault
from pydantic_core import core_schema
from typing_extensions import override

from dsmq_nodes.messages.schema.ros_base import number_or_text
from dsmq_nodes.messages.schema.schema_walk import MADE_BY_READERS


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
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        if "default_factory" not in schema:
            return found
        made = found.get("default")
        # A number or a text may be of this second or this process.
        if isinstance(made, str | int | float) or not ("default" in found or _is_message(schema)):
            found.pop("default", None)
            found[MADE_BY_READERS] = True
        elif made == [0] * found.get("minItems", 0):
            del found["default"]  # as dynamic.py fills in each list; all have a factory (fields.py)
        return found

    @override
    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory: Any = schema.get("default_factory")
        if factory is None:
            return super().get_default_value(schema)
        try:
            first, second = factory(), factory()
        except Exception:  # noqa: BLE001  of the user's own, which may need the other fields
            return NoDefault
        if first != second or (_is_message(schema) and not first.model_fields_set):
            return NoDefault  # of this moment; or what the message's own schema says
        return first

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


def _is_message(schema: core_schema.WithDefaultSchema) -> bool:
    return schema["schema"]["type"] in {"model", "definition-ref"}


def _as_json(value: object) -> object:
    """Return a default in a message's JSON form: bytes as base64, NaN and infinity as texts."""
    if isinstance(value, float):
        return number_or_text(value)
    if isinstance(value, bytes):
        return pybase64.b64encode_as_string(value)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_computed_fields=True)
    if isinstance(value, dict):
        return {key: _as_json(inner) for key, inner in value.items()}
    return [_as_json(inner) for inner in value] if isinstance(value, list | tuple) else value


@cache
def json_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a message type; fields without a default are in `required`."""
    return cls.model_json_schema(schema_generator=_Structure)
