"""Parameters of other nodes, by the services that every node has."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.cli.call import answers, ask, call
from dsmq_nodes.cli.live import Graph
from dsmq_nodes.cli.offers import find_node, nodes, unknown
from dsmq_nodes.cli.session import Session
from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.parameter import Parameter, ParameterType
from dsmq_nodes.graph.parameter_files import dump_parameters, flat_parameters
from dsmq_nodes.graph.parameter_messages import from_message, to_message
from dsmq_nodes.launcher.params_file import ParamsFile, lookup, merge
from dsmq_nodes.launcher.source import parse, read_file
from dsmq_nodes.messages.rcl_interfaces import Parameter as ParameterMessage
from dsmq_nodes.messages.rcl_interfaces import ParameterDescriptor, ParameterValue
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)

_TITLES: Final = {
    ParameterType.BOOL: "Boolean value is:",
    ParameterType.INTEGER: "Integer value is:",
    ParameterType.DOUBLE: "Double value is:",
    ParameterType.STRING: "String value is:",
    ParameterType.BYTE_ARRAY: "Byte values are:",
    ParameterType.BOOL_ARRAY: "Boolean values are:",
    ParameterType.INTEGER_ARRAY: "Integer values are:",
    ParameterType.DOUBLE_ARRAY: "Double values are:",
    ParameterType.STRING_ARRAY: "String values are:",
}
_NOT_SET: Final = "Parameter not set."


def names_of(session: Session, node: str, prefixes: Sequence[str] = ()) -> list[str]:
    """The parameters of a node, by its full name."""
    request = ListParameters.Request(prefixes=list(prefixes))
    found = call(session, f"{node}/list_parameters", request.to_json())
    return sorted(found["result"]["names"])


def listed(
    session: Session, node: str, prefixes: Sequence[str], *, with_types: bool
) -> dict[str, dict[str, str]]:
    """The parameters of a node, or of all, and their types if they are wanted."""
    graph = session.graph()
    found = {}
    for name in [find_node(graph, node)] if node else _serving(graph):
        names = names_of(session, name, prefixes)
        types = [each.type for each in _describe(session, name, names)] if with_types else []
        words = [ParameterType(each).words for each in types] or [""] * len(names)
        found[name] = dict(zip(names, words, strict=True))
    return found


def _serving(graph: Graph) -> list[str]:
    """The nodes that tell their parameters."""
    served = {topic.name for topic in graph.topics if topic.publishers}
    return [name for name in nodes(graph) if f"{name}/list_parameters/_reply" in served]


def got(session: Session, node: str, name: str) -> Parameter:
    """A parameter's value.

    Raises:
        CommandError: no such node or parameter.
    """
    node = find_node(session.graph(), node)
    return _get(session, node, _check(session, node, [name]))[0]


def _get(session: Session, node: str, names: Sequence[str]) -> list[Parameter]:
    request = GetParameters.Request(names=list(names))
    return _values(names, call(session, f"{node}/get_parameters", request.to_json()))


def _values(names: Sequence[str], response: dict[str, Any]) -> list[Parameter]:
    return [
        from_message(ParameterMessage(name=name, value=ParameterValue.from_dict(value)))
        for name, value in zip(names, response["values"], strict=True)
    ]


def _check(session: Session, node: str, names: Sequence[str]) -> list[str]:
    known = names_of(session, node)
    for name in names:
        if name not in known:
            raise unknown("parameter", f"{name} of {node}", known, nearest_to=name)
    return list(names)


def shown(parameter: Parameter, *, hide_type: bool) -> str:
    """A value as ros2 shows it."""
    if parameter.type_ is ParameterType.NOT_SET:
        return _NOT_SET
    return str(parameter.value) if hide_type else f"{_TITLES[parameter.type_]} {parameter.value}"


def set_one(session: Session, node: str, name: str, value: str) -> str:
    """Set a parameter to what a text in YAML says; what to tell of it.

    Raises:
        CommandError: no such node or parameter, no value, or the node does not take it.
    """
    node = find_node(session.graph(), node)
    _check(session, node, [name])
    return _set(session, node, [Parameter(name, None, _value(session, node, name, value))])[0]


def _value(session: Session, node: str, name: str, text: str) -> Any:
    """The value that a text in YAML is meant to be.

    Where the parameter is a text, all that is not in quotes is one as it stands: 1, and `a: b`.
    """
    is_text = _describe(session, node, [name])[0].type == ParameterType.STRING
    if is_text and not text.lstrip().startswith(('"', "'")):
        return text
    document = parse(f"value: {text}", "VALUE")
    if document.problems or not isinstance(document.data, dict):
        raise LaunchFileError(document.file, document.problems)
    value = document.data["value"]
    try:
        Parameter(name, None, value)
    except TypeError as error:
        raise CommandError(str(error)) from None
    return value


def _set(session: Session, node: str, parameters: Sequence[Parameter]) -> list[str]:
    request = SetParameters.Request(parameters=[to_message(each) for each in parameters])
    results = call(session, f"{node}/set_parameters", request.to_json())["results"]
    told = []
    for result in results:
        reason = f": {result['reason']}" if result["reason"] else ""
        if not result["successful"]:
            raise CommandError(f"Setting parameter failed{reason}")
        told.append(f"Set parameter successful{reason}")
    return told


def described(session: Session, node: str, names: Sequence[str]) -> list[ParameterDescriptor]:
    """What parameters are.

    Raises:
        CommandError: no such node or parameter.
    """
    node = find_node(session.graph(), node)
    return _describe(session, node, _check(session, node, names))


def _describe(session: Session, node: str, names: Sequence[str]) -> list[ParameterDescriptor]:
    request = DescribeParameters.Request(names=list(names))
    found = call(session, f"{node}/describe_parameters", request.to_json())["descriptors"]
    return [ParameterDescriptor.from_dict(each) for each in found]


def description(found: ParameterDescriptor) -> Iterator[str]:
    """What a parameter is, as ros2 shows it."""
    yield f"Parameter name: {found.name}"
    yield f"  Type: {ParameterType(found.type).words}"
    if found.description:
        yield f"  Description: {found.description}"
    yield "  Constraints:"
    if found.read_only:
        yield "    Read only: true"
    ranges: list[Any] = [*found.floating_point_range, *found.integer_range]
    for limits in ranges:
        yield f"    Min value: {limits.from_value}"
        yield f"    Max value: {limits.to_value}"
        if limits.step:
            yield f"    Step: {limits.step}"
    if found.additional_constraints:
        yield f"    Additional constraints: {found.additional_constraints}"


def dumped(session: Session, node: str) -> str:
    """All parameters of a node, as a file."""
    node = find_node(session.graph(), node)
    return dump_parameters(node, _get(session, node, names_of(session, node)))


def all_dumped(session: Session, timeout_sec: float) -> tuple[str, list[str]]:
    """The parameters of all nodes, as one file, and who has not answered in time.

    Each node is asked twice: what it has, and the values.
    """
    names = {
        node: ask(session, f"{node}/list_parameters", ListParameters.Request().to_json())
        for node in _serving(session.graph())
    }
    told = answers(session, names.values(), timeout_sec)
    wanted = {
        node: sorted(told[asked]["result"]["names"])
        for node, asked in names.items()
        if asked in told
    }
    values = {
        node: ask(session, f"{node}/get_parameters", GetParameters.Request(names=each).to_json())
        for node, each in wanted.items()
    }
    found = answers(session, values.values(), timeout_sec)
    files = {
        node: dump_parameters(node, _values(wanted[node], found[asked]))
        for node, asked in values.items()
        if asked in found
    }
    return "".join(files.values()), [node for node in names if node not in files]


def loaded(session: Session, node: str, file: Path) -> Iterator[str]:
    """Set what a file has for a node, one by one; what to tell of each.

    Raises:
        CommandError: no such node, nothing for it in the file, or one was not taken.
        LaunchFileError: no such file, or no YAML.
    """
    node = find_node(session.graph(), node)
    document = read_file(file, str(file))
    if document.problems:
        raise LaunchFileError(document.file, document.problems)
    values: dict[str, object] = {}
    for path in ParamsFile(document).layers(node):
        layer = lookup(document.data, path)
        values = merge(values, layer if isinstance(layer, dict) else {})
    if not values:
        raise CommandError(f"{file} has no parameters for {node}")
    failed = 0
    for parameter in flat_parameters(values):
        try:
            told = _set(session, node, [parameter])[0]
        except CommandError as error:
            print(f"{parameter.name}: {error}", file=sys.stderr)
            failed += 1
        else:
            yield f"Set parameter {parameter.name} successful{told.partition('successful')[2]}"
    if failed:
        raise CommandError(f"{failed} of {len(flat_parameters(values))} were not set")


def deleted(session: Session, node: str, name: str) -> str:
    """Unset a parameter; what to tell of it.

    Raises:
        CommandError: no such node or parameter, or it cannot be unset.
    """
    node = find_node(session.graph(), node)
    _check(session, node, [name])
    try:
        _set(session, node, [Parameter(name, ParameterType.NOT_SET, None)])
    except CommandError as error:
        reason = str(error).partition(": ")[2]
        if reason.endswith("got None"):  # the node's model has no words for it
            kind = ParameterType(_describe(session, node, [name])[0].type).words
            reason = f"{name} is to be {kind}, and has no default of none; set it to another value"
        raise CommandError(f"Deleting parameter failed: {reason}") from None
    return "Deleted parameter successfully"
