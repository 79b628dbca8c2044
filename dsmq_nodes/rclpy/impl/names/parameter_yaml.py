"""Values of parameters as rcl reads them: of `-p name:=value`, and of parameter files.

These are not YAML 1.2's rules: `yes` and `on` are booleans, `0x10` is 16, `~` is a text, a list has
items of one type, an integer that is too large is a double. An empty list or map is no value.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault, node_fault

_TRUE: Final = {"y", "yes", "true", "on"}
_FALSE: Final = {"n", "no", "false", "off"}
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|\d+)\Z")
_HEX_FLOAT: Final = re.compile(r"[-+]?0[xX][0-9a-fA-F]+[.pP]")
_SPECIAL: Final = re.compile(r"[-+]?\.(inf|nan)\Z", re.IGNORECASE)
_TYPES: Final = (bool, int, float, str, list)
_STR_TAG: Final = "tag:yaml.org,2002:str"
_MOST_INTEGER: Final = 2**63
_VERSIONS: Final = {(1, 1), (1, 2)}  # of libyaml 0.2.5; the older one of some wheels has 1.1 alone
PARAMETERS: Final = "ros__parameters"
_WILD: Final = {"*", "**"}


class _Loader(yaml.SafeLoader):
    """Refuses headers that libyaml refuses, and PyYAML passes over."""

    def scan_directive(self) -> Any:
        token: Any = super().scan_directive()
        if token.name != "TAG" and (token.name != "YAML" or token.value not in _VERSIONS):
            raise yaml.YAMLError(token.name)
        return token


class YamlError(Exception):
    """A text that rcl would not read; the text says why."""


def scalar(text: str) -> Any:
    """The value of an unquoted word."""
    if text.lower() in _TRUE and text in {text.lower(), text.capitalize(), text.upper()}:
        return True
    if text.lower() in _FALSE and text in {text.lower(), text.capitalize(), text.upper()}:
        return False
    if _INTEGER.match(text):
        number = _integer(text)
        if isinstance(number, int) and -_MOST_INTEGER <= number < _MOST_INTEGER:
            return number
        return float(number)
    return _double(text.replace(".", "") if _SPECIAL.match(text) else text, text)


def _integer(text: str) -> float:
    """The number of digits; `08` is no octal number, and a double."""
    digits = text.lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    if len(digits) > 1 and digits.startswith("0"):
        return sign * (int(digits, 8) if set(digits) <= set("01234567") else float(digits))
    return sign * int(digits)


def _double(text: str, otherwise: str) -> float | str:
    """A number as C's strtod reads it: `nan`, `inf`, `0x1p3`; one that does not fit is a text."""
    try:
        number = float.fromhex(text) if _HEX_FLOAT.match(text) else float(text)
    except (ValueError, OverflowError):
        return otherwise
    is_inexact = math.isinf(number) and "inf" not in text.lower()
    is_inexact |= number == 0 and any(digit in "123456789" for digit in re.split("[eE]", text)[0])
    return otherwise if is_inexact or "_" in text else number


def rank(value: Any) -> int:
    """The place of a value's type in the order in which rcl looks for a parameter's value."""
    if isinstance(value, list):
        return len(_TYPES) + rank(value[0])
    return len(_TYPES) * 2 if value is None else _TYPES.index(type(value))


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar_of(node)
    if isinstance(node, yaml.SequenceNode):
        return _list_of(node)
    raise YamlError("Unknown YAML event")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar_of(node: yaml.ScalarNode) -> Any:
    if node.style in {"'", '"'} or (node.tag == _STR_TAG and _is_tagged(node)):
        return str(node.value)
    if node.value == "":
        raise YamlError(f"No value at line {_line(node)}")
    return scalar(node.value)


def _is_tagged(node: yaml.ScalarNode) -> bool:
    """Whether a text without quotes would be of another type without its `!!str`."""
    plain = yaml.compose(node.value, Loader=yaml.SafeLoader)
    return plain is not None and plain.tag != node.tag


def _list_of(node: yaml.SequenceNode) -> list[Any] | None:
    items = [_value(each) for each in node.value]
    for each, item in zip(node.value, items, strict=True):
        if isinstance(item, list) or type(item) is not type(items[0]):
            kind = {bool: "bool", int: "integer", float: "double", str: "string"}
            raise YamlError(
                f"Sequence should be of same type. Value type '{kind.get(type(item), 'sequence')}'"
                f" do not belong at line_num {_line(each)}"
            )
    return items or None


def _documents(text: str, alias: str, fault: str) -> list[yaml.Node]:
    """The documents of a text; `alias` and `fault` may say the {line} that cannot be read."""
    line = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark else line
            if isinstance(event, yaml.AliasEvent):
                raise YamlError(alias.format(line=line))
        return list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        raise YamlError(fault.format(line=line)) from None


def value(text: str) -> Any:
    """The value in a text, as of `-p name:=text`.

    Raises:
        YamlError: there is none that a parameter can have.
    """
    if not text:
        raise YamlError("error not set")
    found = _documents(text, "Unknown YAML event", "Error parsing an event")
    return _value(found[0]) if found else None


def read_file(path: str) -> list[tuple[str, dict[str, Any]]]:
    """The parameters of a file, in order: a pattern of nodes' names, and names with values.

    Raises:
        RCLError: it cannot be read; the text is rcl's.
    """
    start = f"Couldn't parse params file: '--params-file {path}'. Error: "
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RCLError(f"{start}Error opening YAML file") from None
    try:
        found = _documents(
            text,
            "Will not support aliasing at line {line}\n",
            "Error parsing a event near line {line}",
        )
        return [given for document in found for given in _nodes_of(document)]
    except YamlError as error:
        raise RCLError(f"{start}{error}") from None


def _nodes_of(document: yaml.Node) -> Iterator[tuple[str, dict[str, Any]]]:
    """The nodes of a document; a single word says nothing."""
    if not isinstance(document, yaml.ScalarNode):
        yield from _nodes(document, "")
    elif not document.value:
        raise YamlError(f"No key at line {_line(document)}")


def _nodes(node: yaml.Node, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, below in _map_of(node):
        name = str(key.value)
        if not name:
            raise YamlError(f"No key at line {_line(key)}")
        if name == PARAMETERS and not where:
            raise YamlError(f"There are no node names before {PARAMETERS} at line {_line(key)}")
        if name == PARAMETERS:
            _check_node_name(where)
            yield where, _last_values(below)
        else:
            is_absolute = not where and name.startswith("/")
            yield from _nodes(below, name if is_absolute else f"{where.rstrip('/')}/{name}")


def _last_values(parameters: yaml.Node) -> dict[str, Any]:
    """The parameters of a node; of two values for a name the one whose type rcl looks for first.

    A group takes the place of a value of its name: its first parameter has that value too.
    """
    found: dict[str, Any] = {}
    _collect(parameters, "", found)
    return found


def _give(found: dict[str, Any], name: str, given: Any) -> None:
    if name not in found or rank(given) <= rank(found[name]):
        found[name] = given


def _map_of(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        return list(node.value)
    if isinstance(node, yaml.SequenceNode) and not node.start_mark.index:
        raise YamlError(f"Sequences cannot be key at line {_line(node)}")
    raise YamlError(f"Cannot have a value before {PARAMETERS} at line {_line(node)}")


def _check_node_name(name: str) -> None:
    namespace, slash, last = name.rpartition("/")
    if "//" in name:
        raise YamlError(f"{namespace}{slash} contains repeated forward slash")
    if last not in _WILD and (fault := node_fault(last)):
        raise YamlError(fault[0])
    words = ("wild" if word in _WILD else word for word in namespace.split("/"))
    if fault := namespace_fault("/".join(words) or "/"):
        raise YamlError(fault[0])


def _collect(node: yaml.Node, start: str, found: dict[str, Any]) -> None:
    entries = _map_of(node)
    for index, (key, below) in enumerate(entries, 1):
        name = f"{start}{key.value}"
        if not isinstance(below, yaml.MappingNode):
            _give(found, name, _value(below))
        elif below.value:
            first = below.value[0][0].value
            if (replaced := found.pop(name, None)) is not None:
                found[f"{name}.{first}"] = replaced
            _collect(below, f"{name}.", found)
        elif index < len(entries):  # rcl takes the end of an empty map for that of all parameters
            line = _line(entries[index][1])
            raise YamlError(f"Cannot have a value before {PARAMETERS} at line {line}")
        else:
            _give(found, name, None)


def matches(pattern: str, node: str) -> bool:
    """Whether a pattern of a parameter file means a node, both absolute."""
    rule = "".join(
        "(/[^/]+)*" if token == "**" else "/" + re.escape(token).replace(r"\*", "[^/]+")
        for token in pattern.strip("/").split("/")
    )
    return re.fullmatch(rule, node) is not None
