"""What users do with a node's parameters; what they are is in parameter_store.py."""

from asyncio import CancelledError
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.base_node import BaseNode
from dsmq_nodes.graph.callback import as_error, awaited, check_callback, to_await
from dsmq_nodes.graph.parameters.parameter import Parameter
from dsmq_nodes.graph.parameters.parameter_store import OnSet, PostSet
from dsmq_nodes.graph.spin.event_loop import run_through

if TYPE_CHECKING:
    from dsmq_nodes.messages.rcl_interfaces import ParameterDescriptor, SetParametersResult


class ParameterNode(BaseNode):
    """A node and rclpy's methods for parameters; `Node` adds the rest."""

    def declare_parameter(
        self,
        name: str,
        value: Any = None,
        descriptor: "ParameterDescriptor | None" = None,
        ignore_override: bool = False,
    ) -> Parameter:
        """Have a parameter; the launch file, and others at run time, may set it.

        Args:
            name: of letters, digits, underscores; dots make groups.
            value: its default, which gives it its type; a `Parameter.Type`: it has to be given.
            descriptor: what it is for, its range, whether it is read-only or of any type.
            ignore_override: do not take what the launch file says.

        Raises:
            ParameterError: there is one of the name, or the value does not fit.
            TypeError: no parameter can have this value.
        """
        return self._parameters.declare(name, value, descriptor, ignore_override=ignore_override)

    def declare_parameters(
        self,
        namespace: str,
        parameters: "Iterable[tuple[str] | tuple[str, Any] | tuple[str, Any, ParameterDescriptor]]",
        ignore_override: bool = False,
    ) -> list[Parameter]:
        """Declare (name, value, descriptor) of each, the last two if there are; in a group."""
        start = f"{namespace}." if namespace else ""
        declared = []
        for name, *rest in parameters:
            value, descriptor = [*rest, None, None][:2]
            parameter = self.declare_parameter(start + name, value, descriptor, ignore_override)
            declared.append(parameter)
        return declared

    def undeclare_parameter(self, name: str) -> None:
        """Remove a declared parameter.

        Raises:
            ParameterError: there is none, or it is read-only or of the model.
        """
        self._parameters.undeclare(name)

    def has_parameter(self, name: str) -> bool:
        """Whether there is a parameter of this name."""
        return name in self._parameters

    def get_parameter(self, name: str) -> Parameter:
        """A parameter: `get_parameter("kp").value`.

        Raises:
            ParameterError: there is none; with the nearest name.
        """
        return self._parameters.get(name)

    def get_parameters(self, names: Iterable[str]) -> list[Parameter]:
        """Several parameters.

        Raises:
            ParameterError: there is none of a name.
        """
        return [self._parameters.get(name) for name in names]

    def get_parameter_or(self, name: str, alternative_value: Parameter | None = None) -> Parameter:
        """A parameter, or if there is none or it is not set, another."""
        found = self._parameters.get(name) if self.has_parameter(name) else Parameter(name)
        return found if found.type_ or alternative_value is None else alternative_value

    def get_parameters_by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """The parameters of a group, by their names without it."""
        start = f"{prefix}." if prefix else ""
        return {
            name[len(start) :]: self._parameters.get(name)
            for name in self._parameters
            if name.startswith(start)
        }

    def set_parameters(self, parameter_list: Sequence[Parameter]) -> "list[SetParametersResult]":
        """Set parameters, each for itself; a result says why one was not set."""
        return [self.set_parameters_atomically([each]) for each in parameter_list]

    def set_parameters_atomically(
        self, parameter_list: Sequence[Parameter]
    ) -> "SetParametersResult":
        """Set parameters, all or none; the result says why none was set."""
        from dsmq_nodes.messages.rcl_interfaces import SetParametersResult  # noqa: PLC0415  10 ms

        try:
            said = run_through(self._parameters.set(parameter_list, self._call_now))
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True, reason=said)

    async def _call_now(
        self, callback: Callable[[list[Parameter]], Any], changes: list[Parameter]
    ) -> Any:
        """Call a callback that decides or is told; only where a loop can run is it waited for."""
        try:
            work = to_await(result := callback(changes), callback)
        except CancelledError as error:
            raise as_error(error) from error
        if work is None:
            return result
        if callback in self._parameters.post_set:
            self._spinner.begin(work, callback)
            return None
        return self._spinner.wait_through(awaited(work))

    def describe_parameter(self, name: str) -> "ParameterDescriptor":
        """What a parameter is, and which values it may have.

        Raises:
            ParameterError: there is none.
        """
        return self._parameters.describe(name)

    def describe_parameters(self, names: Iterable[str]) -> "list[ParameterDescriptor]":
        """The same of several."""
        return [self._parameters.describe(name) for name in names]

    def add_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Have `callback(parameters)` asked before any change; it returns a SetParametersResult.

        What it raises refuses the change, too. It may be `async def`; where `set_parameters` is
        called in a callback there is no time to wait for anything.

        Raises:
            TypeError: it cannot be called or awaited.
        """
        check_callback(callback, "a callback that is asked for parameters")
        self._parameters.on_set.append(callback)

    def remove_on_set_parameters_callback(self, callback: OnSet) -> None:
        """Remove a callback that checks changes."""
        self._parameters.on_set.remove(callback)

    def add_post_set_parameters_callback(self, callback: PostSet) -> None:
        """Have `callback(parameters)` called after each change; what it raises undoes nothing.

        Raises:
            TypeError: it cannot be called or awaited.
        """
        check_callback(callback, "a callback that is told of parameters")
        self._parameters.post_set.append(callback)

    def remove_post_set_parameters_callback(self, callback: PostSet) -> None:
        """Remove a callback that hears of changes."""
        self._parameters.post_set.remove(callback)
