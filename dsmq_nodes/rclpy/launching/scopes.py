"""Actions that take away, keep and bring back what surrounds other actions."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from dsmq_nodes.rclpy.launching.actions import Action, visit_all
from dsmq_nodes.rclpy.launching.substituting import (
    Substitution,
    SubstitutionError,
    text_of,
)
from dsmq_nodes.rclpy.launching.visiting import Visit

_MOST_ROUNDS = 10_000


class UnsetEnvironmentVariable(Action):
    """Takes an environment variable from what is started later."""

    def __init__(self, name: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.name = name

    def act(self, context: Visit) -> None:
        """Take it away."""
        context.around.env[text_of(self.name, context)] = None


class ResetEnvironment(Action):
    """Takes back all changes of the environment."""

    def act(self, context: Visit) -> None:
        """Take them back."""
        context.around.env.clear()


class PushEnvironment(Action):
    """Keeps the environment as it is, until `PopEnvironment`."""

    def act(self, context: Visit) -> None:
        """Keep it."""
        context.around.kept_env.append(dict(context.around.env))


class PopEnvironment(Action):
    """Brings back the environment that the last `PushEnvironment` has kept."""

    def act(self, context: Visit) -> None:
        """Bring it back."""
        if not context.around.kept_env:
            raise SubstitutionError("there is no PushEnvironment before it")
        context.around.env = context.around.kept_env.pop()


class UnsetLaunchConfiguration(Action):
    """Forgets a launch configuration."""

    def __init__(self, name: Any, *, condition: Any = None) -> None:
        super().__init__(condition=condition)
        self.name = name

    def act(self, context: Visit) -> None:
        """Forget it."""
        context.around.configurations.pop(text_of(self.name, context), None)


class ResetLaunchConfigurations(Action):
    """Forgets all launch configurations but those that are given."""

    def __init__(
        self, launch_configurations: dict[Any, Any] | None = None, *, condition: Any = None
    ) -> None:
        super().__init__(condition=condition)
        self.configurations = launch_configurations or {}

    def act(self, context: Visit) -> None:
        """Forget them."""
        context.around.forget_configurations(
            {text_of(k, context): text_of(v, context) for k, v in self.configurations.items()}
        )


class PushLaunchConfigurations(Action):
    """Keeps the launch configurations as they are, until `PopLaunchConfigurations`."""

    def act(self, context: Visit) -> None:
        """Keep them; namespaces and parameters for all nodes are among them."""
        context.around.kept_configurations.append(copy.deepcopy(context.around.configured()))


class PopLaunchConfigurations(Action):
    """Brings back what the last `PushLaunchConfigurations` has kept."""

    def act(self, context: Visit) -> None:
        """Bring them back."""
        if not context.around.kept_configurations:
            raise SubstitutionError("there is no PushLaunchConfigurations before it")
        vars(context.around).update(context.around.kept_configurations.pop())


class ForEach(Action):
    """Actions that a function makes of each of several sets of values."""

    SEPARATOR = ";"

    def __init__(
        self, input_values: Any, *, function: Callable[..., Any], condition: Any = None
    ) -> None:
        super().__init__(condition=condition)
        self.input_values, self.function = input_values, function

    def act(self, context: Visit) -> None:
        """Visit what the function returns."""
        for values in self.sets(context):
            visit_all(self.function(**values), context, self.place)

    def sets(self, context: Visit) -> Iterator[dict[str, Any]]:
        """The sets of values.

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
    """Actions that a function makes of each number below a length."""

    def __init__(
        self,
        length: Any,
        *,
        function: Callable[..., Any],
        name: str | None = None,
        condition: Any = None,
    ) -> None:
        super().__init__(condition=condition)
        self.length, self.function, self.name = length, function, name

    def act(self, context: Visit) -> None:
        """Visit what the function returns."""
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
    """One round of a loop of an XML or YAML file: its actions, with variables of their own."""

    def __init__(self, actions: list[Any], variables: dict[str, Any]) -> None:
        super().__init__()
        self.actions = actions
        self.variables = {name: str(value) for name, value in variables.items()}

    def act(self, context: Visit) -> None:
        """Visit them."""
        before = context.around.variables
        context.around.variables = before | self.variables
        visit_all(self.actions, context, self.place)
        context.around.variables = before


class ForEachVar(Substitution):
    """The value of a variable in a round of `for_each`."""

    def __init__(self, name: Any, *, default_value: Any = None) -> None:
        self.name, self.default_value = name, default_value

    def perform(self, context: Visit) -> str:
        """The value."""
        name = text_of(self.name, context)
        if name in context.around.variables:
            return context.around.variables[name]
        if self.default_value is None:
            raise SubstitutionError(f"there is no variable {name!r} here")
        return text_of(self.default_value, context)


class ForLoopIndex(ForEachVar):
    """The number of a round of `for`."""

    def __init__(self, name: Any) -> None:
        super().__init__(name)
