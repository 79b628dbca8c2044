"""ROS's types from definitions in .msg files, as rosbags holds them."""

import re
from typing import Any, Final

from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_msg

from dsmq_nodes.bag.ros.ros_values import PADDING
from dsmq_nodes.messages.base import Message

_WIDE_LIMIT: Final = re.compile(r"\bwstring<=\d+")


def types_of_text(text: str, name: str, *, is_one: bool = False) -> dict[str, Any]:
    """The types in a definition of ROS 2, or of ROS 1."""
    found = get_types_from_msg(_WIDE_LIMIT.sub("wstring", text), name)
    empty = [] if is_one else [(PADDING, (Nodetype.BASE, ("uint8", 0)))]
    return {
        each: (constants, [(field, _with_wide(node)) for field, node in fields] or empty)
        for each, (constants, fields) in found.items()
    }


def _with_wide(node: Any) -> Any:
    """The kind of a field; the library takes a wide text in a .msg file for a message."""
    kind, detail = node
    if kind in {Nodetype.ARRAY, Nodetype.SEQUENCE}:
        return kind, (_with_wide(detail[0]), detail[1])
    is_wide = kind == Nodetype.NAME and detail.endswith("/wstring")
    return (Nodetype.BASE, ("wstring", 0)) if is_wide else node


def item_of(node: Any) -> Any:
    """The kind of what is in a field: of an item, where it is an array or a sequence."""
    kind, detail = node
    return detail[0] if kind in {Nodetype.ARRAY, Nodetype.SEQUENCE} else node


def has_wide(types: dict[str, Any], name: str) -> bool:
    """Whether there is a wide text in a type; the library does not read these.

    Raises:
        KeyError: a type in it is missing.
    """
    seen, pending = set[str](), [name]
    while pending:
        seen.add(name := pending.pop())
        for _, node in types[name][1]:
            item = item_of(node)
            if item[0] == Nodetype.NAME and item[1] not in seen:
                pending.append(item[1])
            elif item[1][0] == "wstring":
                return True
    return False


def register_class(store: Any, cls: type[Message], *, is_one: bool = False) -> None:
    """Register a user's type and the types of its fields, in a store of ROS 2, or of ROS 1."""
    for inner in _parts(cls):
        if inner.type_name not in store.fielddefs:
            register_class(store, inner, is_one=is_one)
    if cls.type_name not in store.fielddefs:
        store.register(types_of_text(cls.definition(), cls.type_name, is_one=is_one))


def _parts(cls: type[Message]) -> list[type[Message]]:
    found: list[type[Message]] = []
    for info in cls.model_fields.values():
        pending: list[Any] = [info.annotation]
        while pending:
            each = pending.pop()
            pending += getattr(each, "__args__", ())
            if isinstance(each, type) and issubclass(each, Message):
                found.append(each)
    return found
