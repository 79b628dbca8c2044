"""Actions that remove, save and restore the surroundings of later actions, and loops."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, field
from typing import Any

import yaml

from dsmq_nodes.rclpy.launching.actions import Action, visit_all
from dsmq_nodes.rclpy.launching.substituting import (
    Substitution,
    SubstitutionError,
    text_of,
    texts_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit

_MOST_ROUNDS = 10_000


class UnsetEnvironmentVariable(Action):
    """Removes an environment variable from processes that are started later."""

    name: Any

    def act(self, context: Visit) -> None:
        """Remove the variable."""
        context.around.env[text_of(self.name, context)] = None


class ResetEnvironment(Action):
    """Reverts all changes of the environment."""

    def act(self, context: Visit) -> None:
        """Revert them."""
        context.around.env.clear()


class PushEnvironment(Action):
    """Saves the environment until `PopEnvironment`."""

    def act(self, context: Visit) -> None:
        """Save it."""
        context.around.kept_env.append(dict(context.around.env))


class PopEnvironment(Action):
    """Restores the environment that the last `PushEnvironment` has saved."""

    def act(self, context: Visit) -> None:
        """Restore it."""
        if not context.around.kept_env:
            raise SubstitutionError("there is no PushEnvironment before it")
        context.around.env = context.around.kept_env.pop()


class UnsetLaunchConfiguration(Action):
    """Removes a launch configuration."""

    name: Any

    def act(self, context: Visit) -> None:
        """Remove it."""
        context.around.configurations.pop(text_of(self.name, context), None)


class ResetLaunchConfigurations(Action):
    """Removes all launch configurations except the given ones."""

    launch_configurations: dict[Any, Any] | None = None

    def act(self, context: Visit) -> None:
        """Remove them."""
        context.around.forget_configurations(texts_of(self.launch_configurations, context))


class PushLaunchConfigurations(Action):
    """Saves the launch configurations until `PopLaunchConfigurations`."""

    def act(self, context: Visit) -> None:
        """Save them; they include namespaces, remappings and parameters for all nodes."""
        context.around.kept_configurations.append(copy.deepcopy(context.around.configured()))


class PopLaunchConfigurations(Action):
    """Restores what the last `PushLaunchConfigurations` has saved."""

    def act(self, context: Visit) -> None:
        """Restore them."""
        if not context.around.kept_configurations:
            raise SubstitutionError("there is no PushLaunchConfigurations before it")
        vars(context.around).update(context.around.kept_configurations.pop())


class ForEach(Action):
    """Calls a function with each of several sets of values; it returns actions."""

    SEPARATOR = ";"

    input_values: Any
    function: Callable[..., Any] = field(kw_only=True)

    def act(self, context: Visit) -> None:
        """Visit the actions that the function returns."""
        for values in self.sets(context):
            visit_all(self.function(**values), context, self.place)

    def sets(self, context: Visit) -> Iterator[dict[str, Any]]:
        """Return the sets of values.

        Raises:
            SubstitutionError: one is no map.
        """
        for text in filter(None, text_of(self.input_values, context).strip().split(self.SEPARATOR)):
            try:
                found = yaml.safe_load(text)
            except yaml.YAMLError:
                found = text
            if found is None:
                continue
            if not isinstance(found, dict):
                raise SubstitutionError(f"{text.strip()!r} is no set of values: {{name: value}}")
            yield {str(name): value for name, value in found.items()}


class ForLoop(Action):
    """Calls a function with each number below a length; it returns actions."""

    length: Any
    _: KW_ONLY
    function: Callable[..., Any]
    name: str | None = None

    def act(self, context: Visit) -> None:
        """Visit the actions that the function returns."""
        text = text_of(self.length, context)
        try:
            rounds = range(int(text))
        except ValueError:
            raise SubstitutionError(f"{text!r} is no number of rounds") from None
        if len(rounds) > _MOST_ROUNDS:
            raise SubstitutionError(f"{text} rounds are more than {_MOST_ROUNDS}")
        for number in rounds:
            visit_all(self.function(i=number), context, self.place)


class Round(Action):
    """One iteration of a loop of an XML or YAML file: its actions, with the loop's variables."""

    actions: list[Any]
    variables: dict[str, Any]

    def act(self, context: Visit) -> None:
        """Visit the actions."""
        before = context.around.variables
        context.around.variables = before | {k: str(v) for k, v in self.variables.items()}
        visit_all(self.actions, context, self.place)
        context.around.variables = before


class ForEachVar(Substitution):
    """The value of a variable in an iteration of `for_each`."""

    name: Any
    default_value: Any = field(default=None, kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return the value."""
        name = text_of(self.name, context)
        if name in context.around.variables:
            return context.around.variables[name]
        if self.default_value is None:
            raise SubstitutionError(f"there is no variable {name!r} here")
        return text_of(self.default_value, context)


class ForLoopIndex(ForEachVar):
    """The number of an iteration of `for`."""


class Parameter(Substitution):
    """The value that `SetParameter` has given to a parameter of all nodes."""

    name: Any
    default: Any = field(default=None, kw_only=True)

    def perform(self, context: Visit) -> str:
        """Return the value."""
        name = text_of(self.name, context)
        for word in context.around.params:
            if word.startswith(f"{name}:="):
                return str(yaml.safe_load(word.partition(":=")[2]))
        if self.default is None:
            raise SubstitutionError(f"no SetParameter before it sets the parameter {name!r}")
        return text_of(self.default, context)
