"""Handles messages by the JSON Schema of their publisher, without a class of their type.

On the wire bytes are base64, and NaN and infinity are texts, as the schema says; users read and
write ROS 2's form. A schema comes from another process: values that it does not describe stay as
they are.
"""

import base64
import binascii
import contextlib
import math
from typing import Any, Final

from dsmq_nodes.errors import CommandError
from dsmq_nodes.messages.schema.ros_base import NON_FINITE, number_or_text
from dsmq_nodes.messages.schema.schema_walk import (
    DEEPEST,
    MADE_BY_READERS,
    Schema,
    alternative,
    as_mapping,
    field_schemas,
    item_schemas,
    kinds,
    resolved,
    walked,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.suggest import did_you_mean

_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}
_LONGEST_DEFAULT: Final = 10_000
_MOST_DEFAULTS: Final = 10_000
_EMPTY: Final[dict[str, Any]] = {"string": "", "boolean": False, "integer": 0, "number": 0.0}


def decoded(value: Any, schema: Schema) -> Any:
    """Return a received value in ROS 2's form: bytes as integers, NaN and infinity as floats."""
    return walked(value, schema, schema, lambda part, found: _ros_form(part, found, schema))


def without_special(value: Any, schema: Schema) -> Any:
    """Return a received value in standard JSON: null for NaN and infinity.

    A text "NaN" stays where the schema says text.
    """

    def leaf(part: Any, found: Schema) -> Any:
        if isinstance(part, float):
            return part if math.isfinite(part) else None
        return None if part in NON_FINITE and "string" not in kinds(found, schema) else part

    return walked(value, schema, schema, leaf)


def _ros_form(value: Any, schema: Schema, root: Schema) -> Any:
    if isinstance(value, float):
        return value
    if schema.get("contentEncoding") == "base64":
        try:
            return list(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            return value
    is_number = "number" in (names := kinds(schema, root)) and "string" not in names
    return NON_FINITE.get(value, value) if is_number else value


def encoded(values: Any, schema: Schema, what: str) -> Any:
    """Return a message for the wire from a user's values; missing fields have their defaults.

    Raises:
        CommandError: a value does not fit; the text begins with `what` and names the field.
    """
    return _encoded(values, schema, schema, what, "")


def check_names(values: Any, schema: Schema, what: str) -> None:
    """Check that every field that a user gave exists in the message type.

    Raises:
        CommandError: a field does not exist; the text begins with `what` and names the nearest.
    """
    _check_names(values, schema, schema, what, "")


def _check_names(value: Any, schema: object, root: Schema, what: str, field: str) -> None:
    found = resolved(root, schema)
    if isinstance(value, dict) and "properties" in found and "additionalProperties" not in found:
        fields, prefix = as_mapping(found["properties"]), f"{field}." if field else ""
        _check_fields_known(value, fields, f"{what}: {prefix}")
        for name, each in value.items():
            _check_names(each, fields[name], root, what, f"{prefix}{name}")
    elif isinstance(value, list):
        for at, each in enumerate(value):
            _check_names(each, found.get("items"), root, what, f"{field}[{at}]")


def _check_fields_known(value: dict[str, Any], fields: Schema, where: str) -> None:
    for name in value:
        if name not in fields:
            key, colon, rest = str(name).partition(":")
            hint = f"write '{key}: {rest}', with a space" if colon else did_you_mean(key, fields)
            raise CommandError(one_line(f"{where}{name}: there is no such field; {hint}"))


def _encoded(value: Any, schema: object, root: Schema, what: str, field: str) -> Any:
    found = resolved(root, schema)
    names = kinds(found, root)
    if isinstance(value, dict) and "object" in names:
        return _object(value, alternative(found, "object", root, value), root, what, field)
    if isinstance(value, list) and "array" in names:
        array = alternative(found, "array", root)
        if _are_right_numbers(value, array, root):
            return value
        items = item_schemas(array, len(value))
        return [
            _encoded(each, item, root, what, f"{field}[{at}]")
            for at, (each, item) in enumerate(zip(value, items, strict=True))
        ]
    if isinstance(value, list) and found.get("contentEncoding") == "base64":
        return _bytes(value, what, field)
    if isinstance(value, str) and "number" in names and "string" not in names:
        value = NON_FINITE.get(value, value)
    _check(value, found, names, f"{what}: {field}: " if field else f"{what}: ")
    return number_or_text(value) if isinstance(value, float) else value


def _are_right_numbers(values: list[Any], array: Schema, root: Schema) -> bool:
    """Whether all items are numbers that stay as they are.

    It is found without a call for each: a map has a million, and they would take some seconds.
    """
    item = resolved(root, array.get("items"))
    names = kinds(item, root)
    allowed = {int, float} if "number" in names else {int} if "integer" in names else set()
    if not values or "prefixItems" in array or not set(map(type, values)) <= allowed:
        return False
    low, high = _limits(item)
    with contextlib.suppress(OverflowError):
        return math.isfinite(sum(values)) and low <= min(values) and max(values) <= high
    return False


def _object(value: dict[str, Any], schema: Schema, root: Schema, what: str, field: str) -> Any:
    fields, prefix = field_schemas(schema, value), f"{field}." if field else ""
    _check_fields_known(value, fields, f"{what}: {prefix}")
    return {
        name: _encoded(value[name], inner, root, what, f"{prefix}{name}")
        if name in value
        else _default(inner, root, 0)
        for name, inner in fields.items()
        if name in value or MADE_BY_READERS not in as_mapping(inner)
    }


def _bytes(value: list[Any], what: str, field: str) -> str:
    try:
        return base64.b64encode(bytes(value)).decode()
    except (TypeError, ValueError):
        raise CommandError(f"{what}: {field}: bytes are integers of 0 to 255") from None


def _check(value: Any, schema: Schema, names: list[str], where: str) -> None:
    wanted = [kind for name in names if (kind := _KINDS.get(name))]
    fits = [isinstance(value, kind) for kind in wanted]
    wrong_bool = isinstance(value, bool) and "boolean" not in names
    if wanted and (wrong_bool or not any(fits)):
        raise CommandError(one_line(f"{where}expects {' or '.join(names)}, got {value!r:.60}"))
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = _limits(schema)
        is_limited = (low, high) != (-math.inf, math.inf)
        if not low <= value <= high and (is_limited or not math.isnan(value)):
            raise CommandError(one_line(f"{where}expects {low} to {high}, got {value!r:.60}"))


def _limits(schema: Schema) -> tuple[float, float]:
    return _limit(schema, "minimum", -math.inf), _limit(schema, "maximum", math.inf)


def _limit(schema: Schema, name: str, default: float) -> float:
    value = schema.get(name)
    return value if isinstance(value, int | float) else default


def written(value: Any, schema: Schema, type_name: str) -> str:
    """Return a message in ros2's form: `geometry_msgs.msg.Point(x=0.0, y=0.0, z=0.0)`.

    An inner message has only its class name: a schema does not contain the package.
    """
    return _written(value, schema, schema, type_name.replace("/", "."))


def _written(value: Any, schema: object, root: Schema, name: str) -> str:
    reference = as_mapping(schema).get("$ref")
    if isinstance(reference, str):
        name = reference.rpartition("/")[2]
    found = resolved(root, schema)
    if isinstance(value, dict):
        inside = field_schemas(alternative(found, "object", root, value), value)
        inner = [f"{one_line(k)}={_written(v, inside.get(k), root, '')}" for k, v in value.items()]
        return f"{one_line(name)}({', '.join(inner)})"
    if isinstance(value, list):
        items = item_schemas(alternative(found, "array", root), len(value))
        inner = [_written(v, item, root, "") for v, item in zip(value, items, strict=True)]
        return f"[{', '.join(inner)}]"
    return repr(value)


def _default(schema: object, root: Schema, depth: int, left: list[int] | None = None) -> Any:
    """Return the default of a field; for a required field the zero value of its type.

    Types that contain each other may describe an endless value: `left` counts the allowed parts.
    """
    left = [_MOST_DEFAULTS] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        raise CommandError(f"the default value of a field has more than {_MOST_DEFAULTS} parts")
    own = as_mapping(schema)
    found = resolved(root, schema)
    for each in (own, found):
        if "default" in each:
            return each["default"]
    names = kinds(found, root)
    if "object" in names and depth < DEEPEST:
        fields = as_mapping(alternative(found, "object", root).get("properties"))
        return {
            name: _default(inner, root, depth + 1, left)
            for name, inner in fields.items()
            if MADE_BY_READERS not in as_mapping(inner)
        }
    if "array" in names and depth < DEEPEST:
        least = found.get("minItems", 0)
        length = least if isinstance(least, int) and least < _LONGEST_DEFAULT else 0
        return [_default(found.get("items"), root, depth + 1, left)] * length
    return next((_EMPTY[name] for name in names if name in _EMPTY), None)
