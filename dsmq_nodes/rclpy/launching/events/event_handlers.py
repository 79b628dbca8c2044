"""Event handlers of launch: actions that follow when a process starts, writes or ends.

If the process and the actions are known when the file is read, the actions become part of the plan:
their processes wait for the event. All other handlers are called while the launch runs
(`running_handlers.py`).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from dsmq_nodes.launcher.supervise.plan import Dependency, LaunchEvent
from dsmq_nodes.rclpy.launching.actions import Action, LogInfo, Shutdown, shutdown_of, visit_all
from dsmq_nodes.rclpy.launching.substituting import (
    LocalSubstitution,
    Substitution,
    SubstitutionError,
    text_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit, after_exit, after_start


@dataclass
class ProcessEvent:
    """The event of a process, with ROS's names."""

    action: Any
    process_name: str
    cmd: list[str]
    cwd: str | None
    env: dict[str, str]
    pid: int

    @property
    def name(self) -> str:
        """The name of the event."""
        return f"launch.events.process.{type(self).__name__}"


@dataclass
class ProcessStarted(ProcessEvent):
    """A process has started."""


@dataclass
class ProcessExited(ProcessEvent):
    """A process has ended; a negative `returncode` is the signal that has ended it."""

    returncode: int


@dataclass
class ProcessIO(ProcessEvent):
    """A process has written a line to its output (`fd` 1) or to its errors (2)."""

    text: bytes
    fd: int
    from_stdin: bool = field(init=False, default=False)

    @property
    def from_stdout(self) -> bool:
        """Whether the line is of the output."""
        return self.fd == 1

    @property
    def from_stderr(self) -> bool:
        """Whether the line is of the errors."""
        return self.fd != 1


class LaunchEventHandler:
    """The base of the event handlers.

    Attributes:
        target: the action whose events are handled, a function that chooses it, or None for all.
        actions: the actions that follow, or a function that returns them.
        handle_once: whether the first event is the only one.
    """

    depend: ClassVar[Any] = None  # a function that returns the dependency on its event

    def __init__(self, target: Any, actions: Any, *, handle_once: bool = False) -> None:
        self.target, self.actions, self.handle_once = target, actions, handle_once

    @property
    def many(self) -> Sequence[Any]:
        """The actions that follow."""
        return self.actions if isinstance(self.actions, list | tuple) else [self.actions]

    def split(
        self, context: Visit
    ) -> tuple["LaunchEventHandler | None", "LaunchEventHandler | None"]:
        """Return the handler of what can be planned, and the handler of all else.

        A process that is known when the file is read can be planned to start. What prints does not
        need a process of its own; what ends the launch comes after it.
        """
        is_known = isinstance(self.target, Action) and self.depend is not None
        if not is_known or any(callable(each) or _asks_event(each) for each in self.many):
            return None, self
        printing = [each for each in self.many if isinstance(each, LogInfo) or shutdown_of(each)]
        if all(map(shutdown_of, printing)) and not context.is_running:
            return self, None
        planned, running = copy.copy(self), copy.copy(self)
        planned.actions = [each for each in self.many if each not in printing]
        running.actions = printing
        return planned if planned.actions else None, running

    def check(self) -> None:
        """Check the target.

        Raises:
            SubstitutionError: it is no process.
        """
        is_process = self.target is None or callable(self.target) or hasattr(self.target, "process")
        if not is_process:
            raise SubstitutionError("its target_action is no process of this launch file")

    def trigger(self, context: Visit) -> Dependency | None:
        """Return the event that its actions wait for; None if its process never starts, as in ROS.

        Raises:
            SubstitutionError: it names no process.
        """
        self.check()
        return self.depend(self.target.process) if self.target.process else None

    def handled(self, happened: LaunchEvent, context: Visit) -> Any:
        """Return ROS's event for what has happened; None if this handler is not for it."""
        action = context.programs.get(happened.process)
        if action is None or not self.is_for(action):
            return None
        plan = next(each for each in context.processes if each.name == happened.process)
        about = {
            "action": action,
            "process_name": plan.name,
            "cmd": [*plan.argv],
            "cwd": None,
            "env": plan.env,
            "pid": happened.pid,
        }
        return self.event_of(happened, about)

    def is_for(self, action: Any) -> bool:
        """Whether the events of an action are handled."""
        if callable(self.target):
            return bool(self.target(action))
        return self.target is None or self.target is action

    def event_of(self, happened: LaunchEvent, about: dict[str, Any]) -> Any:
        """Return the event of a process; None if this handler is for events of other kinds."""
        raise NotImplementedError

    def entities(self, event: Any, context: Visit) -> Any:
        """Return the actions that follow from an event."""
        return self.actions(event, context) if callable(self.actions) else self.actions


class OnProcessExit(LaunchEventHandler):
    """Carries out actions when a process has ended."""

    depend = staticmethod(after_exit)

    def __init__(
        self, *, target_action: Any = None, on_exit: Any = None, handle_once: bool = False
    ) -> None:
        super().__init__(target_action, on_exit, handle_once=handle_once)

    def event_of(self, happened: LaunchEvent, about: dict[str, Any]) -> Any:
        """Return the event if a process has ended."""
        return (
            ProcessExited(**about, returncode=happened.status) if happened.what == "ended" else None
        )


class OnExecutionComplete(OnProcessExit):
    """Carries out actions when a process has ended; `OnProcessExit` by another name."""

    def __init__(
        self, *, target_action: Any = None, on_completion: Any = None, handle_once: bool = False
    ) -> None:
        super().__init__(
            target_action=target_action, on_exit=on_completion, handle_once=handle_once
        )


class OnProcessStart(LaunchEventHandler):
    """Carries out actions when a process has been started."""

    depend = staticmethod(after_start)

    def __init__(
        self, *, target_action: Any = None, on_start: Any = None, handle_once: bool = False
    ) -> None:
        super().__init__(target_action, on_start, handle_once=handle_once)

    def event_of(self, happened: LaunchEvent, about: dict[str, Any]) -> Any:
        """Return the event if a process has started."""
        return ProcessStarted(**about) if happened.what == "started" else None


class OnProcessIO(LaunchEventHandler):
    """Calls functions with the lines that a process writes; they return actions, or None."""

    def __init__(
        self,
        *,
        target_action: Any = None,
        on_stdin: Any = None,
        on_stdout: Any = None,
        on_stderr: Any = None,
        handle_once: bool = False,
    ) -> None:
        super().__init__(target_action, None, handle_once=handle_once)
        self.functions = {1: on_stdout, 2: on_stderr}

    def event_of(self, happened: LaunchEvent, about: dict[str, Any]) -> Any:
        """Return the event if a process has written a line."""
        if happened.what not in {"stdout", "stderr"}:
            return None
        fd = 1 if happened.what == "stdout" else 2
        return ProcessIO(**about, text=happened.line + b"\n", fd=fd)

    def entities(self, event: Any, context: Visit) -> Any:
        """Return what the function for the event's stream returns."""
        function = self.functions[event.fd]
        return None if function is None else function(event)


class OnShutdown(LaunchEventHandler):
    """Carries out actions when the launch is about to end; processes are no longer started."""

    def __init__(self, *, on_shutdown: Any, handle_once: bool = False) -> None:
        super().__init__(None, on_shutdown, handle_once=handle_once)

    def handled(self, happened: LaunchEvent, context: Visit) -> Any:
        """Return the event at the end of the launch, with its reason."""
        if happened.what != "shutdown":
            return None
        reason = "ctrl-c (SIGINT)" if happened.is_asked else context.ends or "idle"
        return Shutdown(reason=reason, due_to_sigint=happened.is_asked)


class RegisterEventHandler(Action):
    """Carries out an event handler's actions at its event."""

    def __init__(self, event_handler: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.event_handler = event_handler

    def act(self, context: Visit) -> None:
        """Store the handler: it is evaluated when all processes are known."""
        handler = self.event_handler
        if not isinstance(handler, LaunchEventHandler):
            name = getattr(handler, "name", type(handler).__name__)
            raise SubstitutionError(f"{name} is not known here")
        handler.check()
        with context.inside():
            context.handlers.append((self, context.around))

    def carry_out(self, handler: LaunchEventHandler, context: Visit) -> None:
        """Visit a handler's actions; the processes that they start wait for the event.

        Raises:
            SubstitutionError: nothing in the launch file leads to the event.
        """
        many, trigger = handler.many, handler.trigger(context)
        if trigger is None:
            return
        if trigger.exited and many and all(map(shutdown_of, many)):
            context.change(trigger.process, required=True)
            context.reasons[trigger.process] = text_of(shutdown_of(many[0]).reason, context)
            return
        with context.inside(after=(trigger,)):
            visit_all(many, context, self.place)


def _asks_event(value: Any) -> bool:
    """Whether an action uses the event that it follows from (`LocalSubstitution`)."""
    if isinstance(value, list | tuple):
        return any(map(_asks_event, value))
    if isinstance(value, dict):
        return any(map(_asks_event, (*value.keys(), *value.values())))
    is_local = isinstance(value, LocalSubstitution)
    inner = vars(value).values() if isinstance(value, Action | Substitution) else ()
    return is_local or any(map(_asks_event, inner))
