"""Values of parameters as rcl reads them: of `-p name:=value`, and of parameter files.

These are not YAML 1.2's rules: `yes` and `on` are booleans, `0x10` is 16, `~` is a text, a list has
items of one type, an integer that is too large is a double.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from dsmq_nodes.rclpy.impl.c_errors import RCLError

_TRUE: Final = {"y", "yes", "true", "on"}
_FALSE: Final = {"n", "no", "false", "off"}
_INTEGER: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|\d+)\Z")
_FLOAT: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\Z")
_SPECIAL: Final = re.compile(r"[-+]?\.?(inf|nan)\Z", re.IGNORECASE)
_MOST_INTEGER: Final = 2**63
PARAMETERS: Final = "ros__parameters"


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
        return number if -_MOST_INTEGER <= number < _MOST_INTEGER else float(number)
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL.match(text) and "." in text:
        return float(text.replace(".", ""))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    sign = -1 if text.startswith("-") else 1
    if digits[:2].lower() == "0x":
        return sign * int(digits, 16)
    if len(digits) > 1 and digits.startswith("0") and set(digits) <= set("01234567"):
        return sign * int(digits, 8)
    return sign * int(digits)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return _scalar_of(node)
    if isinstance(node, yaml.SequenceNode):
        return _list_of(node)
    raise YamlError(f"a map is not the value of a parameter at line {_line(node)}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar_of(node: yaml.ScalarNode) -> Any:
    if node.style in {"'", '"'} or node.tag == "!!str":
        return str(node.value)
    if node.value == "":
        raise YamlError(f"No value at line {_line(node)}")
    return scalar(node.value)


def _list_of(node: yaml.SequenceNode) -> list[Any]:
    items = [_value(each) for each in node.value]
    for each, item in zip(node.value, items, strict=True):
        if isinstance(item, list) or type(item) is not type(items[0]):
            kind = {bool: "bool", int: "integer", float: "double", str: "string"}
            raise YamlError(
                f"Sequence should be of same type. Value type '{kind.get(type(item), 'sequence')}'"
                f" do not belong at line_num {_line(each)}"
            )
    return items


def _compose(text: str) -> yaml.Node | None:
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            raise YamlError("Will not support aliasing")
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None
    return node


def value(text: str) -> Any:
    """The value in a text, as of `-p name:=text`.

    Raises:
        YamlError: there is none that a parameter can have.
    """
    node = _compose(text)
    if node is None:
        raise YamlError("No value")
    return _value(node)


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
        node = _compose(text)
        return list(_nodes(node, "")) if node is not None else []
    except YamlError as error:
        raise RCLError(f"{start}{error}") from None


def _nodes(node: yaml.Node, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(node, yaml.MappingNode):
        raise YamlError(f"Cannot have a value before {PARAMETERS} at line {_line(node)}")
    for key, below in node.value:
        if key.value == PARAMETERS:
            yield where, dict(_parameters(below, ""))
        else:
            name = str(key.value)
            yield from _nodes(below, f"{where}/{name.lstrip('/')}")


def _parameters(node: yaml.Node, start: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(node, yaml.MappingNode):
        raise YamlError(f"parameters are a map at line {_line(node)}")
    for key, below in node.value:
        name = f"{start}{key.value}"
        if isinstance(below, yaml.MappingNode):
            yield from _parameters(below, f"{name}.")
        else:
            yield name, _value(below)


def matches(pattern: str, node: str) -> bool:
    """Whether a pattern of a parameter file means a node, both absolute."""
    rule = "".join(
        "(/[^/]+)*" if token == "**" else "/" + re.escape(token).replace(r"\*", "[^/]+")
        for token in pattern.strip("/").split("/")
    )
    return re.fullmatch(rule, node) is not None
