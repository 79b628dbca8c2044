"""Reads parameters as rcl does: of `-p name:=value`, and of parameter files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names.parameter_file_state import PARAMETERS, ParameterFileState
from dsmq_nodes.rclpy.impl.names.parameter_values import (
    GivenValue,
    OpenList,
    YamlError,
    another_type,
    line_of,
    rank,
)

__all__ = ["PARAMETERS", "YamlError", "matches", "rank", "read_file", "value"]

_VERSIONS: Final = {(1, 1), (1, 2)}  # of libyaml 0.2.5; the older one of some wheels has 1.1 alone


class _Loader(yaml.SafeLoader):
    """Refuses headers that libyaml refuses, and PyYAML passes over."""

    def scan_directive(self) -> Any:
        token: Any = super().scan_directive()
        if token.name != "TAG" and (token.name != "YAML" or token.value not in _VERSIONS):
            raise yaml.YAMLError(token.name)
        return token


def _events(text: str, fault: str) -> Iterator[yaml.Event]:
    """Yield the events of a text; `fault` may say the {line} behind which it cannot be read.

    Raises:
        YamlError: it is no YAML.
    """
    line = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            line = line_of(event) if event.start_mark else line
            yield event
    except (yaml.YAMLError, ValueError, OverflowError):  # the latter of escapes out of range
        raise YamlError(fault.format(line=line)) from None


def value(text: str) -> Any:
    """Return the value in a text, as of `-p name:=text`.

    Raises:
        YamlError: there is none that a parameter can have.
    """
    if not text:
        raise YamlError("error not set")
    found, items = GivenValue(), OpenList()
    for event in _events(text, "Error parsing an event"):
        if isinstance(event, yaml.ScalarEvent):
            items.set_value(found, event)
        elif isinstance(event, yaml.SequenceStartEvent):
            if items.is_open:  # rcl takes the items of the inner list
                raise another_type("sequence", event)
            items.begin()
        elif isinstance(event, yaml.SequenceEndEvent):
            items.end()
        elif isinstance(event, yaml.MappingStartEvent | yaml.AliasEvent):
            raise YamlError("Unknown YAML event")
    return found.value()


def read_file(path: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the parameters of a file, in order: a pattern of nodes' names, and names with values.

    Raises:
        RCLError: it cannot be read; the text is rcl's.
    """
    start = f"Couldn't parse params file: '--params-file {path}'. Error: "
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RCLError(f"{start}Error opening YAML file") from None
    taken = ParameterFileState()
    try:
        for event in _events(text, "Error parsing a event near line {line}"):
            taken.take(event)
    except YamlError as error:
        raise RCLError(f"{start}{error}") from None
    return taken.nodes()


def matches(pattern: str, node: str) -> bool:
    """Whether a pattern of a parameter file means a node, both absolute."""
    rule = "".join(
        "(/[^/]+)*" if token == "**" else "/" + re.escape(token).replace(r"\*", "[^/]+")
        for token in pattern.strip("/").split("/")
    )
    return re.fullmatch(rule, node) is not None
