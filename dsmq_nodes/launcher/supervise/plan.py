"""The plan of a launch: the processes to start. Pure data, so that it can be shown and tested."""

import math
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from dsmq_nodes.given_files import resolved


@dataclass(frozen=True)
class NodePlan:
    """A node that is expected in the graph.

    Attributes:
        name: its full name, with the first slash.
        spec: its class, as module:Class; for a gateway a text without a colon; "" for the node of a
            program for rclpy.
        rate_hz: the rate that the launch file declares, which the node has to keep.
    """

    name: str
    spec: str
    rate_hz: float | None = None


@dataclass(frozen=True)
class Dependency:
    """A dependency of a process.

    Attributes:
        process: the process to wait for, by its name in the plan.
        node: the full name of the node in it; a program that is not a node has a name too.
        topic: wait for this topic's first message; None: until the node is ready, or a program that
            is not a node is started.
        timeout_sec: the launch fails after this time.
        exited: wait until the process has ended for good, in whatever way.
    """

    process: str
    node: str
    topic: str | None = None
    timeout_sec: float = 30.0
    exited: bool = False


@dataclass(frozen=True)
class RestartPlan:
    """When a process that has ended is started again.

    Attributes:
        policy: on-failure: after a signal or another exit status than 0.
        delay_sec: the delay before the first restart; it doubles for each further one within the
            window.
        max_delay_sec: the limit of the delay.
        jitter: the share by which the delay varies, up and down.
        max_restarts: with more restarts than this within the window it is FAILED; None: no limit.
        window_sec: the time over which restarts are counted.
    """

    policy: Literal["never", "on-failure", "always"] = "never"
    delay_sec: float = 1.0
    max_delay_sec: float = 30.0
    jitter: float = 0.2
    max_restarts: int | None = 5
    window_sec: float = 60.0


@dataclass(frozen=True)
class LogPlan:
    """A log file: at `most_bytes` it becomes `.1`, an earlier `.1` becomes `.2`, up to `keep`."""

    path: Path
    most_bytes: int = 10 << 20
    keep: int = 3


@dataclass(frozen=True)
class ProcessPlan:
    """One process to start.

    Attributes:
        name: its name in the output; for a node its full name without the first slash.
        argv: the program and its arguments, without a shell. A node starts with SIGINT and SIGTERM
            blocked, and handles them when it is ready (child.py).
        env: additions to the launcher's own environment.
        nodes: the nodes that are expected in it; none for any other program.
        terminal: whether it draws on the terminal itself, if there is one; other lines wait.
        screen: whether its lines are shown.
        log: the file for its lines, if any.
        depends_on: its dependencies.
        delay_sec: how long it waits after them before its first start.
        restart: when it is restarted.
        required: whether the launch ends when it has ended for good.
        sigterm_timeout_sec: the time from SIGINT to SIGTERM.
        sigkill_timeout_sec: the time from SIGTERM to SIGKILL.
        affinity: the CPUs that it may run on; empty for any.
        nice: its niceness.
        fork: whether the warm process of the launch may fork it; False: it has its own interpreter.
    """

    name: str
    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    nodes: tuple[NodePlan, ...] = ()
    terminal: bool = False
    screen: bool = True
    log: LogPlan | None = None
    depends_on: tuple[Dependency, ...] = ()
    delay_sec: float = 0.0
    restart: RestartPlan = RestartPlan()
    required: bool = False
    sigterm_timeout_sec: float = 5.0
    sigkill_timeout_sec: float = 5.0
    affinity: tuple[int, ...] = ()
    nice: int = 0
    fork: bool = True

    @property
    def is_of_kit(self) -> bool:
        """Whether the kit makes its nodes (child.py)."""
        return any(node.spec for node in self.nodes)

    @property
    def starts_later(self) -> bool:
        """Whether it waits for a time, or without a limit: for an event that may never come."""
        return self.delay_sec > 0 or any(math.isinf(each.timeout_sec) for each in self.depends_on)

    @property
    def telling_nodes(self) -> list[NodePlan]:
        """Its nodes that publish statistics: those of a class, no gateway."""
        return [node for node in self.nodes if ":" in node.spec]

    def __str__(self) -> str:
        words = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.env.items())]
        return "\n    ".join([" ".join([*words, shlex.join(self.argv)]), *self._conditions()])

    def _conditions(self) -> Iterator[str]:
        """Yield the process's unusual settings."""
        for each in self.depends_on:
            what = "is ready" if each.topic is None else f"has published on {each.topic}"
            what = "has ended" if each.exited else what
            limit = "" if math.isinf(each.timeout_sec) else f", within {each.timeout_sec:g} s"
            yield f"after: {each.node} {what}{limit}"
        if self.restart.policy != "never":
            most, window_sec = self.restart.max_restarts, self.restart.window_sec
            within = "" if math.isinf(window_sec) else f" in {window_sec:g} s"
            limit = "" if most is None else f", {most} times{within} at most"
            yield f"restart: {self.restart.policy}{limit}"
        for is_unusual, text in (
            (self.delay_sec, f"delay: {self.delay_sec:g} s"),
            (self.required, "required: the launch ends with it"),
            (self.log, f"log: {self.log and self.log.path}"),
            (self.affinity, f"CPUs: {', '.join(map(str, self.affinity))}"),
            (self.nice, f"nice: {self.nice}"),
            (not self.fork, "fork: false, an interpreter of its own"),
        ):
            if is_unusual:
                yield text


@dataclass(frozen=True)
class LaunchEvent:
    """Something that has happened in a launch.

    Attributes:
        what: a process has started, ended or written a line; or the launch is about to end.
        process: the name of the process; "" for the end of the launch.
        pid: its process id.
        status: its exit status; -N when signal N has ended it.
        line: the line that it has written.
        is_asked: whether the launch ends for a signal, or because its time is over.
    """

    what: Literal["started", "ended", "stdout", "stderr", "shutdown"]
    process: str = ""
    pid: int = 0
    status: int = 0
    line: bytes = b""
    is_asked: bool = False


@dataclass(frozen=True)
class Reaction:
    """The lines, processes, signals and end that follow from an event.

    Attributes:
        lines: lines to show.
        processes: processes to start; none is started while the launch ends.
        ends: why the launch ends; None: it goes on.
        signals: processes to signal, each with the signal, and whether it is not restarted then.
    """

    lines: tuple[str, ...] = ()
    processes: tuple[ProcessPlan, ...] = ()
    ends: str | None = None
    signals: tuple[tuple[str, signal.Signals, bool], ...] = ()


class Reactions(Protocol):
    """Decides what follows from events."""

    def reads(self, process: str) -> bool:
        """Whether the lines of a process are events; its two streams are read apart then."""

    def react(self, event: LaunchEvent) -> Reaction:
        """Return what follows from an event.

        Raises:
            LaunchFileError: nothing can follow; the launch ends.
        """
        ...


@dataclass(frozen=True)
class Plan:
    """A broker and nodes; DSMQ_BROKER is added once the broker's address is known.

    Attributes:
        broker: the broker.
        nodes: all other processes.
        elsewhere: the address of a broker that is used instead of starting one, HOST:PORT; empty:
            none.
        another_port: how to give the launch's broker another port, in words.
        stop_file: the file that keeps a pressed emergency stop; None: it is not kept.
        reactions: decides what follows from events of the launch; None: nothing does.
    """

    broker: ProcessPlan
    nodes: tuple[ProcessPlan, ...]
    another_port: str = ""
    elsewhere: str = ""
    stop_file: Path | None = None
    reactions: Reactions | None = None

    def __str__(self) -> str:
        broker = f"at {self.elsewhere}, not started" if self.elsewhere else str(self.broker)
        nodes = [f"[{process.name}] {process}" for process in self.nodes]
        reactions = [] if self.reactions is None else [str(self.reactions)]
        return "\n".join([f"[{self.broker.name}] {broker}", *nodes, *reactions])


def find_project_root(launch_file: Path) -> Path:
    """Return the directory of a launch file's classes: above `launch/`, else the file's own."""
    directory = resolved(launch_file).parent
    return directory.parent if directory.name == "launch" else directory
