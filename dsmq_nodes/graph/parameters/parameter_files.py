"""Parameters as ROS 2 writes them into a YAML file; launcher/file/params_file.py reads them.

For example::

/robot1/lidar:
ros__parameters:
pid:
kp: 1.5
range_max: 8.0
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.parameters.yaml12 import to_yaml

_DEEPEST: Final = 10  # groups; a file is refused that is nested deeper than 20 levels


def dump_parameters(node_name: str, parameters: Iterable[Parameter]) -> str:
    """The file's text; a parameter that is not set is left out."""
    grouped: dict[str, Any] = {}
    for parameter in sorted(parameters, key=lambda each: each.name):
        if parameter.value is None:
            continue
        inner, last = _place(grouped, parameter.name)
        inner[last] = parameter.value
    return to_yaml({node_name: {"ros__parameters": grouped}}, sort_keys=True)


def _place(grouped: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The mapping that a parameter belongs in, and its key there: with dots where it must."""
    *groups, last = name.split(".", maxsplit=_DEEPEST)
    inner = grouped
    for group in groups:
        found = inner.setdefault(group, {})
        if not isinstance(found, dict):  # `pid` is a parameter, and `pid.kp` is
            return grouped, name
        inner = found
    return inner, last


def flat_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """What such a file has for a node, one by one: `{pid: {kp: 1.5}}` is `pid.kp`.

    Raises:
        TypeError: no parameter can have a value; the text names it.
    """
    return [Parameter(name, None, value) for name, value in flat(values).items()]
