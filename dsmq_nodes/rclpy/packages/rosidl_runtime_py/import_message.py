"""Imports an interface's class by its type."""

from importlib import import_module
from typing import Any


def import_message_from_namespaced_type(message_type: Any) -> Any:
    """Return the class of a `rosidl_parser.definition.NamespacedType`.

    Raises:
        ModuleNotFoundError: there is no such package, or it has none of this kind.
        AttributeError: the package has no such interface.
        ValueError: the name has no package.
    """
    return getattr(import_module(".".join(message_type.namespaces)), message_type.name)
