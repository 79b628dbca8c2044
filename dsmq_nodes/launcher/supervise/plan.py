"""What a launch will do: processes to start. Pure data, so that it can be shown and tested."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dsmq_nodes.graph.parameters.yaml_source import resolved


@dataclass(frozen=True)
class NodePlan:
    """A node that is expected in the graph.

    Attributes:
        name: its full name, with the first slash.
        spec: its class, as module:Class.
        rate_hz: the rate that the launch file declares; it is a contract.
    """

    name: str
    spec: str
    rate_hz: float | None = None


@dataclass(frozen=True)
class Dependency:
    """What a process waits for before it is started.

    Attributes:
        process: the process to wait for, by its name in the plan.
        node: the node in it, by its full name; a program that is no node has one too.
        topic: wait for this topic's first message; None: until the node is ready, or the program
            that is no node is started.
        timeout_sec: the launch fails after so long.
    """

    process: str
    node: str
    topic: str | None = None
    timeout_sec: float = 30.0


@dataclass(frozen=True)
class RestartPlan:
    """When a process that has ended is started again.

    Attributes:
        policy: on-failure: after a signal or another exit status than 0.
        delay_sec: before the first restart; doubled for each further one within the window.
        max_delay_sec: it grows no longer than this.
        jitter: the delay varies by this share, up and down.
        max_restarts: with one more than this within the window it has FAILED.
        window_sec: restarts are counted over so long.
    """

    policy: Literal["never", "on-failure", "always"] = "never"
    delay_sec: float = 1.0
    max_delay_sec: float = 30.0
    jitter: float = 0.2
    max_restarts: int = 5
    window_sec: float = 60.0


@dataclass(frozen=True)
class LogPlan:
    """A log file: at `most_bytes` it becomes `.1`, that becomes `.2`, up to `keep`."""

    path: Path
    most_bytes: int = 10 << 20
    keep: int = 3


@dataclass(frozen=True)
class ProcessPlan:
    """One process to start.

    Attributes:
        name: what it is called in the output; for a node its full name without the first slash.
        argv: the program and its arguments; no shell reads them. A node's starts with SIGINT and
            SIGTERM blocked, and takes them when it is ready (child.py does that).
        env: what is added to the launcher's own environment.
        nodes: the nodes that are expected of it; none: it is any program.
        terminal: it draws on the terminal itself, if there is one; others' lines wait.
        screen: its lines are shown.
        log: where its lines are also written, if anywhere.
        depends_on: what is waited for before it is started.
        restart: when it is started again.
        required: the launch ends when it has ended for good.
        sigterm_timeout_sec: how long after SIGINT it is sent SIGTERM.
        sigkill_timeout_sec: how long after SIGTERM it is sent SIGKILL.
        affinity: the CPUs that it may run on; none: any.
        nice: its niceness.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    nodes: tuple[NodePlan, ...] = ()
    terminal: bool = False
    screen: bool = True
    log: LogPlan | None = None
    depends_on: tuple[Dependency, ...] = ()
    restart: RestartPlan = RestartPlan()
    required: bool = False
    sigterm_timeout_sec: float = 5.0
    sigkill_timeout_sec: float = 5.0
    affinity: tuple[int, ...] = ()
    nice: int = 0

    def __str__(self) -> str:
        words = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env.items())]
        return "\n    ".join([" ".join([*words, shlex.join(self.argv)]), *self._conditions()])

    def _conditions(self) -> Iterator[str]:
        """Yield what is not as usual about the process."""
        for each in self.depends_on:
            what = "is ready" if each.topic is None else f"has published on {each.topic}"
            yield f"after: {each.node} {what}, within {each.timeout_sec:g} s"
        if self.restart.policy != "never":
            most, window_sec = self.restart.max_restarts, self.restart.window_sec
            yield f"restart: {self.restart.policy}, {most} times in {window_sec:g} s at most"
        if self.required:
            yield "required: the launch ends with it"
        if self.log is not None:
            yield f"log: {self.log.path}"
        if self.affinity:
            yield f"CPUs: {', '.join(map(str, self.affinity))}"
        if self.nice:
            yield f"nice: {self.nice}"


@dataclass(frozen=True)
class Plan:
    """A broker, then nodes; DSMQ_BROKER is added when it is known where the broker listens.

    Attributes:
        broker: the broker.
        nodes: the others.
        another_port: how the launch is given another port for its broker, in words.
    """

    broker: ProcessPlan
    nodes: tuple[ProcessPlan, ...]
    another_port: str = ""

    def __str__(self) -> str:
        return "\n".join(f"[{process.name}] {process}" for process in (self.broker, *self.nodes))


def find_project_root(launch_file: Path) -> Path:
    """Return where a launch file's classes live: above `launch/`, else the file's own directory."""
    directory = resolved(launch_file).parent
    return directory.parent if directory.name == "launch" else directory
