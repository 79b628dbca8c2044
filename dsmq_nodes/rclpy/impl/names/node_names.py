"""A node's names, after remapping, and the parameters that its arguments set."""

from typing import Any

from dsmq_nodes.rclpy.expand_topic_name import expand_topic_name
from dsmq_nodes.rclpy.impl.c_errors import RCLError
from dsmq_nodes.rclpy.impl.names import name_rules
from dsmq_nodes.rclpy.impl.names.c_text import c_text
from dsmq_nodes.rclpy.impl.names.ros_arguments import Arguments, parse
from dsmq_nodes.rclpy.validate_full_topic_name import validate_full_topic_name
from dsmq_nodes.rclpy.validate_namespace import validate_namespace
from dsmq_nodes.rclpy.validate_node_name import validate_node_name
from dsmq_nodes.rclpy.validate_topic_name import validate_topic_name

_NODE = (
    "rclpy._rclpy_pybind11.Node(arg0: str, arg1: str, arg2: rclpy._rclpy_pybind11.Context, "
    "arg3: object, arg4: bool, arg5: bool, arg6: object)"
)
_RESOLVE = "rclpy_resolve_name(arg0: rclpy::Node, arg1: str, arg2: bool, arg3: bool) -> str"


class NodeNames:
    """A node's name and namespace, and its names of topics and services.

    Attributes:
        name: after remapping.
        namespace: absolute, after remapping.
        params: the values that arguments set, by name.
    """

    def __init__(
        self, name: str, namespace: str, own: list[str] | None, given: Arguments | None
    ) -> None:
        """Args: the node's own words (`cli_args`) and those of the process, which come after.

        Raises:
            InvalidNodeNameException: the name breaks the rules.
            InvalidNamespaceException: the namespace does.
        """
        missing = RCLError("error creating node: name argument is null")
        both = name, namespace
        name = c_text(name, missing, _NODE, *both)
        namespace = c_text(namespace, missing, _NODE, *both)
        validate_node_name(name)
        full = namespace if namespace.startswith("/") else f"/{namespace}"
        validate_namespace(full)
        self._sources = [parse(own, scoped=True)] if own else []
        if given is not None:
            self._sources.append(given)
        self.name = self._first("node_name", name, name)
        self.namespace = self._first("namespace", full, name, full)
        fault = name_rules.namespace_fault(self.namespace)
        if fault is not None:  # a remap's may end with a slash
            raise RCLError(f"error creating node: invalid node namespace: {fault[0]}")
        absolute = f"{self.namespace.rstrip('/')}/{self.name}"
        self.params: dict[str, Any] = {}
        for source in reversed(self._sources):
            self.params |= source.params_of(absolute)

    def _first(self, what: str, value: str, *args: str) -> str:
        for source in self._sources:
            found: str = getattr(source, what)(*args)
            if found != value:
                return found
        return value

    def check(self, name: str, *, is_service: bool) -> None:
        """Check the name of a topic or service.

        Raises:
            InvalidTopicNameException: it breaks the rules, or that of a service.
            ValueError: it has a substitution that does not exist.
        """
        validate_topic_name(name, is_service=is_service)
        expanded = expand_topic_name(name, self.name, self.namespace)
        validate_full_topic_name(expanded, is_service=is_service)

    def resolve(self, name: str, *, is_service: bool, only_expand: bool) -> str:
        """Return the absolute name.

        Raises:
            RCLError: it breaks the rules.
        """
        missing = RCLError("failed to resolve name: input_topic_name argument is null")
        name = c_text(name, missing, _RESOLVE, self, name, only_expand, is_service)
        fault = name_rules.topic_fault(name)
        if fault is not None:
            raise RCLError(f"failed to resolve name: {fault[0]}")
        try:
            expanded = name_rules.absolute(name, self.name, self.namespace)
        except KeyError as unknown:
            raise RCLError(
                f"failed to resolve name: unknown substitution: {{{unknown.args[0]}}}"
            ) from None
        fault = name_rules.full_topic_fault(expanded)
        if fault is not None:
            raise RCLError(f"failed to resolve name: {fault[0]}")
        return expanded if only_expand else self.remapped(expanded, is_service=is_service)

    def remapped(self, expanded: str, *, is_service: bool) -> str:
        """Return the new name for an absolute name; the first rule that matches counts."""
        kind = "service" if is_service else "topic"
        for source in self._sources:
            found = source.topic(expanded, kind, self.name, self.namespace)
            if found is not None:
                return found
        return expanded
