"""The requests to the process that examines node classes (examine.py), and its answers."""

from typing import Any, Final

import msgspec

from dsmq_nodes.graph.spin.environment import NodeEnvironment


class NodeRequest(msgspec.Struct):
    """A node to examine: its class, its settings, its environment variables."""

    spec: str
    settings: NodeEnvironment
    env: dict[str, str] = {}


class ExaminationRequest(msgspec.Struct):
    """The nodes to examine, then the modules to search for node classes."""

    root: str
    nodes: list[NodeRequest] = []
    modules: list[str] = []


class NodeTopic(msgspec.Struct):
    """A topic at a node, and the JSON Schema of its type."""

    topic: str
    type_name: str
    schema: str


DECLARED: Final = "declared"
"""The kind of an error about a parameter that a node declares in its code; `loc` is its name."""

UNDECLARED: Final = "undeclared"
"""The kind of an error about a parameter that a node lacks; `loc` is its name with dots."""


class WrongParam(msgspec.Struct):
    """Pydantic's error about a parameter; `known` are the existing names."""

    loc: list[str | int]
    kind: str
    message: str
    context: dict[str, str | float] = {}
    known: list[str] = []


class NodeFinding(msgspec.Struct):
    """A finding about a node; one with `begun` is sent before the node is imported.

    `error` is the reason why it cannot run, `unknown` why it could not be examined.
    """

    index: int
    begun: bool = False
    error: str = ""
    unknown: str = ""
    params: list[WrongParam] = []
    published: list[NodeTopic] = []
    subscribed: list[NodeTopic] = []


class NodeClass(msgspec.Struct):
    """A node class in a module, with the JSON Schema of its parameters."""

    spec: str
    about: str
    params: dict[str, Any]
