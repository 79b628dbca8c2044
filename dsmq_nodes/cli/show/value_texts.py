"""Makes messages from the YAML or JSON that a user gives."""

import json
import time
from typing import TYPE_CHECKING, Any

from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.parameters.yaml_source import parse
from dsmq_nodes.messages.model_class import outer_names
from dsmq_nodes.messages.schema.dynamic import check_names, encoded
from dsmq_nodes.messages.schema.schema_walk import Schema, as_mapping, walked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dsmq_nodes.messages.base import Message


def fields_of(values: str, type_name: str, fields: "Iterable[str]") -> dict[str, Any]:
    """Return the fields of a text; none if it is empty.

    Raises:
        CommandError: the text does not have fields.
        LaunchFileError: the text is not YAML; the error says where.
    """
    if not values.strip():
        return {}
    document = parse(values, "VALUES")
    if document.problems:
        raise LaunchFileError(document.file, document.problems)
    if not isinstance(document.data, dict):
        raise CommandError(
            f"the values are {document.data!r}, not fields: write them as '{{field: value}}'; "
            f"{type_name} has {', '.join(fields) or 'none'}"
        )
    return document.data


def _with_now(values: Any, schema: Schema) -> Any:
    """Return the values with each header "auto" and time "now" set to now, as in ros2."""
    now = dict(zip(("sec", "nanosec"), divmod(time.time_ns(), 10**9), strict=True))

    def filled(value: Any, found: Schema) -> Any:
        fields = as_mapping(found.get("properties")).keys()
        if value == "now" and fields == {"sec", "nanosec"}:
            return now
        if value == "auto" and fields == {"stamp", "frame_id"}:
            return {"stamp": now}
        return value

    return walked(values, schema, schema, filled)


def message_of(msg_type: "type[Message]", values: str) -> "Message":
    """Return the message with these values and defaults for the rest.

    Raises:
        CommandError: the text does not have fields, or has unknown ones.
        LaunchFileError: the text is not YAML; the error says where.
        MessageError: a value does not fit; the text says which.
    """
    given = fields_of(values, msg_type.type_name, outer_names(msg_type).values())
    check_names(given, msg_type.schema(), msg_type.type_name)
    return msg_type.from_dict(_with_now(given, msg_type.schema()))


def text_of(type_name: str, schema: dict[str, Any], values: str) -> str:
    """Return the message with these values as JSON, by its type's schema.

    Raises:
        CommandError: the text does not have fields, or a value does not fit; the text says which.
        LaunchFileError: the text is not YAML; the error says where.
    """
    given = fields_of(values, type_name, schema.get("properties", {}))
    return json_of(encoded(_with_now(given, schema), schema, type_name), type_name)


def json_of(message: Any, type_name: str) -> str:
    """Return a message as JSON; msgspec is not used, since it refuses integers beyond 64 bits.

    Raises:
        CommandError: JSON has no such value: NaN was given for a field of unknown type.
    """
    try:
        return json.dumps(message, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{type_name}: {error}") from None
