"""Parses ROS 2's `.msg`, `.srv` and `.action` texts into definitions.

A line is `TYPE NAME`, `TYPE NAME DEFAULT` or `TYPE NAME=VALUE` (a constant); `#` begins a comment.
A line `---` separates the parts of a service (request, response) and of an action (goal, result,
feedback). The comment above the first line describes the type; a comment beside or above a field
describes the field.
"""

import ast
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.ros_base import INTEGERS

PARTS: Final = {
    "msg": ("",),
    "srv": ("Request", "Response"),
    "action": ("Goal", "Result", "Feedback"),
}

BASES: Final = {*INTEGERS, "bool", "byte", "char", "float32", "float64", "string", "wstring"}
_ROS1_TIMES: Final = {"time", "duration"}
# `re` compiles the patterns when the first text is read.
_TYPE: Final = (
    r"(?P<base>[A-Za-z][\w/]*)(?:<=(?P<text>\d+))?(?P<list>\[(?P<limit><=)?(?P<size>\d*)\])?"
)
_LINE: Final = r"(?P<type>[A-Za-z][\w/]*(?:<=\d+)?(?:\[(?:<=)?\d*\])?)\s+(?P<rest>.+)"
_CONSTANT: Final = r"(?P<name>[A-Za-z]\w*)\s*=\s*(?P<value>.*)"
_FIELD: Final = r"(?P<name>[A-Za-z]\w*)(?:\s+(?P<value>.+))?"


class FieldType(msgspec.Struct, frozen=True):
    """The type of a field, such as `string<=22[<=3]`.

    Attributes:
        base: one of `BASES`, or the whole name of a message type: `std_msgs/msg/Header`.
        text_limit: the most characters of a text; None without a limit.
        is_list: whether it is an array or a sequence.
        size: the number of items of an array; None of a sequence.
        limit: the most items of a sequence; None without a limit.
    """

    base: str
    text_limit: int | None = None
    is_list: bool = False
    size: int | None = None
    limit: int | None = None

    @property
    def is_message(self) -> bool:
        """Whether the base is a message type."""
        return "/" in self.base


class MessageField(msgspec.Struct, frozen=True):
    """A field of a message; `default` is None when the text gives none."""

    name: str
    type: FieldType
    default: Any = None
    comment: str = ""


class MessageConstant(msgspec.Struct, frozen=True):
    """A constant of a message."""

    name: str
    base: str
    value: Any
    comment: str = ""


class MessageDefinition(msgspec.Struct, frozen=True):
    """A message type: `std_msgs/msg/Header`, or `std_srvs/srv/Empty_Request` of a service."""

    type_name: str
    fields: tuple[MessageField, ...] = ()
    constants: tuple[MessageConstant, ...] = ()
    comment: str = ""


def read_interface(text: str, type_name: str) -> list[MessageDefinition]:
    """Return the messages of a text: one for `.msg`, two for `.srv`, three for `.action`.

    Args:
        text: the file's content.
        type_name: its whole name, as `std_srvs/srv/SetBool`.

    Raises:
        MessageError: a line cannot be parsed; the text names the line.
    """
    kind = type_name.split("/")[1]
    parts = re.split(r"^---[^\S\n]*$", text, flags=re.MULTILINE)
    names = PARTS[kind]
    if len(parts) != len(names):
        wanted = f"{len(names) - 1} lines of ---" if len(names) > 1 else "no line of ---"
        raise MessageError(f"{type_name}: .{kind} has {wanted}, not {len(parts) - 1}")
    found, line = [], 1
    for name, part in zip(names, parts, strict=True):
        found.append(_message(part, f"{type_name}_{name}" if name else type_name, line))
        line += part.count("\n")
    return found


def _message(text: str, type_name: str, first_line: int) -> MessageDefinition:
    package = type_name.split("/", maxsplit=1)[0]
    fields: list[MessageField] = []
    constants: list[MessageConstant] = []
    above: list[str] = []
    comment = ""
    for number, line in enumerate(text.splitlines(), first_line):
        code, beside = _without_comment(line)
        if not code:
            if beside:
                above.append(beside)
            elif above and not (fields or constants or comment):
                comment, above = "\n".join(above), []
            else:
                above = []
            continue
        description = beside or "\n".join(above)
        above = []
        try:
            made = _member(code, package, description)
        except (ValueError, SyntaxError) as error:
            raise MessageError(f"{type_name}: line {number}: {error}: {line.strip()!r}") from None
        if isinstance(made, MessageField):
            fields.append(made)
        elif made is not None:
            constants.append(made)
    _check_names(type_name, [each.name for each in fields])
    return MessageDefinition(type_name, tuple(fields), tuple(constants), comment)


def _without_comment(line: str) -> tuple[str, str]:
    """Return a line's code and its comment; a # in quotes does not begin a comment."""
    quote = ""
    for at, char in enumerate(line):
        if quote:
            quote = "" if char == quote and line[at - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char == "#":
            return line[:at].strip(), line[at + 1 :].strip()
    if quote and "#" in line:  # an apostrophe in a text without quotes
        code, _, comment = line.partition("#")
        return code.strip(), comment.strip()
    return line.strip(), ""


def _check_names(type_name: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MessageError(f"{type_name}: there are two fields {twice[0]!r}")


def _member(code: str, package: str, comment: str) -> MessageField | MessageConstant | None:
    while code.startswith("@"):  # an annotation, as @optional or @key
        code = code.partition(" ")[2].strip()
        if not code:
            return None
    matched = re.fullmatch(_LINE, code)
    if matched is None:
        raise ValueError("not a line of TYPE NAME")
    kind = read_type(matched["type"], package)
    constant = re.fullmatch(_CONSTANT, matched["rest"])
    if constant and not kind.is_list:
        value = _literal(constant["value"].strip(), kind)
        return MessageConstant(constant["name"], kind.base, value, comment)
    named = re.fullmatch(_FIELD, matched["rest"])
    if named is None:
        raise ValueError("not a line of TYPE NAME")
    default = None if named["value"] is None else _default(named["value"].strip(), kind)
    return MessageField(named["name"], kind, default, comment)


def read_type(text: str, package: str) -> FieldType:
    """Parse the type of a field; a message type without a package belongs to `package`.

    Raises:
        ValueError: the text is no type.
    """
    matched = re.fullmatch(_TYPE, text)
    if matched is None:
        raise ValueError(f"{text!r} is no type")
    base = _base(matched["base"], package)
    limit = matched["text"]
    if limit and base not in {"string", "wstring"}:
        raise ValueError(f"<= is a limit of texts, not of {base}")
    text_limit = int(limit) if limit else None
    if not matched["list"]:
        return FieldType(base, text_limit)
    size = int(matched["size"]) if matched["size"] else None
    if matched["limit"]:
        return FieldType(base, text_limit, is_list=True, limit=size)
    return FieldType(base, text_limit, is_list=True, size=size)


def _base(name: str, package: str) -> str:
    if name in BASES:
        return name
    if name == "Header" and package != "std_msgs":
        return "std_msgs/msg/Header"
    if name in _ROS1_TIMES:
        return f"builtin_interfaces/msg/{name.capitalize()}"
    parts = name.split("/")
    if len(parts) == 1:
        return f"{package}/msg/{name}"
    return f"{parts[0]}/msg/{parts[1]}" if len(parts) == 2 else name


def _default(text: str, kind: FieldType) -> Any:
    if kind.is_message:
        raise ValueError("a field with a message has no default of its own")
    if not kind.is_list:
        return _literal(text, kind)
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError("a default of a list is written [1, 2]")
    return [_literal(each, kind) for each in _items(text[1:-1])]


def _items(text: str) -> Iterator[str]:
    """Yield the items of a list, cut at commas outside of quotes."""
    for matched in re.finditer(r"\s*(\"(?:\\.|[^\"])*\"|'(?:\\.|[^'])*'|[^,]+)\s*(?:,|$)", text):
        if each := matched[1].strip():
            yield each


def _literal(text: str, kind: FieldType) -> Any:
    base = kind.base
    if base in {"string", "wstring"}:
        return _text(text)
    if base == "bool":
        value = {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        if value is None:
            raise ValueError(f"{text!r} is neither true nor false")
        return value
    if base.startswith("float"):
        return float(text)
    if kind.is_message:
        raise ValueError(f"a constant is no {base}")
    try:
        number = int(text) if text.lstrip("+-").isdigit() else int(text, 0)
    except ValueError:
        raise ValueError(f"{text!r} is no {base}") from None
    low, high = INTEGERS.get(base, (0, 255))
    if not low <= number <= high:
        raise ValueError(f"{number} is no {base}: that is {low} to {high}")
    return number


def _text(text: str) -> str:
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if not is_quoted:
        return text
    try:
        return str(ast.literal_eval(text))
    except (SyntaxError, ValueError):
        return text[1:-1]
