"""Parameters as ROS 2 writes them into a YAML file; dsmq_nodes/launcher/params_file.py reads it.

/robot1/lidar:
ros__parameters:
pid:
kp: 1.5
range_max: 8.0
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from dsmq_nodes.graph.parameter import Parameter
from dsmq_nodes.graph.parameter_store import flat

_LINE_BREAKS: Final = frozenset("\x85\u2028\u2029")  # YAML 1.1's, besides the usual ones


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
    whole = {node_name: {"ros__parameters": grouped}}
    text: str = yaml.safe_dump(whole, allow_unicode=True)
    if not _LINE_BREAKS.isdisjoint(text):  # would be read as one; escaped it stays what it is
        text = yaml.safe_dump(whole, allow_unicode=False)
    return text


def flat_parameters(values: Mapping[str, Any]) -> list[Parameter]:
    """What such a file has for a node, one by one: `{pid: {kp: 1.5}}` is `pid.kp`.

    Raises:
        TypeError: no parameter can have a value; the text names it.
    """
    return [Parameter(name, None, value) for name, value in flat(values).items()]
