"""ROS's message classes: look-up by the name of a type, and the fields by rosidl."""

import importlib
import re
from typing import Any, Final

import msgspec
from rosidl_parser import definition as idl

from dsmq_nodes.errors import CommandError
from dsmq_nodes.graph.topics.type_check import schema_text
from dsmq_nodes.messages.schema.find import find_interface, find_type
from dsmq_nodes.messages.schema.ros_base import BASE64, base_schema

_encode: Final = msgspec.json.Encoder().encode
_is_type: Final = re.compile(r"[a-z]\w*/(msg|srv|action)/[A-Z]\w*", re.ASCII).fullmatch
BYTES: Final = frozenset({"uint8", "octet"})


class RosImportError(CommandError):
    """The Python package of a ROS type cannot be imported; the text names the package."""


def ros_class(type_name: str) -> Any:
    """Return the class of `std_msgs/msg/String`; also of the parts of services and actions.

    Raises:
        RosImportError: the package cannot be imported, or has no such type.
    """
    if not _is_type(type_name):  # the name comes from others: import nothing else
        raise RosImportError(f"{type_name!r} is no name of a ROS type, such as std_msgs/msg/String")
    package, kind, name = type_name.split("/")
    try:
        found = _part_of(importlib.import_module(f"{package}.{kind}"), kind, name)
    except (ImportError, AttributeError) as error:
        raise RosImportError(
            f"{type_name} cannot be imported ({error}): install the package {package} for this "
            "Python, or source the workspace that has it"
        ) from None
    if not hasattr(found, "__import_type_support__") and not hasattr(found, "_TYPE_SUPPORT"):
        raise RosImportError(f"{type_name} is no ROS type: {package} is another package here")
    return found


def _part_of(module: Any, kind: str, name: str) -> Any:
    base, _, part = name.rpartition("_")
    if kind == "srv" and part in {"Request", "Response"}:
        return getattr(getattr(module, base), part)
    if kind != "action" or not base:
        return getattr(module, name)
    if part in {"Request", "Response"}:
        return getattr(_part_of(module, kind, base), part)
    action = getattr(module, base)
    inner = {"SendGoal": "SendGoalService", "GetResult": "GetResultService"}
    if part in inner or part == "FeedbackMessage":
        return getattr(action.Impl, inner.get(part, part))
    return getattr(action, part)


def fields_of(cls: Any) -> list[tuple[str, Any]]:
    """Return the fields of a class: names, and rosidl's types."""
    return [*zip(cls.get_fields_and_field_types(), cls.SLOT_TYPES, strict=True)]


def class_of(kind: Any) -> Any:
    """Return the class of a field that is a message."""
    return ros_class("/".join(kind.namespaced_name()))


def is_bytes(kind: Any) -> bool:
    """Whether a type is `uint8[]` without a fixed length."""
    is_list = isinstance(kind, idl.UnboundedSequence | idl.BoundedSequence)
    return is_list and getattr(kind.value_type, "typename", "") == "uint8"


def schema_of(type_name: str, cls: Any) -> bytes:
    """Return the JSON Schema of a type as text: the kit's own if the kit has the type."""
    known = _known(type_name)
    return schema_text(known) if known is not None else _encode(_object_schema(cls))


def _known(type_name: str) -> Any:
    """Return the kit's class of a type or of a part of a service, or None."""
    whole, _, part = type_name.rpartition("_")
    try:
        if "/srv/" in type_name and part in {"Request", "Response"}:
            return getattr(find_interface(whole), part)
        return find_type(type_name) if "/msg/" in type_name else None
    except CommandError:
        return None


def _object_schema(cls: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _schema(kind) for name, kind in fields_of(cls)}}


def _schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, idl.NamespacedType):
        return _object_schema(class_of(kind))
    if not isinstance(kind, idl.AbstractNestedType):
        return base_schema(getattr(kind, "typename", "string"))
    if getattr(kind.value_type, "typename", "") in BYTES:
        return BASE64
    sizes: dict[str, Any] = {}
    if isinstance(kind, idl.Array):
        sizes = {"minItems": kind.size, "maxItems": kind.size}
    elif isinstance(kind, idl.BoundedSequence):
        sizes = {"maxItems": kind.maximum_size}
    return {"type": "array", "items": _schema(kind.value_type), **sizes}
