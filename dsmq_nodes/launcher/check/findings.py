"""What is asked of the process that looks at node classes (examine.py), and what it answers."""

from typing import Any

import msgspec

from dsmq_nodes.graph.spin.environment import NodeEnvironment


class NodeRequest(msgspec.Struct):
    """A node to look at: its class, what it is told, its environment variables."""

    spec: str
    told: NodeEnvironment
    env: dict[str, str] = {}


class ExaminationRequest(msgspec.Struct):
    """What to look at: nodes, then the node classes that modules have."""

    root: str
    nodes: list[NodeRequest] = []
    modules: list[str] = []


class NodeTopic(msgspec.Struct):
    """A topic at a node, and the JSON Schema of its type."""

    topic: str
    type_name: str
    schema: str


class WrongParam(msgspec.Struct):
    """What pydantic says is wrong with a parameter; `known` are the names that there are."""

    loc: list[str | int]
    kind: str
    message: str
    context: dict[str, str | float] = {}
    known: list[str] = []


class NodeFinding(msgspec.Struct):
    """What was found about a node: `begun` comes before it is imported.

    `error` is why it cannot run, `unknown` why it could not be looked at.
    """

    index: int
    begun: bool = False
    error: str = ""
    unknown: str = ""
    params: list[WrongParam] = []
    published: list[NodeTopic] = []
    subscribed: list[NodeTopic] = []


class NodeClass(msgspec.Struct):
    """A node class that a module has, with the JSON Schema of its parameters."""

    spec: str
    about: str
    params: dict[str, Any]
