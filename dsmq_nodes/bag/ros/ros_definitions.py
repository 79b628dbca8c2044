"""ROS's types from definitions in .msg files, in the form of rosbags."""

import re
from typing import Any, Final

from rosbags.interfaces import Nodetype
from rosbags.typesys.base import make_typesdict
from rosbags.typesys.msg import MSGParser

from dsmq_nodes.bag.ros.ros_values import PADDING
from dsmq_nodes.messages.base import Message
from dsmq_nodes.messages.schema.definition import message_definition
from dsmq_nodes.messages.schema.interface_folders import definition_in_folders
from dsmq_nodes.messages.schema.interface_text import FieldType

_WIDE_LIMIT: Final = re.compile(r"\bwstring<=\d+")
_ANNOTATIONS: Final = re.compile(r"(?:\s*@\w+(?:\s*\([^)]*\))?)+")
_MEMBER: Final = re.compile(
    r"\s*(?P<type>[A-Za-z][\w/]*(?:<=\d+)?(?:\[(?:<=)?\d*\])?)"
    r"\s+(?P<name>[A-Za-z]\w*)\s*(?P<is_constant>=?)"
)


class _AnyNames(MSGParser):
    """A parser that allows names as `My_Pkg` and `x__y_`, as ROS 1 did and ROS 2 does not."""

    PackageName = MessageName = FieldName = r"[A-Za-z]\w*"


def fields_alone(text: str) -> str:
    """Return a definition without constants, defaults and annotations.

    Messages do not contain these, and the library cannot read all valid ones, as
    `string VERSION=1.2.3`.
    """
    return "\n".join(map(_field_alone, text.removeprefix("\ufeff").split("\n")))


def _field_alone(line: str) -> str:
    line = _ANNOTATIONS.sub("", line.rstrip(), count=1) if line.lstrip()[:1] == "@" else line
    member = _MEMBER.match(line)
    if member is None:  # a comment, the begin of the next definition, or an invalid line
        return line.rstrip()
    return "" if member["is_constant"] else f"{member['type']} {member['name']}"


def types_of_text(text: str, name: str, *, is_one: bool = False) -> dict[str, Any]:
    """Return the types in a definition of ROS 2, or (`is_one`) of ROS 1."""
    text = _WIDE_LIMIT.sub("wstring", text)
    found = make_typesdict(_AnyNames(f"MSG: {name}\n{text}").specification())
    empty = [] if is_one else [(PADDING, (Nodetype.BASE, ("uint8", 0)))]
    return {
        each: (constants, [(field, _with_wide(node)) for field, node in fields] or empty)
        for each, (constants, fields) in found.items()
    }


def _with_wide(node: Any) -> Any:
    """Return a field's kind, corrected: the library takes a wide text in a .msg for a message."""
    kind, detail = node
    if kind in {Nodetype.ARRAY, Nodetype.SEQUENCE}:
        return kind, (_with_wide(detail[0]), detail[1])
    is_wide = kind == Nodetype.NAME and detail.endswith("/wstring")
    return (Nodetype.BASE, ("wstring", 0)) if is_wide else node


def item_of(node: Any) -> Any:
    """Return the kind of a field, or of its items if it is an array or a sequence."""
    kind, detail = node
    return detail[0] if kind in {Nodetype.ARRAY, Nodetype.SEQUENCE} else node


def has_wide(types: dict[str, Any], name: str) -> bool:
    """Whether a type contains a wide text, which the library cannot read.

    Raises:
        KeyError: a type that it contains is missing.
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
    """Register a user's type and its fields' types in a store of ROS 2, or (`is_one`) ROS 1."""
    for inner in _parts(cls):
        if inner.type_name not in store.fielddefs:
            register_class(store, inner, is_one=is_one)
    if cls.type_name not in store.fielddefs:
        message_definition(cls)  # raises if ROS lacks the type of a field, and names the field
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


def types_in_packages(name: str, known: dict[str, Any]) -> dict[str, Any]:
    """A type and those in its fields, by the `.msg` files of the packages that are seen from here.

    Args:
        name: the type's name.
        known: types that need no file.

    Raises:
        MessageError: a file cannot be read; the text has its path.
    """
    found: dict[str, Any] = {}
    pending = [name]
    while pending:
        if (each := pending.pop()) in found or each in known:
            continue
        definition = definition_in_folders(each) if "/msg/" in each else None
        if definition is not None:
            fields = (f"{_type_text(inner.type)} {inner.name}" for inner in definition.fields)
            found |= types_of_text("\n".join(fields), each)
            pending += [inner.type.base for inner in definition.fields if inner.type.is_message]
    return found


def _type_text(kind: FieldType) -> str:
    text = kind.base.replace("/msg/", "/")
    text += "" if kind.text_limit is None else f"<={kind.text_limit}"
    if not kind.is_list:
        return text
    return f"{text}[{'' if kind.size is None else kind.size}]"  # a limit changes no byte
