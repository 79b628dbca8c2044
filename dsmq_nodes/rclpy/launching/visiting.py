"""The state of a visit of launch actions, and the processes that the visit finds."""

import contextlib
import copy
import inspect
import linecache
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from signal import Signals
from types import SimpleNamespace
from typing import Any, Final, dataclass_transform

from dsmq_nodes.errors import LaunchProblem
from dsmq_nodes.launcher.supervise.plan import Dependency, ProcessPlan

_PACKAGE: Final = str(Path(__file__).parents[2])
_FOREVER: Final = float("inf")
_CONFIGURED: Final = ("configurations", "namespace", "remaps", "params")


@dataclass(frozen=True)
class SourceLine:
    """A line of a launch file."""

    file: str = ""
    line: int = 0


@dataclass_transform(eq_default=False, field_specifiers=(field,))
class Described:
    """The base of what a launch file describes; its annotated names are the constructor's.

    Attributes:
        place: the line of the launch file that makes it.
    """

    place: SourceLine

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the constructor; classes of launch files have their own."""
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith("dsmq_nodes.") and inspect.get_annotations(cls):
            dataclass(eq=False, repr=False)(cls)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Store the line."""
        made = super().__new__(cls)
        frame = sys._getframe(1)  # noqa: SLF001  as `logging` finds its caller
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
            frame = frame.f_back
        made.place = SourceLine(frame.f_code.co_filename, frame.f_lineno)
        return made

    def __post_init__(self) -> None:
        """Copy lists and iterators: a visit may follow another, and the file may change a list."""
        for each in fields(self):  # type: ignore[arg-type]
            value = getattr(self, each.name)
            if isinstance(value, Iterable) and not isinstance(value, str | Mapping | tuple):
                setattr(self, each.name, list(value))


@dataclass
class Surroundings:
    """The surroundings of an action.

    Attributes:
        configurations: the launch configurations: arguments, and what `let` sets.
        env: environment variables; None: the variable is removed.
        namespace: absolute, or "".
        remaps: (from, to) pairs.
        params: parameters for all nodes, as words of --ros-args.
        delay_sec: how long a process waits before it begins.
        after: the events that a process waits for.
        file: the launch file.
        depth: how many files include one another here.
        variables: the variables of the loops around the action.
        kept_env: the environments that `PushEnvironment` has saved.
        kept_configurations: the configurations that `PushLaunchConfigurations` has saved.
    """

    configurations: dict[str, str] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    namespace: str = ""
    remaps: list[tuple[str, str]] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    delay_sec: float = 0.0
    after: tuple[Dependency, ...] = ()
    file: Path = Path()
    depth: int = 0
    variables: dict[str, str] = field(default_factory=dict)
    kept_env: list[dict[str, str | None]] = field(default_factory=list)
    kept_configurations: list[dict[str, Any]] = field(default_factory=list)

    def environment_variable(self, name: str) -> str | None:
        """Return a variable for processes that are started now; None if it is not set."""
        return self.env[name] if name in self.env else os.environ.get(name)

    def environment(self) -> dict[str, str]:
        """Return the whole environment of processes that are started now."""
        both = os.environ | self.env
        return {name: value for name, value in both.items() if value is not None}

    def configured(self) -> dict[str, Any]:
        """Return the values that ROS's launch keeps as launch configurations."""
        return {name: vars(self)[name] for name in _CONFIGURED}

    def forget_configurations(self, but: dict[str, str]) -> None:
        """Keep only the given configurations."""
        self.configurations = but
        self.namespace, self.remaps, self.params = "", [], []


class Visit:
    """A visit: its surroundings, and the processes and problems that it finds.

    Attributes:
        around: the surroundings of the next action.
        argv: the arguments of the launch, each as `name:=value`.
        noninteractive: whether the launch has no terminal.
        processes: the processes to start.
        problems: mistakes, and names that are not known.
        declared: the declared arguments, each with its default, description and choices.
        handlers: event handlers, which are evaluated last.
        transitions: of lifecycle nodes: node, intermediate state, state, the process that makes it.
        files: the number of visited files.
        anonymous: the names of `AnonName`, by their texts.
        programs: the actions that start programs, by the names of their processes.
        reasons: why the launch ends with a process, by its name.
        is_running: whether the launch runs: an event of it is handled.
        is_shutdown: whether it is about to end.
        locals: the event that is handled, as `event`.
        lines: the lines that the handlers of an event print.
        signals: the processes that they signal, as in `Reaction`.
        ends: the reason for which they end the launch; None: they do not.
    """

    is_running = is_shutdown = False
    ends: str | None = None

    def __init__(
        self,
        file: Path = Path(),
        given: Mapping[str, str] | None = None,
        *,
        argv: Iterable[str] | None = None,
        noninteractive: bool = False,
    ) -> None:
        words = [f"{name}:={value}" for name, value in (given or {}).items()]
        self.argv = words if argv is None else argv
        self.noninteractive = noninteractive
        self.around = Surroundings(configurations=dict(given or {}), file=file)
        self.main = file
        self.processes: list[ProcessPlan] = []
        self.problems: list[LaunchProblem] = []
        self.declared: dict[str, dict[str, Any]] = {}
        self.handlers: list[tuple[Any, Surroundings]] = []
        self.transitions: list[tuple[str, str, str, str]] = []
        self.files = 0
        self.anonymous: dict[str, str] = {}
        self.programs: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}
        self.locals = SimpleNamespace()
        self.lines: list[str] = []
        self.signals = list[tuple[str, Signals, bool]]()

    @property
    def launch_configurations(self) -> dict[str, str]:
        """The launch configurations, by the name that launch files use."""
        return self.around.configurations

    @property
    def environment(self) -> dict[str, str]:
        """The environment of processes that are started now."""
        return self.around.environment()

    def perform_substitution(self, substitution: Any) -> str:
        """Return the text of a substitution."""
        return str(substitution.perform(self))

    def add_problem(self, place: SourceLine, message: str) -> None:
        """Note a problem at a place."""
        source = linecache.getline(place.file, place.line).rstrip("\n")
        column = len(source) - len(source.lstrip()) + 1
        file = "" if Path(place.file) == self.main else place.file
        self.problems.append(LaunchProblem(place.line, column, message, source, file))

    def add_error(self, place: SourceLine, error: Exception, hint: str = "") -> None:
        """Note what the code of a launch file has raised, at the file's last line before that."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [each.lineno or 0 for each in frames if each.filename == place.file]
        text = f"{type(error).__name__}: {error}{hint and f': {hint}'}"
        self.add_problem(SourceLine(place.file, own[-1] if own else place.line), text)

    @contextlib.contextmanager
    def inside(self, **changes: Any) -> Iterator[None]:
        """Give the actions that are visited in this context surroundings of their own."""
        before = self.around
        self.around = replace(copy.deepcopy(before), **changes)
        try:
            yield
        finally:
            self.around = before

    def add(self, process: ProcessPlan) -> str:
        """Add a process, with a unique name and the waits of its surroundings; return the name."""
        names = {each.name for each in self.processes} | {"broker"}
        name, number = process.name, 2
        while name in names:
            name, number = f"{process.name}-{number}", number + 1
        after, delay_sec = self.around.after, self.around.delay_sec
        self.processes.append(replace(process, name=name, depends_on=after, delay_sec=delay_sec))
        return name

    def change(self, name: str, **changes: Any) -> None:
        """Change a process that was added."""
        self.processes = [
            replace(each, **changes) if each.name == name else each for each in self.processes
        ]


def after_exit(process: str) -> Dependency:
    """Return the dependency on the end of a process."""
    return Dependency(process, f"/{process}", timeout_sec=_FOREVER, exited=True)


def after_start(process: str) -> Dependency:
    """Return the dependency on the start of a process."""
    return Dependency(process, f"/{process}", timeout_sec=_FOREVER)
