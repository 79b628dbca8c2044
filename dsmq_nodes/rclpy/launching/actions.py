"""The actions of launch: a visit of each adds processes, settings or problems to the `Visit`."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from dsmq_nodes.errors import MessageError
from dsmq_nodes.launcher.supervise.plan import ProcessPlan
from dsmq_nodes.rclpy import packages
from dsmq_nodes.rclpy.launching.substituting import (
    Substitution,
    SubstitutionError,
    seconds_of,
    text_of,
    texts_of,
    truth_of,
)
from dsmq_nodes.rclpy.launching.visiting import Described, SourceLine, Visit
from dsmq_nodes.suggest import did_you_mean


class Action(Described):
    """The base of all actions; `condition` decides whether it is visited."""

    condition: Any = field(default=None, kw_only=True)

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
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001  whatever a function of the launch file raises
            context.add_error(self.place, error)


def why_unknown(name: str) -> str:
    """Return why a name is not there, and what to do."""
    if any(word in name.lower() for word in ("composable", "node_container")):
        return (
            "is not there: components are classes of C++ libraries; start a Python executable "
            "of their package with Node, or remove them from the file"
        )
    unknown = "is not known here: `dsmq-nodes docs with_ros2` lists what is"
    return _INSTEAD.get(name.rpartition(".")[2], unknown)


_INSTEAD: Final = {
    "OpaqueCoroutine": "is not there: write an OpaqueFunction, or start a program that awaits",
    "UnregisterEventHandler": "is not there: give the handler handle_once=True, or a function that "
    "returns None from then on",
}


class Unknown(Action):
    """A name of launch that this kit does not have."""

    name = "it"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def visit(self, context: Visit) -> None:
        """Report the name, at its line."""
        context.add_problem(self.place, f"{self.name} {why_unknown(self.name)}")

    def perform(self, context: Visit) -> str:
        """Raise: it stands in the place of a substitution."""
        raise SubstitutionError(f"{self.name} is not known here")

    def evaluate(self, context: Visit) -> bool:
        """Raise: it stands in the place of a condition."""
        raise SubstitutionError(f"{self.name} is not known here")


class UnknownSubstitution(Unknown, Substitution):
    """A name that this kit does not have, where it may stand for a substitution."""


def unknown_names(module: str, *inner: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module of launch: a visit reports an unknown name.

    Its modules `inner` are imported when they are first used. Its `__all__` is its classes.
    """

    def found(name: str) -> Any:
        if name in inner:
            return import_module(f"{module}.{name}")
        if name == "__all__":
            known = vars(sys.modules[f"{packages.__name__}.{module}"])
            return [each for each, value in known.items() if isinstance(value, type)]
        if name.startswith("_"):
            raise AttributeError(name)
        return type(name, (UnknownSubstitution,), {"name": f"{module}.{name}"})

    return found


def modules_in(package: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package that imports its modules when they are first used."""

    def found(name: str) -> Any:
        if name.startswith("_") or find_spec(f"{package}.{name}") is None:
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

    name: Any
    _: KW_ONLY
    default_value: Any = None
    description: str = ""
    choices: Iterable[str] | None = None

    def act(self, context: Visit) -> None:
        """Set the argument to its default, unless it has a value."""
        name, known = text_of(self.name, context), context.around.configurations
        details = {"description": self.description, "choices": self.choices}
        context.declared[name] = {key: value for key, value in details.items() if value}
        if self.default_value is not None:
            try:
                context.declared[name]["default"] = text_of(self.default_value, context)
            except SubstitutionError:
                if name not in known:  # a default that is not used may be a mistake
                    raise
        if name not in known:
            if self.default_value is None:
                raise SubstitutionError(f"argument {name!r} has no default: give {name}:=VALUE")
            known[name] = context.declared[name]["default"]
        if self.choices is not None and known[name] not in self.choices:
            raise SubstitutionError(f"{name}:={known[name]} is none of {', '.join(self.choices)}")


class SetLaunchConfiguration(Action):
    """Sets a launch configuration."""

    name: Any
    value: Any

    def act(self, context: Visit) -> None:
        """Set the launch configuration."""
        name = text_of(self.name, context)
        context.around.configurations[name] = text_of(self.value, context)


class SetEnvironmentVariable(Action):
    """Sets an environment variable of processes that are started later."""

    name: Any
    value: Any

    def act(self, context: Visit) -> None:
        """Set the variable."""
        context.around.env[text_of(self.name, context)] = text_of(self.value, context)


class AppendEnvironmentVariable(Action):
    """Appends to an environment variable of processes that are started later."""

    name: Any
    value: Any
    prepend: Any = False
    separator: Any = os.pathsep

    def act(self, context: Visit) -> None:
        """Append the value, or put it in front."""
        name, value = text_of(self.name, context), text_of(self.value, context)
        before = context.around.environment_variable(name) or ""
        parts = [value, before] if truth_of(self.prepend, context) else [before, value]
        context.around.env[name] = text_of(self.separator, context).join(filter(None, parts))


class LogInfo(Action):
    """Prints a text: at once, or after an event or a delay around it."""

    msg: Any = field(kw_only=True)

    def act(self, context: Visit) -> None:
        """Print the text to standard error, or add a process that prints it."""
        text, around = text_of(self.msg, context), context.around
        if context.is_running and not around.delay_sec:
            context.lines.append(text)
            return
        if not (around.after or around.delay_sec):
            sys.stderr.write(f"{text}\n")
            return
        context.add(ProcessPlan("log", (sys.executable, "-c", f"print({text!r})")))


class GroupAction(Action):
    """Actions that may have surroundings of their own."""

    actions: Any
    _: KW_ONLY
    scoped: bool = True
    forwarding: bool = True
    launch_configurations: dict[Any, Any] | None = None

    def act(self, context: Visit) -> None:
        """Visit the actions."""
        given = texts_of(self.launch_configurations, context)
        with context.inside() if self.scoped else contextlib.nullcontext():
            if self.scoped and not self.forwarding:
                context.around.env.clear()
                context.around.forget_configurations({})
            context.around.configurations.update(given)
            visit_all(self.actions, context, self.place)


class TimerAction(Action):
    """Actions that are carried out some seconds later."""

    _: KW_ONLY
    period: Any
    actions: Any
    cancel_on_shutdown: Any = True

    def act(self, context: Visit) -> None:
        """Visit the actions; the processes that they start wait."""
        sec = seconds_of(self.period, context)
        with context.inside(delay_sec=context.around.delay_sec + sec):
            visit_all(self.actions, context, self.place)


class OpaqueFunction(Action):
    """A function that returns actions."""

    _: KW_ONLY
    function: Callable[..., Any]
    args: Any = None
    kwargs: Any = None

    def act(self, context: Visit) -> None:
        """Call the function, and visit the actions that it returns."""
        visit_all(
            self.function(context, *(self.args or ()), **(self.kwargs or {})), context, self.place
        )


class Shutdown(Action):
    """Ends the launch: at once, or after an event or a delay around it."""

    name = "launch.events.Shutdown"

    _: KW_ONLY
    reason: Any = "reason not given"
    due_to_sigint: bool = False

    def act(self, context: Visit) -> None:
        """End the launch, or add a process whose end ends it."""
        around = context.around
        if context.is_running and not around.delay_sec:
            context.ends = text_of(self.reason, context)
            return
        plan = ProcessPlan("shutdown", (sys.executable, "-c", ""), required=True)
        context.reasons[context.add(plan)] = text_of(self.reason, context)


class EmitEvent(Action):
    """Emits an event; an event here is the action that carries it out."""

    event: Any = field(kw_only=True)

    def act(self, context: Visit) -> None:
        """Visit the event."""
        visit_all(self.event, context, self.place)


def shutdown_of(action: Any) -> Any:
    """Return the `Shutdown` of an action that ends the launch; None for other actions."""
    found = action.event if isinstance(action, EmitEvent) else action
    return found if isinstance(found, Shutdown) else None


def check_given(context: Visit, given: dict[str, str]) -> None:
    """Report arguments of the command line that no file declares."""
    for name in given:
        if name not in context.declared:
            known = context.declared
            hint = f"; {did_you_mean(name, known)}" if known else ", which declares none"
            context.add_problem(
                SourceLine(), f"argument {name!r} is not declared in this file{hint}"
            )
