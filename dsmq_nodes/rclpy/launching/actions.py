"""The actions of launch: a visit of each adds processes, settings or problems to the `Visit`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.launcher.supervise.plan import Dependency, ProcessPlan, RestartPlan
from dsmq_nodes.rclpy.launching.substituting import (
    Substitution,
    SubstitutionError,
    seconds_of,
    split_words,
    text_of,
    truth_of,
    words_of,
)
from dsmq_nodes.rclpy.launching.visiting import (
    SourceLine,
    Visit,
    after_exit,
    after_start,
    line_of_caller,
)
from dsmq_nodes.suggest import did_you_mean

BEGINNING: Final = "dsmq_nodes.rclpy.launching.beginning"


class Action:
    """The base of all actions; `condition` decides whether it is visited."""

    place: SourceLine
    condition: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Store the line of the launch file that makes the action."""
        made = super().__new__(cls)
        made.place = line_of_caller()
        return made

    def __init__(self, *, condition: Any = None) -> None:
        self.condition = condition

    def execute(self, context: Visit) -> Any:
        """Return more actions, or None: a class of the launch file overrides it."""

    def act(self, context: Visit) -> None:
        """Add to the visit what the action does."""
        visit_all(self.execute(context), context, self.place)

    def visit(self, context: Visit) -> None:
        """Act, if the condition holds; a problem is reported at this action's line."""
        try:
            if self.condition is None or self.condition.evaluate(context):
                self.act(context)
        except (SubstitutionError, MessageError) as error:
            context.add_problem(self.place, f"{type(self).__name__}: {error}")


class Unknown(Action):
    """A name of launch that this kit does not have."""

    name = "it"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def visit(self, context: Visit) -> None:
        """Report the name, at its line."""
        context.add_problem(
            self.place, f"{self.name} is not known here: `dsmq-nodes docs with_ros2` lists what is"
        )

    def perform(self, context: Visit) -> str:
        """Raise: it stands in the place of a substitution."""
        raise SubstitutionError(f"{self.name} is not known here")

    def evaluate(self, context: Visit) -> bool:
        """Raise: it stands in the place of a condition."""
        raise SubstitutionError(f"{self.name} is not known here")


class UnknownSubstitution(Unknown, Substitution):
    """A name that this kit does not have, where it may stand for a substitution."""


def unknown(name: str) -> Any:
    """Return the class that stands for a name of launch that this kit does not have."""
    return type(name.rpartition(".")[2], (UnknownSubstitution,), {"name": name})


def unknown_names(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module of launch: a visit reports an unknown name."""

    def found(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return unknown(f"{module}.{name}")

    return found


def modules_in(package: str, *names: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that imports its modules when they are first used."""

    def found(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return import_module(f"{package}.{name}")

    return found


class Condition:
    """Holds if a function of the context returns true."""

    def __init__(self, *, predicate: Callable[[Visit], bool]) -> None:
        self._predicate = predicate

    def evaluate(self, context: Visit) -> bool:
        """Whether the function returns true."""
        return self._predicate(context)


class IfCondition(Condition):
    """Holds if its text is true."""

    def __init__(self, predicate_expression: Any) -> None:
        self.expression = predicate_expression

    def evaluate(self, context: Visit) -> bool:
        """Whether the text is true."""
        return truth_of(self.expression, context)


class UnlessCondition(IfCondition):
    """Holds if its text is false."""

    def evaluate(self, context: Visit) -> bool:
        """Whether the text is false."""
        return not super().evaluate(context)


class LaunchConfigurationEquals(IfCondition):
    """Holds if a launch configuration has a value."""

    def __init__(self, launch_configuration_name: str, expected_value: Any) -> None:
        self.name, self.expected = launch_configuration_name, expected_value

    def evaluate(self, context: Visit) -> bool:
        """Whether the launch configuration has the value."""
        found = context.around.configurations.get(self.name)
        expected = None if self.expected is None else text_of(self.expected, context)
        return found == expected


class LaunchConfigurationNotEquals(LaunchConfigurationEquals):
    """Holds if a launch configuration does not have a value."""

    def evaluate(self, context: Visit) -> bool:
        """Whether the launch configuration does not have the value."""
        return not super().evaluate(context)


class LaunchDescription(Action):
    """Actions in their order."""

    def __init__(self, initial_entities: Iterable[Any] | None = None, **_: Any) -> None:
        super().__init__()
        self.entities = list(initial_entities or ())

    def add_action(self, action: Any) -> None:
        """Add an action at the end."""
        self.entities.append(action)

    add_entity = add_action

    def act(self, context: Visit) -> None:
        """Visit the actions."""
        visit_all(self.entities, context, self.place)


def visit_all(entities: Any, context: Visit, place: SourceLine) -> None:
    """Visit actions, in lists or alone."""
    if isinstance(entities, list | tuple):
        for each in entities:
            visit_all(each, context, place)
    elif isinstance(entities, Action):
        entities.visit(context)
    elif entities is not None:
        context.add_problem(place, f"{type(entities).__name__} is no action that is known here")


class DeclareLaunchArgument(Action):
    """An argument of the launch file."""

    def __init__(
        self,
        name: Any,
        *,
        default_value: Any = None,
        description: str = "",
        choices: Iterable[str] | None = None,
        condition: Any = None,
    ) -> None:
        super().__init__(condition=condition)
        self.name = name
        self.default_value = default_value
        self.description = description
        self.choices = None if choices is None else list(choices)

    def act(self, context: Visit) -> None:
        """Set the argument to its default, unless it has a value."""
        name, known = text_of(self.name, context), context.around.configurations
        details = {"description": self.description, "choices": self.choices}
        context.declared[name] = {key: value for key, value in details.items() if value}
        if self.default_value is not None:
            context.declared[name]["default"] = text_of(self.default_value, context)
        if name not in known:
            if self.default_value is None:
                raise SubstitutionError(f"argument {name!r} has no default: give {name}:=VALUE")
            known[name] = context.declared[name]["default"]
        if self.choices is not None and known[name] not in self.choices:
            raise SubstitutionError(f"{name}:={known[name]} is none of {', '.join(self.choices)}")


class SetLaunchConfiguration(Action):
    """Sets a launch configuration."""

    def __init__(self, name: Any, value: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.name, self.value = name, value

    def act(self, context: Visit) -> None:
        """Set the launch configuration."""
        name = text_of(self.name, context)
        context.around.configurations[name] = text_of(self.value, context)


class SetEnvironmentVariable(Action):
    """Sets an environment variable of processes that are started later."""

    def __init__(self, name: Any, value: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.name, self.value = name, value

    def act(self, context: Visit) -> None:
        """Set the variable."""
        context.around.env[text_of(self.name, context)] = text_of(self.value, context)


class AppendEnvironmentVariable(Action):
    """Appends to an environment variable of processes that are started later."""

    def __init__(
        self,
        name: Any,
        value: Any,
        prepend: Any = False,
        separator: str = os.pathsep,
        *,
        condition: Any = None,
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.value, self.prepend, self.separator = name, value, prepend, separator

    def act(self, context: Visit) -> None:
        """Append the value, or put it in front."""
        name, value = text_of(self.name, context), text_of(self.value, context)
        before = context.around.environment_variable(name) or ""
        parts = [value, before] if truth_of(self.prepend, context) else [before, value]
        context.around.env[name] = text_of(self.separator, context).join(filter(None, parts))


class LogInfo(Action):
    """Prints a text: at once, or after an event or a delay around it."""

    def __init__(self, *, msg: Any, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.msg = msg
        self.process = ""  # the name of the process that prints it, if there is one

    def act(self, context: Visit) -> None:
        """Print the text to standard error, or add a process that prints it."""
        text, around = text_of(self.msg, context), context.around
        if not (around.after or around.delay_sec):
            sys.stderr.write(f"{text}\n")
            return
        words = [sys.executable, "-c", f"print({text!r})"]
        argv = beginning(words, around.delay_sec)
        self.process = context.add(ProcessPlan("log", argv, depends_on=around.after))


class GroupAction(Action):
    """Actions that may have surroundings of their own."""

    def __init__(
        self,
        actions: Iterable[Any],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: dict[Any, Any] | None = None,
        condition: Any = None,
    ) -> None:
        super().__init__(condition=condition)
        self.actions, self.scoped, self.forwarding = list(actions), scoped, forwarding
        self.configurations = launch_configurations or {}

    def act(self, context: Visit) -> None:
        """Visit the actions."""
        given = {text_of(k, context): text_of(v, context) for k, v in self.configurations.items()}
        with context.inside() if self.scoped else contextlib.nullcontext():
            if self.scoped and not self.forwarding:
                context.around.env.clear()
                context.around.forget_configurations({})
            context.around.configurations.update(given)
            visit_all(self.actions, context, self.place)


class TimerAction(Action):
    """Actions that are carried out some seconds later."""

    def __init__(
        self,
        *,
        period: Any,
        actions: Iterable[Any],
        cancel_on_shutdown: Any = True,
        condition: Any = None,
    ) -> None:
        super().__init__(condition=condition)
        self.period, self.actions = period, list(actions)

    def act(self, context: Visit) -> None:
        """Visit the actions; the processes that they start wait."""
        sec = seconds_of(self.period, context)
        with context.inside(delay_sec=context.around.delay_sec + sec):
            visit_all(self.actions, context, self.place)


class OpaqueFunction(Action):
    """A function that returns actions."""

    def __init__(
        self, *, function: Any, args: Any = None, kwargs: Any = None, condition: Any = None
    ) -> None:
        super().__init__(condition=condition)
        self.function, self.args, self.kwargs = function, args or (), kwargs or {}

    def act(self, context: Visit) -> None:
        """Call the function, and visit the actions that it returns."""
        visit_all(self.function(context, *self.args, **self.kwargs), context, self.place)


class Shutdown(Action):
    """Ends the launch: at once, or after an event or a delay around it."""

    def __init__(self, *, reason: Any = "", condition: Any = None) -> None:
        super().__init__(condition=condition)

    def act(self, context: Visit) -> None:
        """Add a process whose end ends the launch."""
        around = context.around
        argv = beginning([sys.executable, "-c", ""], around.delay_sec)
        context.add(ProcessPlan("shutdown", argv, depends_on=around.after, required=True))


class EmitEvent(Action):
    """Emits an event; an event here is the action that carries it out."""

    def __init__(self, *, event: Any, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.event = event

    def act(self, context: Visit) -> None:
        """Visit the event."""
        visit_all(self.event, context, self.place)


def is_shutdown(action: Any) -> bool:
    """Whether an action ends the launch."""
    return isinstance(action.event if isinstance(action, EmitEvent) else action, Shutdown)


class ExecuteLocal(Action):
    """A program; a subclass returns its words."""

    def __init__(
        self,
        *,
        name: Any = None,
        additional_env: dict[Any, Any] | None = None,
        env: dict[Any, Any] | None = None,
        cwd: Any = None,
        respawn: Any = False,
        respawn_delay: Any = None,
        on_exit: Any = None,
        sigterm_timeout: Any = 5,
        sigkill_timeout: Any = 5,
        shell: bool = False,
        prefix: Any = None,
        condition: Any = None,
        # These choose the output that is shown; here all of it is shown.
        output: Any = "log",
        output_format: Any = "",
        log_cmd: Any = False,
        emulate_tty: Any = False,
        cached_output: Any = False,
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.cwd, self.shell, self.prefix = name, cwd, shell, prefix
        self.env = {**(env or {}), **(additional_env or {})}
        self.respawn, self.respawn_delay = respawn, respawn_delay
        self.on_exit = on_exit
        self.timeouts = (sigterm_timeout, sigkill_timeout)
        self.process = ""  # its name in the plan, after the visit

    def words(self, context: Visit) -> list[str]:
        """Return the program and its arguments."""
        raise NotImplementedError

    def title(self, context: Visit, words: list[str]) -> str:
        """Return the name of the process in the output."""
        program = words[0].partition(" ")[0] if self.shell else words[0]
        return text_of(self.name, context) if self.name else Path(program).stem

    def act(self, context: Visit) -> None:
        """Add the process of the program."""
        words, around = self.words(context), context.around
        title = self.title(context, words)
        if self.shell:  # as the file asks; launch files of this kit never use a shell
            words = ["/bin/sh", "-c", " ".join(words)]
        if self.prefix is not None:
            words = [*split_words(text_of(self.prefix, context)), *words]
        cwd = None if self.cwd is None else text_of(self.cwd, context)
        own = {text_of(k, context): text_of(v, context) for k, v in self.env.items()}
        env = around.env | own
        without = [name for name, value in env.items() if value is None and name in os.environ]
        restart = RestartPlan()
        if truth_of(self.respawn, context):
            restart = RestartPlan("always", delay_sec=seconds_of(self.respawn_delay or 0, context))
        self.process = context.add(
            ProcessPlan(
                title,
                beginning(words, around.delay_sec, cwd, without),
                {name: value for name, value in env.items() if value is not None},
                depends_on=around.after,
                restart=restart,
                required=self._ends_all(),
                sigterm_timeout_sec=seconds_of(self.timeouts[0], context),
                sigkill_timeout_sec=seconds_of(self.timeouts[1], context),
            )
        )
        if self.on_exit is not None and not self._ends_all():
            with context.inside(after=(after_exit(self.process),)):
                visit_all(self.on_exit, context, self.place)

    def _ends_all(self) -> bool:
        many = self.on_exit if isinstance(self.on_exit, list | tuple) else [self.on_exit]
        return any(map(is_shutdown, many))


def beginning(
    words: list[str], delay_sec: float, cwd: str | None = None, without: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return the words of a command that waits, changes the folder or removes variables first."""
    options = [] if not delay_sec else ["--delay", f"{delay_sec:g}"]
    options += [] if cwd is None else ["--cwd", cwd]
    options += [word for name in without for word in ("--without", name)]
    return (sys.executable, "-m", BEGINNING, *options, "--", *words) if options else (*words,)


class ExecuteProcess(ExecuteLocal):
    """Any program: `cmd` is a list of words."""

    def __init__(self, *, cmd: Iterable[Any], **more: Any) -> None:
        super().__init__(**more)
        self.cmd = list(cmd)

    def words(self, context: Visit) -> list[str]:
        """Return the words of `cmd`."""
        return [word for each in self.cmd for word in words_of(each, context)]


class OnProcessExit:
    """Carries out actions when a process has ended."""

    depend = staticmethod(after_exit)

    def __init__(
        self, *, target_action: Any = None, on_exit: Any = None, handle_once: bool = False
    ) -> None:
        self.target, self.actions = target_action, on_exit

    def trigger(self, context: Visit) -> Dependency | None:
        """Return the event that its actions wait for; None if its process never starts, as in ROS.

        Raises:
            SubstitutionError: it names no process.
        """
        if not isinstance(self.target, ExecuteLocal):
            raise SubstitutionError("its target_action is no process of this launch file")
        return self.depend(self.target.process) if self.target.process else None


class OnExecutionComplete(OnProcessExit):
    """Carries out actions when a process has ended; `OnProcessExit` by another name."""

    def __init__(
        self, *, target_action: Any = None, on_completion: Any = None, handle_once: bool = False
    ) -> None:
        super().__init__(target_action=target_action, on_exit=on_completion)


class OnProcessStart(OnProcessExit):
    """Carries out actions when a process has been started."""

    depend = staticmethod(after_start)

    def __init__(
        self, *, target_action: Any = None, on_start: Any = None, handle_once: bool = False
    ) -> None:
        super().__init__(target_action=target_action, on_exit=on_start)


class RegisterEventHandler(Action):
    """Carries out an event handler's actions at its event."""

    def __init__(self, event_handler: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.handler = event_handler

    def act(self, context: Visit) -> None:
        """Store the handler: it is evaluated when all processes are known."""
        if not hasattr(self.handler, "trigger"):
            raise SubstitutionError(
                f"{getattr(self.handler, 'name', type(self.handler).__name__)} is not known here"
            )
        with context.inside():
            context.handlers.append((self, context.around))

    def carry_out(self, context: Visit) -> None:
        """Visit the handler's actions; the processes that they start wait for the event."""
        many = self.handler.actions
        many = many if isinstance(many, list | tuple) else [many]
        try:
            trigger = self.handler.trigger(context)
        except SubstitutionError as error:
            context.add_problem(self.place, str(error))
            return
        if trigger is None:
            return
        if trigger.exited and many and all(map(is_shutdown, many)):
            context.change(trigger.process, required=True)
        elif any(callable(each) and not isinstance(each, Action) for each in many):
            context.add_problem(
                self.place, "a function as a handler is not known here: give actions"
            )
        else:
            self._visit_after(trigger, many, context)

    def _visit_after(self, trigger: Dependency, many: Sequence[Any], context: Visit) -> None:
        for each in many:
            logging = [one.process for one in many if isinstance(one, LogInfo) and one.process]
            before_the_end = map(after_exit, logging) if is_shutdown(each) else ()
            with context.inside(after=(trigger, *before_the_end)):
                visit_all(each, context, self.place)


def check_given(context: Visit, given: dict[str, str]) -> None:
    """Report arguments of the command line that no file declares."""
    for name in given:
        if name not in context.declared:
            known = context.declared
            hint = f"; {did_you_mean(name, known)}" if known else ", which declares none"
            context.add_problem(
                SourceLine(), f"argument {name!r} is not declared in this file{hint}"
            )
