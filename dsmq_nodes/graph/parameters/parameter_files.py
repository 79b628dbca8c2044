"""Files of parameters: a mapping of names to values, or ROS 2's form, written and read.

ROS 2's form names the nodes::

    /robot1/lidar:
      ros__parameters:
        pid:
          kp: 1.5
        range_max: 8.0

In a file that is read, nodes may be nested by namespaces; `/**` means all nodes, `*` one part of a
name.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Final

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.graph.parameters.model import merged_groups
from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.parameters.yaml12 import to_yaml
from dsmq_nodes.graph.parameters.yaml_source import Document
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.suggest import nearest

_ROS: Final = "ros__parameters"
_DEEPEST: Final = 10  # groups; files nested deeper than 20 levels are refused


def dump_parameters(node_name: str, parameters: Iterable[Parameter]) -> str:
    """Return the text of a file in ROS 2's form; unset parameters are left out."""
    grouped: dict[str, Any] = {}
    for parameter in sorted(parameters, key=lambda each: each.name):
        if parameter.value is None:
            continue
        inner, last = _place(grouped, parameter.name)
        inner[last] = parameter.value
    return to_yaml({node_name: {_ROS: grouped}}, sort_keys=True)


def _place(grouped: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """Return the mapping that a parameter belongs to, and its key there."""
    *groups, last = name.split(".", maxsplit=_DEEPEST)
    inner = grouped
    for group in groups:
        found = inner.setdefault(group, {})
        if not isinstance(found, dict):  # both `pid` and `pid.kp` are parameters
            return grouped, name
        inner = found
    return inner, last


def misspelt(document: Document) -> list[LaunchProblem]:
    """Return a problem for each key that is probably meant to be `ros__parameters`."""
    return [
        document.problem(place, f"did you mean {_ROS!r}?")
        for path, place in document.keys.items()
        if str(path[-1]).startswith("ros") and _ROS not in path and nearest(str(path[-1]), [_ROS])
    ]


@dataclass(frozen=True)
class ParamsFile:
    """A file of parameters that has been read."""

    document: Document

    @cached_property
    def sections(self) -> list[tuple[str, Keys]]:
        """The node names of ROS 2's form with their places; a plain file has none."""
        return list(_sections(self.document.data, (), ""))

    def layers(self, full_name: str) -> list[Keys]:
        """Return the places of a node's parameters; later ones win, as in rcl."""
        if not self.sections:
            return [()]
        return [path for name, path in self.sections if _matches(name, full_name)]


def _sections(data: object, path: Keys, name: str) -> Iterator[tuple[str, Keys]]:
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        if key == _ROS and path:
            yield name, (*path, key)
        elif isinstance(value, dict):
            yield from _sections(value, (*path, key), f"{name}/{key.strip('/')}")


def _matches(pattern: str, full_name: str) -> bool:
    """Whether a pattern matches a name; part by part, since a regular expression could hang."""
    names = full_name.split("/")
    # How many parts of the name are matched so far, for each possible way to match.
    ways = {0}
    for part in pattern.split("/"):
        if part == "**":
            ways = set(range(min(ways), len(names) + 1))
        else:
            ways = {way + 1 for way in ways if way < len(names) and _fits(part, names[way])}
        if not ways:
            return False
    return len(names) in ways


def _fits(part: str, name: str) -> bool:
    if "*" not in part:
        return part == name
    literal = part.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(name, literal.replace("*", "?*"))  # a "*" is one character at least


def lookup(data: object, path: Keys) -> object:
    """Return the value at a path."""
    for part in path:
        data = data[part]  # type: ignore[index]
    return data


def _without(values: dict[str, object], names: Collection[str], prefix: str) -> dict[str, object]:
    """Return the parameters except those of `names`, which are overridden."""
    return {
        name: _without(value, names, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in values.items()
        if isinstance(value, dict) or prefix + name not in names
    }


def merge(under: dict[str, object], over: dict[str, object]) -> dict[str, object]:
    """Return the parameters of `under`, overridden by `over`; groups are merged: `pid.kp`."""
    return merged_groups(_without(under, flat(over).keys(), ""), over)
