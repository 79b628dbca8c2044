"""Parameters as ROS 2 writes them into a YAML file; dsmq_nodes/launcher/params_file.py reads it.

/robot1/lidar:
ros__parameters:
pid:
kp: 1.5
range_max: 8.0
"""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from dsmq_nodes.graph.parameter import Parameter
from dsmq_nodes.graph.parameter_store import flat


def dump_parameters(node_name: str, parameters: Iterable[Parameter]) -> str:
    """The file's text; a parameter that is not set is left out."""
    grouped: dict[str, Any] = {}
    for parameter in sorted(parameters, key=lambda each: each.name):
        if parameter.value is None:
            continue
        *groups, last = parameter.name.split(".")
        inner = grouped
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = parameter.value
    text: str = yaml.safe_dump({node_name: {"ros__parameters": grouped}}, allow_unicode=True)
    return text


def flat_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """What such a file has for a node, one by one: `{pid: {kp: 1.5}}` is `pid.kp`.

    Raises:
        TypeError: no parameter can have a value; the text names it.
    """
    return [Parameter(name, None, value) for name, value in flat(values).items()]
