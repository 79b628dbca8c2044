"""A message that carries its text: it is decoded when an executor takes it, not before.

The kit's publishers and subscriptions take a subclass of a message class whose instances hold the
JSON text (and apart from it one large field) as it goes over the wire.
"""

from functools import cache
from typing import Any

from dsmq_nodes import Message

Parts = tuple[str | bytes, str, Any]


@cache
def carrier_class(message_class: type[Message]) -> Any:
    """Return the class that carries texts of a message class."""
    body: dict[str, Any] = {
        "__module__": message_class.__module__,
        "__qualname__": message_class.__qualname__,
        "to_json": _to_json,
        "to_parts": _to_parts,
        "to_record": _to_record,
        "from_json": staticmethod(_from_json),
        "from_parts": staticmethod(_from_parts),
        "schema": classmethod(lambda _: message_class.schema()),
    }
    make: Any = type(message_class)
    name, type_name = message_class.__name__, message_class.type_name
    return make(name, (message_class,), body, type_name=type_name, defer_build=True)


def carry(cls: Any, parts: tuple[bytes, str, Any]) -> Any:
    """Return a message that carries these parts."""
    carried = object.__new__(cls)
    carried.__dict__["carried"] = parts
    return carried


def _to_json(self: Any) -> Any:
    """Return the whole message: over a socket nothing goes beside the text."""
    text, field, raw = self.__dict__["carried"]
    message_class: Any = type(self).__base__
    return message_class.from_parts(text, raw).to_json() if field else text.decode()


def _to_parts(self: Any) -> tuple[str, str, Any]:
    text, field, raw = self.__dict__["carried"]
    return text.decode(), field, raw


def _to_record(self: Any) -> Any:
    return self.__dict__["carried"]


# What a subscription receives is the parts themselves.


def _from_json(text: str | bytes) -> Parts:
    return text, "", b""


def _from_parts(text: str | bytes, raw: Any) -> Parts:
    return text, "raw", raw
