"""Parameters as rcl_interfaces has them; its types are loaded when somebody asks for them."""

import math
from typing import Any, Final

from dsmq_nodes.graph.parameters.parameter import Parameter, ParameterKind
from dsmq_nodes.messages.rcl_interfaces import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterValue,
)
from dsmq_nodes.messages.rcl_interfaces import Parameter as ParameterMessage

_FIELDS: Final = {
    ParameterKind.BOOL: "bool_value",
    ParameterKind.INTEGER: "integer_value",
    ParameterKind.DOUBLE: "double_value",
    ParameterKind.STRING: "string_value",
    ParameterKind.BYTE_ARRAY: "byte_array_value",
    ParameterKind.BOOL_ARRAY: "bool_array_value",
    ParameterKind.INTEGER_ARRAY: "integer_array_value",
    ParameterKind.DOUBLE_ARRAY: "double_array_value",
    ParameterKind.STRING_ARRAY: "string_array_value",
}
_BYTES_FORMATS: Final = frozenset({"binary", "base64url"})  # pydantic's
_LARGEST: Final = 2**63 - 1
_TYPES: Final = {
    "boolean": ParameterKind.BOOL,
    "integer": ParameterKind.INTEGER,
    "number": ParameterKind.DOUBLE,
    "string": ParameterKind.STRING,
}
_ARRAY_TYPES: Final = {
    "boolean": ParameterKind.BOOL_ARRAY,
    "integer": ParameterKind.INTEGER_ARRAY,
    "number": ParameterKind.DOUBLE_ARRAY,
    "string": ParameterKind.STRING_ARRAY,
}


def to_value(parameter: Parameter) -> ParameterValue:
    """A parameter's value as a message."""
    if parameter.type_ is ParameterKind.NOT_SET:
        return ParameterValue()
    value: Any = parameter.value
    if parameter.type_ is ParameterKind.BYTE_ARRAY:
        value = bytes(value)  # it may be [], of what nobody has said
    return ParameterValue(type=int(parameter.type_), **{_FIELDS[parameter.type_]: value})


def to_message(parameter: Parameter) -> ParameterMessage:
    """A parameter as a message."""
    return ParameterMessage(name=parameter.name, value=to_value(parameter))


def from_message(msg: ParameterMessage) -> Parameter:
    """The parameter that a message holds.

    Raises:
        TypeError: its type is not one of them.
    """
    try:
        kind = ParameterKind(msg.value.type)
    except ValueError:
        raise TypeError(f"{msg.name}: there is no parameter type {msg.value.type}") from None
    value = None if kind is ParameterKind.NOT_SET else getattr(msg.value, _FIELDS[kind])
    return Parameter(msg.name, kind, value)


def describe_field(name: str, schema: dict[str, Any], *, read_only: bool) -> ParameterDescriptor:
    """What a field of a parameters' model is, from its JSON Schema."""
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
        least = -_LARGEST - 1 if low is None else math.ceil(low) + ("minimum" not in schema)
        most = _LARGEST if high is None else math.floor(high) - ("maximum" not in schema)
        found.integer_range = [IntegerRange(from_value=least, to_value=most, step=int(step))]
    found.additional_constraints = ", ".join(_further(schema, found))
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


def _further(schema: dict[str, Any], found: ParameterDescriptor) -> list[str]:
    """What a range cannot say, in words."""
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
