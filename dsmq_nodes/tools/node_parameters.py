"""Parameters of other nodes, by the services that every node has."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.errors import CommandError, LaunchFileError
from dsmq_nodes.graph.parameters.parameter import Parameter, ParameterKind
from dsmq_nodes.graph.parameters.parameter_files import (
    ParamsFile,
    dump_parameters,
    lookup,
    merge,
    misspelt,
)
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.parameters.yaml_source import parse, read_file
from dsmq_nodes.messages.rcl_interfaces import Parameter as ParameterMessage
from dsmq_nodes.messages.rcl_interfaces import ParameterDescriptor
from dsmq_nodes.messages.rcl_interfaces_srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)
from dsmq_nodes.printable import one_line
from dsmq_nodes.tools.ended_nodes import find_running
from dsmq_nodes.tools.graph_model import GraphModel
from dsmq_nodes.tools.offers import absolute, unknown
from dsmq_nodes.tools.service_calls import answers, ask, call_typed, typed
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import REPLY, is_kits_own

_TITLES: Final = {
    ParameterKind.BOOL: "Boolean value is:",
    ParameterKind.INTEGER: "Integer value is:",
    ParameterKind.DOUBLE: "Double value is:",
    ParameterKind.STRING: "String value is:",
    ParameterKind.BYTE_ARRAY: "Byte values are:",
    ParameterKind.BOOL_ARRAY: "Boolean values are:",
    ParameterKind.INTEGER_ARRAY: "Integer values are:",
    ParameterKind.DOUBLE_ARRAY: "Double values are:",
    ParameterKind.STRING_ARRAY: "String values are:",
}
_LISTS: Final = f"/list_parameters{REPLY}"
_NOT_SET: Final = "Parameter not set."


class NodeParameters:
    """The parameters of the nodes of a session's graph."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def names_of(self, node: str, prefixes: Sequence[str] = ()) -> list[str]:
        """Return the names of a node's parameters; `node` is its full name."""
        request = ListParameters.Request(prefixes=list(prefixes))
        service = f"{node}/list_parameters"
        return sorted(
            call_typed(self._session, service, request, ListParameters.Response).result.names
        )

    def listed(
        self, node: str, prefixes: Sequence[str], *, with_types: bool
    ) -> dict[str, dict[str, str]]:
        """Return the parameters of a node, or of all nodes, with their types on request."""
        graph = self._session.graph()
        found = {}
        for name in [_serving_node(self._session, graph, node)] if node else _serving(graph):
            names = self.names_of(name, prefixes)
            described = self._describe(name, names) if with_types else []
            words = [_words(each.type) for each in described] or [""] * len(names)
            found[name] = dict(zip(names, words, strict=True))
        return found

    def got(self, node: str, name: str) -> Parameter:
        """Return a parameter's value.

        Raises:
            CommandError: there is no such node or parameter.
        """
        node = _serving_node(self._session, self._session.graph(), node)
        return self._get(node, self._check(node, [name]))[0]

    def _get(self, node: str, names: Sequence[str]) -> list[Parameter]:
        request = GetParameters.Request(names=list(names))
        service = f"{node}/get_parameters"
        return self._read(
            node, names, call_typed(self._session, service, request, GetParameters.Response)
        )

    def _read(
        self, node: str, names: Sequence[str], response: GetParameters.Response
    ) -> list[Parameter]:
        if response.values or not names:
            return _values(f"{node}/get_parameters", names, response)
        if len(names) == 1:
            return [Parameter(names[0], ParameterKind.NOT_SET, None)]
        # a node of rclpy returns no values at all if one of the parameters has none
        return [self._get(node, [name])[0] for name in names]

    def _check(self, node: str, names: Sequence[str]) -> list[str]:
        known = self.names_of(node)
        for name in names:
            if name not in known:
                raise unknown("parameter", f"{name} of {node}", known, nearest_to=name)
        return list(names)

    def set_one(self, node: str, name: str, value: str) -> str:
        """Set a parameter to a value in YAML; return a line about it.

        Raises:
            CommandError: there is no such node or parameter, no value, or the node refuses it.
        """
        node = _serving_node(self._session, self._session.graph(), node)
        self._check(node, [name])
        type_ = self._describe(node, [name])[0].type
        return self._set(node, [parameter_of(name, type_, value)])[0]

    def _set(self, node: str, parameters: Sequence[Parameter]) -> list[str]:
        request = SetParameters.Request(parameters=[each.to_parameter_msg() for each in parameters])
        service = f"{node}/set_parameters"
        results = call_typed(self._session, service, request, SetParameters.Response).results
        _check_count(service, [each.name for each in parameters], results)
        lines = []
        for result in results:
            reason = f": {one_line(result.reason)}" if result.reason else ""
            if not result.successful:
                raise CommandError(f"Setting parameter failed{reason}")
            lines.append(f"Set parameter successful{reason}")
        return lines

    def described(self, node: str, names: Sequence[str]) -> list[ParameterDescriptor]:
        """Return the descriptors of parameters.

        Raises:
            CommandError: there is no such node or parameter.
        """
        node = _serving_node(self._session, self._session.graph(), node)
        return self._describe(node, self._check(node, names))

    def _describe(self, node: str, names: Sequence[str]) -> list[ParameterDescriptor]:
        request = DescribeParameters.Request(names=list(names))
        service = f"{node}/describe_parameters"
        found = call_typed(self._session, service, request, DescribeParameters.Response).descriptors
        _check_count(service, names, found)
        return found

    def dumped(self, node: str) -> str:
        """Return all parameters of a node, as the text of a file."""
        node = _serving_node(self._session, self._session.graph(), node)
        return dump_parameters(node, self._get(node, self.names_of(node)))

    def all_dumped(self, timeout_sec: float) -> tuple[str, list[str]]:
        """Return the parameters of all nodes as one file, and the nodes that were too late.

        Two requests go to each node: for the names, and for the values.
        """
        names = {
            node: ask(self._session, f"{node}/list_parameters", ListParameters.Request().to_json())
            for node in _serving(self._session.graph())
        }
        responses = dict(answers(self._session, names.values(), timeout_sec))
        wanted: dict[str, list[str]] = {}
        for node, asked in names.items():
            with contextlib.suppress(CommandError, KeyError):  # a wrong answer counts as none
                known = typed(asked.service, responses[asked], ListParameters.Response)
                wanted[node] = sorted(known.result.names)
        values = {
            node: ask(
                self._session, f"{node}/get_parameters", GetParameters.Request(names=each).to_json()
            )
            for node, each in wanted.items()
        }
        found = dict(answers(self._session, values.values(), timeout_sec))
        files: dict[str, str] = {}
        for node, asked in values.items():
            with contextlib.suppress(CommandError, KeyError):
                response = typed(asked.service, found[asked], GetParameters.Response)
                files[node] = dump_parameters(node, self._read(node, wanted[node], response))
        return "".join(files.values()), [node for node in names if node not in files]

    def loaded(self, node: str, file: Path, refused: Callable[[str], None]) -> Iterator[str]:
        """Set the values of a file for a node, one by one; yield a line for each that was set.

        `refused` is called with the reason for each value that the node refused.

        Raises:
            CommandError: there is no such node, the file has nothing for it, or a value was
                refused.
            LaunchFileError: there is no such file, or it is not YAML.
        """
        node = _serving_node(self._session, self._session.graph(), node)
        document = read_file(file, str(file), "it needs parameters: 'name: value'", merges=True)
        if problems := [*document.problems, *misspelt(document)]:
            raise LaunchFileError(document.file, problems)
        values: dict[str, object] = {}
        for path in ParamsFile(document).layers(node):
            layer = lookup(document.data, path)
            values = merge(values, layer if isinstance(layer, dict) else {})
        if not values:
            raise CommandError(f"{file} has no parameters for {node}")
        wanted, failed = flat(values), 0
        types = [each.type for each in self._describe(node, list(wanted))]
        for (name, value), type_ in zip(wanted.items(), types, strict=True):
            try:
                line = self._set(node, [fitting(name, type_, value)])[0]
            except (CommandError, TypeError) as error:
                refused(f"{one_line(name)}: {one_line(str(error))}")
                failed += 1
            else:
                successful = line.partition("successful")[2]
                yield f"Set parameter {one_line(name)} successful{successful}"
        if failed:
            raise CommandError(f"{failed} of {len(wanted)} were not set")

    def deleted(self, node: str, name: str) -> str:
        """Unset a parameter; return a line about it.

        Raises:
            CommandError: there is no such node or parameter, or it cannot be unset.
        """
        node = _serving_node(self._session, self._session.graph(), node)
        self._check(node, [name])
        try:
            self._set(node, [Parameter(name, ParameterKind.NOT_SET, None)])
        except CommandError as error:
            reason = str(error).partition(": ")[2]
            if reason.endswith("got None"):  # the text of the node's model, which is no help
                kind = _words(self._describe(node, [name])[0].type)
                reason = f"{name} is to be {kind}, and cannot be unset; set it to another value"
            raise CommandError(f"Deleting parameter failed: {reason}") from None
        return "Deleted parameter successfully"

    @staticmethod
    def shown(parameter: Parameter, *, hide_type: bool) -> str:
        """Return a value in ros2's format."""
        if parameter.type_ is ParameterKind.NOT_SET:
            return _NOT_SET
        value = one_line(str(parameter.value))
        return value if hide_type else f"{_TITLES[parameter.type_]} {value}"

    @staticmethod
    def description(found: ParameterDescriptor) -> Iterator[str]:
        """Yield a descriptor in ros2's format."""
        yield f"Parameter name: {one_line(found.name)}"
        yield f"  Type: {_words(found.type)}"
        if found.description:
            yield f"  Description: {one_line(found.description)}"
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
            yield f"    Additional constraints: {one_line(found.additional_constraints)}"


def _serving_node(session: Session, graph: GraphModel, name: str) -> str:
    """Return the full name of a node that serves its parameters, itself or through a bridge.

    Raises:
        CommandError: there is no such node; the text has the nearest name.
    """
    full_name = absolute(name)
    return full_name if full_name in _serving(graph) else find_running(session, graph, name)


def _serving(graph: GraphModel) -> list[str]:
    """Return the nodes whose parameters are served, including those behind a bridge."""
    return sorted(
        topic.name.removesuffix(_LISTS)
        for topic in graph.topics
        if topic.publishers and topic.name.endswith(_LISTS) and not is_kits_own(topic.name)
    )


def _values(
    service: str, names: Sequence[str], response: GetParameters.Response
) -> list[Parameter]:
    _check_count(service, names, response.values)
    try:
        return [
            Parameter.from_parameter_msg(ParameterMessage(name=name, value=value))
            for name, value in zip(names, response.values, strict=True)
        ]
    except TypeError as error:
        raise CommandError(f"{service} has answered with something else: {error}") from None


def _check_count(service: str, names: Sequence[str], returned: Sequence[object]) -> None:
    if len(returned) != len(names):
        raise CommandError(
            f"{service} was asked for {len(names)} parameters and returned {len(returned)}"
        )


def _words(type_: int) -> str:
    """Return a parameter's type in words."""
    return ParameterKind(type_).words if type_ in set(ParameterKind) else f"unknown type {type_}"


def parameter_of(name: str, type_: int, text: str) -> Parameter:
    """Return the parameter that a text in YAML stands for, given its current type.

    For a text parameter everything without quotes is text: 1 as well as `a: b`.

    Raises:
        CommandError: no parameter can have this value.
        LaunchFileError: the text is not YAML; the error says where.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise CommandError(f"{name}: the value is not UTF-8: {text!r:.60}")
    if type_ == ParameterKind.STRING and not text.lstrip().startswith(('"', "'", "!!str ")):
        return Parameter(name, None, text)
    value = None
    if text.strip():
        document = parse(text, "VALUE", "write null to unset it")
        if document.problems:
            raise LaunchFileError(document.file, document.problems)
        value = document.data
    try:
        return fitting(name, type_, value)
    except TypeError as error:
        raise CommandError(one_line(str(error))) from None


def fitting(name: str, type_: int, value: object) -> Parameter:
    """Return a parameter with a value from YAML, in its current type if the value fits.

    An integer may be given for a double, and `[]` for any list. A value that does not fit is sent
    in its own type: the node refuses it with a reason, or accepts it if the type is free.

    Raises:
        TypeError: no parameter can have this value.
    """
    try:
        own = Parameter(name, None, value)
    except TypeError:
        if type_ not in _TITLES:
            raise
        return Parameter(name, ParameterKind(type_), value)
    if value == [] or type_ == ParameterKind.BYTE_ARRAY:
        with contextlib.suppress(TypeError, ValueError):
            return Parameter(name, ParameterKind(type_), value)
    return own
