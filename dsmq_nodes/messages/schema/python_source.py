"""Writes ROS interfaces as a Python module of classes: `dsmq-nodes interface import`."""

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.messages.schema.find import find_interface
from dsmq_nodes.messages.schema.from_definition import (
    annotation_text,
    attribute_of,
    default_text,
    short_name,
    value_text,
)
from dsmq_nodes.messages.schema.interface_text import (
    PARTS,
    FieldType,
    MessageDefinition,
    MessageField,
)

_BASES: Final = {"msg": "Message", "srv": "Service", "action": "Action"}
_FIELDS: Final = ("byte", "char", "float32", "float64", "int8", "int16", "int32", "int64", "uint8")
_ALL_FIELDS: Final = (*_FIELDS, "uint16", "uint32", "uint64", "Ros")
_TAKEN: Final = frozenset((*_BASES.values(), "Annotated", "ClassVar", "Field", "Ros"))
_WIDTH: Final = 100
_INDENT: Final = "    "


@dataclass
class Interface:
    """A message, a service or an action, with its messages.

    Attributes:
        type_name: `std_srvs/srv/SetBool`.
        messages: one for a message, two for a service, three for an action.
    """

    type_name: str
    messages: list[MessageDefinition]

    @property
    def kind(self) -> str:
        """The kind: msg, srv or action."""
        return self.type_name.split("/")[1]

    @property
    def used_types(self) -> set[str]:
        """The names of the message types that its fields use."""
        fields = (each for message in self.messages for each in message.fields)
        return {each.type.base for each in fields if each.type.is_message}


@dataclass
class PythonModule:
    """A Python module of interfaces.

    Attributes:
        text: the source.
        missing: imported packages that are neither in the module nor in this kit.
    """

    text: str
    missing: list[str] = field(default_factory=list)


def python_module(interfaces: list[Interface], module: str, doc: str) -> PythonModule:
    """Return the source of a module with these interfaces.

    Args:
        interfaces: the interfaces of the module, in any order.
        module: the name to import it by; types of a package of that name need no `type_name`.
        doc: its docstring.

    Raises:
        MessageError: a type cannot be written as a class; the text says why.
    """
    return _Writer(interfaces, module).module(doc)


class _Writer:
    def __init__(self, interfaces: list[Interface], module: str) -> None:
        self._interfaces = _in_order(interfaces)
        self._module = module
        self._names: dict[str, str] = {}
        self._imports: dict[str, set[str]] = {}
        self._missing: set[str] = set()
        for each in self._interfaces:
            self._names[each.type_name] = self._free_name(each)

    def _free_name(self, interface: Interface) -> str:
        name = short_name(interface.type_name)
        is_free = name not in _TAKEN | set(self._names.values())
        return name if is_free else f"{name}{interface.kind.title()}"

    def module(self, doc: str) -> PythonModule:
        classes = ["\n".join(self._interface(each)) for each in self._interfaces]
        body = "\n\n\n".join(classes)
        self._import_fields(body)
        names = ", ".join(json.dumps(self._names[each.type_name]) for each in self._interfaces)
        everything = _wrapped("__all__ = [", names, "]")
        head = [f'"""{doc}"""', "", *self._import_lines(), "", everything]
        return PythonModule("\n".join(head) + f"\n\n\n{body}\n", sorted(self._missing))

    def _import_fields(self, body: str) -> None:
        words = set(body.replace("[", " ").replace("]", " ").replace(",", " ").split())
        words |= {each.partition("(")[0] for each in words}
        fields = {each for each in _ALL_FIELDS if each in words}
        if fields:
            self._imports.setdefault("dsmq_nodes.messages.fields", set()).update(fields)
        bases = {_BASES[each.kind] for each in self._interfaces} | {"Message"}
        self._imports.setdefault("dsmq_nodes.messages", set()).update(bases)
        if "Field" in words:
            self._imports["pydantic"] = {"Field"}
        typing: set[str] = {each for each in ("Annotated", "ClassVar") if each in words}
        if typing:
            self._imports["typing"] = typing

    def _import_lines(self) -> list[str]:
        groups: dict[int, list[str]] = {}
        for module in sorted(self._imports):
            rank = {"typing": 0, "pydantic": 1}.get(module.partition(".")[0], 2)
            names = ", ".join(sorted(self._imports[module], key=str.swapcase))
            line = _wrapped(f"from {module} import ", names, "", brackets=True)
            groups.setdefault(rank, []).append(line)
        return "\n\n".join("\n".join(groups[rank]) for rank in sorted(groups)).splitlines()

    def _interface(self, interface: Interface) -> list[str]:
        name = self._names[interface.type_name]
        package = interface.type_name.split("/")[0]
        expected = f"{self._module}/{interface.kind}/{name}"
        keyword = "" if interface.type_name == expected else f', type_name="{interface.type_name}"'
        head = f"class {name}({_BASES[interface.kind]}{keyword}):"
        if interface.kind == "msg":
            return [head, *self._body(interface.messages[0], package)]
        doc = f'"""The {_BASES[interface.kind].lower()} {interface.type_name}."""'
        lines = [head, f"{_INDENT}{doc}"]
        for part, message in zip(PARTS[interface.kind], interface.messages, strict=True):
            inner = [f"class {part}(Message):", *self._body(message, package)]
            lines += ["", *(f"{_INDENT}{line}" if line else "" for line in inner)]
        return lines

    def _body(self, message: MessageDefinition, package: str) -> list[str]:
        lines = _docstring(message.comment or f"{message.type_name}.")
        if message.constants:
            lines.append("")
        for constant in message.constants:
            annotation = annotation_text(FieldType(constant.base))
            text = f"{constant.name}: ClassVar[{annotation}] = {value_text(constant.value)}"
            lines += _with_comment(text, constant.comment)
        if message.fields:
            lines.append("")
        for each in message.fields:
            lines += _with_comment(self._field(each), each.comment)
        return [f"{_INDENT}{line}" if line else "" for line in lines]

    def _field(self, field: MessageField) -> str:
        annotation = annotation_text(field.type, self._name_of)
        default = default_text(field, self._name_of)
        if (name := attribute_of(field.name)) != field.name:
            default = f'Field({default}, alias="{field.name}")'
        return f"{name}: {annotation} = {default}"

    def _name_of(self, type_name: str) -> str:
        """Return the Python name of a type, and import the type if another module has it."""
        known = self._names.get(type_name)
        if known is not None:
            return known
        package, _, name = type_name.split("/")
        try:
            found = find_interface(type_name)
            module = str(found.__module__)
        except Exception:  # noqa: BLE001  it may be of a module that cannot be imported now
            module = package
        if not module.startswith("dsmq_nodes."):
            self._missing.add(package)
        taken = _TAKEN | set(self._names.values())
        free = name if name not in taken else f"{package.title()}{name}"
        free = free.replace("_", "")
        self._names[type_name] = free
        what = name if free == name else f"{name} as {free}"
        self._imports.setdefault(module, set()).add(what)
        return free


def _in_order(interfaces: Iterable[Interface]) -> list[Interface]:
    """Sort interfaces by name, but each after those that its fields use."""
    pending = {each.type_name: each for each in sorted(interfaces, key=lambda i: i.type_name)}
    done: dict[str, Interface] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise MessageError(f"{name} holds itself: {' in '.join((name, *above[::-1]))}")
        if name in pending and name not in done:
            for inner in sorted(pending[name].used_types):
                add(inner, (*above, name))
            done[name] = pending[name]

    for name in pending:
        add(name, ())
    return list(done.values())


def _docstring(comment: str) -> list[str]:
    text = comment.strip().replace("\\", "\\\\").replace('"""', "'''")
    if text.endswith('"'):
        text += " "
    lines = [line.rstrip() for line in text.splitlines()]
    if len(lines) == 1 and len(lines[0]) < _WIDTH - 10:
        return [f'"""{lines[0]}"""']
    return [f'"""{lines[0]}', *lines[1:], '"""']


def _with_comment(text: str, comment: str) -> list[str]:
    """Return a line with its comment beside it, or above it if the line would be too long."""
    lines = comment.splitlines()
    if len(lines) == 1 and len(text) + len(lines[0]) + 12 <= _WIDTH:
        return [f"{text}  # {lines[0]}"]
    return [*(f"# {line}".rstrip() for line in lines), text]


def _wrapped(start: str, names: str, end: str, *, brackets: bool = False) -> str:
    line = f"{start}{names}{end}"
    if len(line) <= _WIDTH:
        return line
    opening, closing = ("(", ")") if brackets else ("", "")
    inner = ",\n".join(textwrap.indent(each.strip(), _INDENT) for each in names.split(","))
    return f"{start}{opening}\n{inner},\n{closing}{end}"
