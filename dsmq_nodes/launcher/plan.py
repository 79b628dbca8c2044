"""What a launch will do: launch file to processes. Pure, so that it can be shown and tested."""

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from dsmq_nodes.graph.environment import NodeEnvironment
from dsmq_nodes.launcher.file import LaunchFile, NodeEntry

_CHILD = "dsmq_nodes.launcher.child"


@dataclass(frozen=True)
class ProcessPlan:
    """One process to start.

    Attributes:
        name: what it is called in the output; for a node its full name without the first slash.
        argv: the program and its arguments; no shell reads them. It starts with SIGINT and SIGTERM
            blocked, and takes them when it is ready (launcher/child.py does that).
        env: what is added to the launcher's own environment.
        terminal: it draws on the terminal itself, if there is one; others' lines wait.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    terminal: bool = False

    def __str__(self) -> str:
        words = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env.items())]
        return " ".join([*words, shlex.join(self.argv)])


@dataclass(frozen=True)
class Plan:
    """A broker, then nodes; DSMQ_BROKER is added when it is known where the broker listens."""

    broker: ProcessPlan
    nodes: tuple[ProcessPlan, ...]

    def __str__(self) -> str:
        return "\n".join(f"[{process.name}] {process}" for process in (self.broker, *self.nodes))


def make_plan(file: LaunchFile, project_root: Path) -> Plan:
    """Return what is to be started; classes are also looked for in `project_root`."""
    broker = ("dsmq_nodes.dsmq.broker", "--host", file.broker.host, "--port", f"{file.broker.port}")
    return Plan(
        ProcessPlan("broker", (sys.executable, "-m", _CHILD, "--module", *broker)),
        tuple(_node(node, project_root) for node in file.nodes),
    )


def find_project_root(launch_file: Path) -> Path:
    """Return where a launch file's classes live: above `launch/`, else the file's own directory."""
    directory = launch_file.resolve().parent
    return directory.parent if directory.name == "launch" else directory


def _node(entry: NodeEntry, project_root: Path) -> ProcessPlan:
    environment = NodeEnvironment(
        name=entry.name,
        namespace=entry.namespace or None,
        rate_hz=entry.rate,
        params=dict(entry.params),
        remap=entry.remap,
    )
    return ProcessPlan(
        entry.full_name.removeprefix("/"),
        (sys.executable, "-m", _CHILD, "--path", str(project_root), entry.node),
        {**entry.env, **environment.dump()},
        terminal=entry.output == "terminal",
    )
