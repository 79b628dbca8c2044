"""Reads a parameter file event by event, as rcl's parser of YAML does.

rcl builds no tree. Its state is whether a key or a value is next, whether a list is open, and one
namespace each for nodes and for parameters; each event changes this state. This has effects that a
tree would not have, and files rely on them: a map in a list is read as if it stood in the list's
place, and a group replaces a parameter with its name.
"""

from typing import TYPE_CHECKING, Any, Final

import yaml

from dsmq_nodes.rclpy.impl.names.name_rules import namespace_fault, node_fault
from dsmq_nodes.rclpy.impl.names.parameter_values import (
    GivenValue,
    OpenList,
    YamlError,
    another_type,
    line_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PARAMETERS: Final = "ros__parameters"
_WILD: Final = {"*", "**"}
_PARAMETER_MAP: Final = 2  # levels below the map of the node's namespace


class _Parameter:
    """A parameter, which is renamed when a group takes its place."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given = GivenValue()


class _Namespace:
    """Names that are joined, and how many of them were added."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self.text = ""
        self.count = 0

    def add(self, name: str) -> None:
        joined = f"{self.text.removesuffix(self._separator)}{self._separator}{name}"
        self.text = joined if self.count else name
        self.count += 1

    def replace(self, text: str) -> None:
        self.text = text
        self.count += 1

    def remove(self) -> None:
        """Remove what stands behind the last separator, which may be a part of a name."""
        if self.count:
            self.count -= 1
            self.text = self.text.rpartition(self._separator)[0] if self.count else ""


class ParameterFileState:
    """The state of the parser; `take` each event, then ask for the `nodes`."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._nodes: dict[str, list[_Parameter]] = {}
        self._node: list[_Parameter] = []
        self._parameter: _Parameter | None = None
        self._node_names, self._parameter_names = _Namespace("/"), _Namespace(".")
        self._is_key, self._is_new_map, self._in_parameters = True, False, False
        self._list = OpenList()
        self._open: list[yaml.Event] = []  # lists and maps
        self._depth = 0  # of maps
        self._takes: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.SequenceStartEvent: self._begin_list,
            yaml.SequenceEndEvent: self._end_list,
            yaml.MappingStartEvent: self._begin_map,
            yaml.MappingEndEvent: self._end_map,
        }

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            YamlError: rcl would not read it.
        """
        if isinstance(event, yaml.AliasEvent):
            raise YamlError(f"Will not support aliasing at line {line_of(event)}\n")
        taken = self._takes.get(type(event))
        if taken is not None:
            taken(event)

    def nodes(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the patterns of nodes' names, in order, with what their parameters are given."""
        return [
            (pattern, {each.name: each.given.value() for each in parameters})
            for pattern, parameters in self._nodes.items()
        ]

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._is_key:
            self._key(event)
            self._is_key = False
            return
        if not self._in_parameters or self._parameter is None or not self._node:
            raise YamlError(f"Cannot have a value before {PARAMETERS} at line {line_of(event)}")
        self._list.set_value(self._parameter.given, event)
        self._is_key = not self._list.is_open

    def _key(self, event: yaml.ScalarEvent) -> None:
        name = str(event.value)
        if not name:
            raise YamlError(f"No key at line {line_of(event)}")
        if self._in_parameters:
            self._parameter_key(name)
        elif not name.startswith(PARAMETERS):
            self._node_names.add(name)
        elif not self._node_names.count:
            raise YamlError(f"There are no node names before {PARAMETERS} at line {line_of(event)}")
        else:
            pattern = self._node_names.text  # `n` and `/n` are two, of which the later one counts
            _check_node_name(f"/{pattern.removeprefix('/')}")
            self._node = self._nodes.setdefault(pattern, [])
            self._node_names.remove()
            self._in_parameters = True

    def _parameter_key(self, name: str) -> None:
        names = self._parameter_names
        if self._is_new_map and self._parameter is not None:
            names.replace(self._parameter.name)  # the key before is a namespace
            self._is_new_map = False
        if not names.count:
            self._parameter = self._find(name)
        else:
            self._parameter = self._find(names.text)
            self._parameter.name = f"{names.text}.{name}"

    def _find(self, name: str) -> _Parameter:
        for each in self._node:
            if each.name == name:
                return each
        self._node.append(_Parameter(name))
        return self._node[-1]

    def _begin_list(self, event: yaml.SequenceStartEvent) -> None:
        if self._is_key:
            raise YamlError(f"Sequences cannot be key at line {line_of(event)}")
        if not self._in_parameters:
            raise YamlError(
                "Sequences can only be values and not keys in params. Error at line "
                f"{line_of(event)}\n"
            )
        if self._open and isinstance(self._open[-1], yaml.SequenceStartEvent):
            raise another_type("sequence", event)  # rcl takes the items of the inner list
        self._open.append(event)
        self._list.begin()

    def _end_list(self, _: yaml.SequenceEndEvent) -> None:
        self._open.pop()
        self._list.end()
        self._is_key = True

    def _begin_map(self, event: yaml.MappingStartEvent) -> None:
        self._open.append(event)
        self._depth += 1
        self._is_key = True
        below = self._depth - (self._node_names.count + 1)
        self._is_new_map = not (self._in_parameters and below == _PARAMETER_MAP)

    def _end_map(self, _: yaml.MappingEndEvent) -> None:
        self._open.pop()
        if self._in_parameters and self._parameter_names.count:
            self._parameter_names.remove()
        elif self._in_parameters:
            self._in_parameters = False
        elif self._depth == self._node_names.count + 1:
            self._node_names.remove()
        self._depth -= 1


def _check_node_name(name: str) -> None:
    namespace, slash, last = name.rpartition("/")
    if "//" in name:
        raise YamlError(f"{namespace}{slash} contains repeated forward slash")
    if last not in _WILD and (fault := node_fault(last)):
        raise YamlError(fault[0])
    words = ("wild" if word in _WILD else word for word in namespace.split("/"))
    if fault := namespace_fault("/".join(words) or "/"):
        raise YamlError(fault[0])
