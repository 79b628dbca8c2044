"""The nodes of a launch file, each with the settings of its groups, includes and copies."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.graph.parameters.parameter_files import ParamsFile
from dsmq_nodes.graph.parameters.parameter_store import flat
from dsmq_nodes.graph.parameters.yaml_source import Document, Place
from dsmq_nodes.graph.parameters.yaml_source import Path as Keys
from dsmq_nodes.launcher.file.entries import BrokerEntry, LogEntry, NodeEntry
from dsmq_nodes.launcher.file.gateway_entries import GatewayEntry

_MOST_PLACES: Final = 300  # they travel in one environment variable, of 128 KiB
_MOST_GROUPS: Final = 6


@dataclass(frozen=True)
class Origin:
    """A place in a launch file."""

    document: Document
    path: Keys

    def within(self, *path: str | int) -> "Origin":
        """Return the place of a part of it."""
        return Origin(self.document, (*self.path, *path))

    @property
    def place(self) -> Place:
        """The place of the value."""
        return self.document.place(self.path)

    def problem(self, message: str, *, at_key: bool = False) -> LaunchProblem:
        """Return a problem with the value, or with its key."""
        place = self.document.key_place(self.path) if at_key else self.place
        return self.document.problem(place, message)


@dataclass(frozen=True)
class ComposedNode:
    """One node to start.

    Attributes:
        entry: its entry, after substitutions.
        name: its own name, numbered for a copy.
        namespace: absolute; "" is the root.
        params: its parameters, including those from files.
        remap: its remapping, including that of groups; the nearest wins.
        env: its environment variables, likewise.
        process: the process that it shares with others, absolute; None for its own.
        origin: the place of its entry.
        remaps: the place of each remapping.
        layers: the places of its parameters, the most important last.
        doubtful: the keys of its entry that were left out because they are wrong.
    """

    entry: NodeEntry
    name: str
    namespace: str
    params: dict[str, object]
    remap: dict[str, str]
    env: dict[str, str]
    process: str | None
    origin: Origin
    remaps: dict[str, Origin] = field(default_factory=dict)
    layers: tuple[Origin, ...] = ()
    doubtful: frozenset[str] = frozenset()

    @property
    def full_name(self) -> str:
        """The name in the graph, with its namespace: `/robot1/lidar`."""
        return f"{self.namespace}/{self.name}"

    def param_origin(self, path: Keys) -> Origin:
        """Return the place of a parameter, by its name and the names within it."""
        for layer in reversed(self.layers):
            if (*layer.path, *path) in layer.document.values:
                return layer.within(*path)
        return self.param_origin(path[:-1]) if path else self.origin

    def declared_origin(self, name: str) -> Origin:
        """Return the place of a parameter by its name with dots, whatever its grouping."""
        for layer in reversed(self.layers):
            known = layer.document.values
            for path in _groupings(tuple(name.split("."))):
                if (*layer.path, *path) in known:
                    return layer.within(*path)
        return self.param_origin(tuple(name.split(".")))

    @property
    def param_places(self) -> dict[str, str]:
        """The places of its parameters, as `file:line:column`, by their names with dots."""
        names = flat(self.params)
        if len(names) > _MOST_PLACES:
            return {}
        origins = {name: self.declared_origin(name) for name in names}
        return {
            name: f"{at.document.file}:{at.place.line}:{at.place.column}"
            for name, at in origins.items()
        }


def _groupings(words: tuple[str, ...]) -> Iterator[Keys]:
    """Yield `a.b.c` as the paths (a, b, c), (a, b.c), (a.b, c) and (a.b.c)."""
    if len(words) == 1 or len(words) > _MOST_GROUPS:
        yield words
        return
    for rest in _groupings(words[1:]):
        yield words[0], *rest
        yield f"{words[0]}.{rest[0]}", *rest[1:]


@dataclass(frozen=True)
class ComposedGateway:
    """One gateway to start.

    Attributes:
        key: its key in the launch file.
        entry: its entry, after substitutions.
        origin: the place of its entry.
    """

    key: str
    entry: GatewayEntry
    origin: Origin


@dataclass
class Composition:
    """A composed launch file.

    Attributes:
        file: the launch file, as the user named it.
        broker: the broker, with paths relative to the launch file.
        broker_origin: the place of the broker's entry, even if it is not written.
        log: the settings of log files, with the folder relative to the launch file.
        nodes: the nodes to start.
        gateways: the gateways of the file itself, without those of included files.
        skipped: full names of nodes whose conditions do not hold.
        params_files: the files of parameters that nodes name.
        faulty: full names of nodes that are not in `nodes` because of mistakes.
        unplaced: the classes of these, with the place of each.
        is_partial: whether there are more faulty nodes, with unknown names.
    """

    file: str
    broker: BrokerEntry = field(default_factory=BrokerEntry)
    broker_origin: Origin | None = None
    log: LogEntry = field(default_factory=LogEntry)
    nodes: list[ComposedNode] = field(default_factory=list)
    gateways: list[ComposedGateway] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)
    params_files: dict[Path, ParamsFile] = field(default_factory=dict)
    faulty: set[str] = field(default_factory=set)
    unplaced: list[tuple[Origin, str]] = field(default_factory=list)
    is_partial: bool = False

    @cached_property
    def by_name(self) -> dict[str, ComposedNode]:
        """The nodes by their full names, once all are known."""
        return {node.full_name: node for node in self.nodes}
