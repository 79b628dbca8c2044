"""Descriptors of a model's parameters, as rcl_interfaces has them."""

import math
from typing import Any, Final

from dsmq_nodes.graph.parameters.parameter import INTEGERS, Parameter, ParameterKind
from dsmq_nodes.messages.rcl_interfaces import FloatingPointRange, IntegerRange, ParameterDescriptor

_BYTES_FORMATS: Final = frozenset({"binary", "base64url"})  # pydantic's
_TYPES: Final = {
    "boolean": ParameterKind.BOOL,
    "integer": ParameterKind.INTEGER,
    "number": ParameterKind.DOUBLE,
    "string": ParameterKind.STRING,
}
_ARRAY_TYPES: Final = {word: ParameterKind[f"{kind.name}_ARRAY"] for word, kind in _TYPES.items()}


def describe_declared(
    parameter: Parameter, given: ParameterDescriptor | None, *, read_only: bool
) -> ParameterDescriptor:
    """Return a declared parameter's descriptor, as the node gave it, with its current type."""
    found = given or ParameterDescriptor(read_only=read_only)
    return found.model_copy(update={"name": parameter.name, "type": int(parameter.type_)})


def describe_field(name: str, schema: dict[str, Any], *, read_only: bool) -> ParameterDescriptor:
    """Return the descriptor of a model's field, from its JSON Schema."""
    found = ParameterDescriptor(
        name=name, description=schema.get("description", ""), read_only=read_only
    )
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    found.dynamic_typing = "anyOf" in schema  # it may also be unset
    if len(options) == 1:
        schema = {**schema, **options[0]}
    found.type = int(_type_of(schema))
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf", 0)
    limited = low is not None or high is not None or step
    if limited and found.type == ParameterKind.DOUBLE:
        found.floating_point_range = [
            FloatingPointRange(
                from_value=-math.inf if low is None else float(low),
                to_value=math.inf if high is None else float(high),
                step=float(step),
            )
        ]
    elif limited and found.type == ParameterKind.INTEGER:
        least = INTEGERS[0] if low is None else math.ceil(low) + ("minimum" not in schema)
        most = INTEGERS[-1] if high is None else math.floor(high) - ("maximum" not in schema)
        found.integer_range = [IntegerRange(from_value=least, to_value=most, step=int(step))]
    found.additional_constraints = ", ".join(_other_constraints(schema, found))
    return found


def _type_of(schema: dict[str, Any]) -> ParameterKind:
    kind = schema.get("type")
    if schema.get("format") in _BYTES_FORMATS:
        return ParameterKind.BYTE_ARRAY
    if kind is None and "enum" in schema:
        return ParameterKind.from_parameter_value(schema["enum"][0])
    if kind is None and "const" in schema:
        return ParameterKind.from_parameter_value(schema["const"])
    if kind == "array":
        items: dict[str, Any] = schema.get("items") or next(iter(schema.get("prefixItems", ())), {})
        return _ARRAY_TYPES.get(str(items.get("type")), ParameterKind.NOT_SET)
    return _TYPES.get(str(kind), ParameterKind.NOT_SET)


def _other_constraints(schema: dict[str, Any], found: ParameterDescriptor) -> list[str]:
    """Return constraints other than a range, in words."""
    words = []
    if "enum" in schema:
        words.append("one of " + ", ".join(map(repr, schema["enum"])))
    if found.type == ParameterKind.DOUBLE:
        if "exclusiveMinimum" in schema:
            words.append(f"more than {schema['exclusiveMinimum']:g}")
        if "exclusiveMaximum" in schema:
            words.append(f"less than {schema['exclusiveMaximum']:g}")
    for key, text in (
        ("pattern", "matches {!r}"),
        ("minLength", "at least {} characters"),
        ("maxLength", "at most {} characters"),
        ("minItems", "at least {} items"),
        ("maxItems", "at most {} items"),
    ):
        if key in schema:
            words.append(text.format(schema[key]))
    return words
