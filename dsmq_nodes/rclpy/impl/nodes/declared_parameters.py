"""The parameters of one node: declared values, descriptors, callbacks.

A parameter's type is fixed when it is declared, unless its descriptor says `dynamic_typing`. A
change passes its callbacks: pre_set may change what is set, on_set may refuse, post_set sees it.
Of each kind the callback that was added last is called first.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from dsmq_nodes.rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterImmutableException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from dsmq_nodes.rclpy.impl.interface_named import interface
from dsmq_nodes.rclpy.parameter import PARAMETER_SEPARATOR_STRING, Parameter
from dsmq_nodes.rclpy.validate_parameter_name import validate_parameter_name

_TOLERANCE: Final = 1e-6  # relative, as rclpy has it
_NOT_SET: Final = Parameter.Type.NOT_SET
_ONLY_NAME: Final = (
    "declaring a parameter only providing its name is deprecated. You have to either:\n"
    '\t- Pass a name and a default value different to "PARAMETER NOT SET" (and optionally a'
    " descriptor).\n"
    "\t- Pass a name and a parameter type.\n"
    "\t- Pass a name and a descriptor with `dynamic_typing=True"
)


def _descriptor(**fields: Any) -> Any:
    return interface("rcl_interfaces/msg/ParameterDescriptor")(**fields)


def _result(successful: bool, reason: str = "") -> Any:
    kind = interface("rcl_interfaces/msg/SetParametersResult")
    return kind(successful=successful, reason=reason)


class DeclaredParameters:
    """The parameters of one node.

    Attributes:
        overrides: the values that arguments set, by name.
        publish_event: called with each ParameterEvent.
        values: the parameters by name.
        descriptors: their descriptors by name.
    """

    def __init__(self, *, allow_undeclared: bool) -> None:
        self.overrides: dict[str, Parameter] = {}
        self.publish_event: Callable[[list[Any], list[Any], list[Any]], None] | None = None
        self.pre_set: list[Callable[[list[Parameter]], list[Parameter]]] = []
        self.on_set: list[Callable[[list[Parameter]], Any]] = []
        self.post_set: list[Callable[[list[Parameter]], Any]] = []
        self._allow_undeclared = allow_undeclared
        self.values: dict[str, Parameter] = {}
        self.descriptors: dict[str, Any] = {}

    # Declaring

    def declare(
        self, namespace: str, parameters: Sequence[Sequence[Any]], *, ignore_override: bool
    ) -> list[Parameter]:
        """Declare each (name, value, descriptor), the last two optional."""
        made: list[Parameter] = []
        descriptors: dict[str, Any] = {}
        for index, given in enumerate(parameters):
            name = _checked_name(namespace, index, given)
            value, descriptor = _value_and_descriptor(name, index, given)
            if not ignore_override and name in self.overrides:
                value = self.overrides[name].value
            if isinstance(value, interface("rcl_interfaces/msg/ParameterValue")):
                raise ValueError(  # noqa: TRY004  as rclpy does
                    "Cannot declare a Parameter from a ParameterValue without it being included "
                    "in self._parameter_overrides, and ",
                    "ignore_override=False",
                )
            made.append(Parameter(name, value=value))
            descriptors[name] = descriptor
        again = [each.name for each in made if each.name in self.values]
        if again:
            raise ParameterAlreadyDeclaredException(again)
        for each in made:
            self._declare_one(each, descriptors)
        return [self.values[each.name] for each in made]

    def _declare_one(self, parameter: Parameter, descriptors: dict[str, Any]) -> None:
        result = self._set_common([parameter], descriptors, allow_not_set=True)
        if result.successful:
            return
        if result.reason.startswith("Wrong parameter type"):
            kind = Parameter.Type(descriptors[parameter.name].type).name
            raise InvalidParameterTypeException(parameter, kind)
        raise InvalidParameterValueException(parameter.name, parameter.value, result.reason)

    def undeclare(self, name: str) -> None:
        """Remove a parameter."""
        if name not in self.values:
            raise ParameterNotDeclaredException(name)
        if self.descriptors[name].read_only:
            raise ParameterImmutableException(name)
        del self.values[name], self.descriptors[name]

    # Reading

    def has(self, name: str) -> bool:
        """Whether a parameter is declared."""
        return name in self.values

    def type_of(self, name: str) -> Any:
        """Return a parameter's type, as a number."""
        if name in self.values:
            return self.values[name].type_.value
        if self._allow_undeclared:
            return _NOT_SET
        raise ParameterNotDeclaredException(name)

    def get(self, name: str) -> Parameter:
        """Return a parameter."""
        found = self.values.get(name)
        if found is None:
            if self._allow_undeclared:
                return Parameter(name, _NOT_SET, None)
            raise ParameterNotDeclaredException(name)
        if found.type_ == _NOT_SET and not self.descriptors[name].dynamic_typing:
            raise ParameterUninitializedException(name)
        return found

    def get_or(self, name: str, alternative: Parameter | None) -> Parameter:
        """Return a parameter, or another one when it is not declared or has no value."""
        found = self.values.get(name)
        if found is None or found.type_ == _NOT_SET:
            return Parameter(name, _NOT_SET) if alternative is None else alternative
        return found

    def by_prefix(self, prefix: str) -> dict[str, Parameter]:
        """Return the parameters of a group, by their names without it."""
        start = f"{prefix}{PARAMETER_SEPARATOR_STRING}" if prefix else ""
        found = self.values.items()
        return {name[len(start) :]: each for name, each in found if name.startswith(start)}

    def list_names(self, prefixes: Any, depth: Any) -> Any:
        """Return the names below some prefixes, as rcl_interfaces/msg/ListParametersResult."""
        if not isinstance(prefixes, list):
            raise TypeError("The prefixes argument must be a list")
        if not all(isinstance(prefix, str) for prefix in prefixes):
            raise TypeError("All prefixes must be instances of type str")
        if not isinstance(depth, int):
            raise TypeError("The depth must be instance of type int")
        if depth < 0:
            raise ValueError("The depth must be greater than or equal to zero")
        result = interface("rcl_interfaces/msg/ListParametersResult")()
        for name in self.values:
            if not _is_below(name, prefixes, depth):
                continue
            result.names.append(name)
            group = name.rpartition(PARAMETER_SEPARATOR_STRING)[0]
            if group and group not in result.prefixes:
                result.prefixes.append(group)
        return result

    def describe(self, name: str) -> Any:
        """Return a parameter's descriptor."""
        found = self.descriptors.get(name)
        if found is not None:
            return found
        if self._allow_undeclared:
            return _descriptor()
        raise ParameterNotDeclaredException(name)

    # Setting

    def set_atomically(self, parameters: list[Parameter]) -> Any:
        """Set parameters, all or none."""
        if self.pre_set:
            changed: list[Parameter] = []
            for callback in self.pre_set:
                changed.extend(callback(parameters))
            parameters = changed
            if not parameters:
                return _result(
                    False,
                    "parameter list cannot be empty, this might be due to "
                    "pre_set_parameters_callback modifying the original parameters list.",
                )
        if not all(isinstance(each, Parameter) for each in parameters):
            raise TypeError(f"parameter must be instance of type '{Parameter!r}'")
        if not self._allow_undeclared:
            unknown = (each.name for each in parameters if each.name not in self.values)
            if any(unknown):  # as in rclpy, whose text names those after the first one only
                raise ParameterNotDeclaredException(list(unknown))
        return self._set_common(parameters, None)

    def _set_common(
        self,
        parameters: list[Parameter],
        descriptors: dict[str, Any] | None,
        *,
        allow_not_set: bool = False,
    ) -> Any:
        known = self.descriptors if descriptors is None else descriptors
        for each in parameters:
            if each.name in known:
                reason = self._refusal(each, known[each.name], check=descriptors is None)
                if reason:
                    return _result(False, reason)
        refused = self._ask(parameters)
        if refused is not None:
            return refused
        self._take_over(parameters, descriptors, allow_not_set=allow_not_set)
        for callback in list(self.post_set):
            callback(parameters)
        return _result(True)

    def _ask(self, parameters: list[Parameter]) -> Any:
        kind = interface("rcl_interfaces/msg/SetParametersResult")
        for callback in list(self.on_set):
            result = callback(parameters)
            if not isinstance(result, kind):
                warnings.warn(
                    "Callback returned an invalid type, it should return SetParameterResult.",
                    stacklevel=2,
                )
                result = _result(False, "Callback returned an invalid type")
            if not result.successful:
                return result
        return None

    def _take_over(
        self,
        parameters: list[Parameter],
        descriptors: dict[str, Any] | None,
        *,
        allow_not_set: bool,
    ) -> None:
        new: list[Any] = []
        changed: list[Any] = []
        deleted: list[Any] = []
        for each in parameters:
            if each.type_ == _NOT_SET and not allow_not_set:
                deleted.append(each.to_parameter_msg())
                self.values.pop(each.name, None)
                self.descriptors.pop(each.name, None)
                continue
            if descriptors is not None:
                self.descriptors[each.name] = descriptors[each.name]
            elif each.name not in self.descriptors:
                self.descriptors[each.name] = _descriptor(dynamic_typing=True)
            before = self.values.get(each.name)
            is_new = before is None or before.type_ == _NOT_SET
            (new if is_new else changed).append(each.to_parameter_msg())
            self.values[each.name] = each
        if self.publish_event is not None:
            self.publish_event(new, changed, deleted)

    def _refusal(self, parameter: Parameter, descriptor: Any, *, check: bool) -> str:
        """Return why a value does not fit a descriptor; empty if it does."""
        descriptor.name = parameter.name
        if check and descriptor.read_only:
            return f"Trying to set a read-only parameter: {parameter.name}."
        kind = parameter.type_
        if descriptor.dynamic_typing:
            descriptor.type = kind.value
        elif kind == _NOT_SET and parameter.name in self.values:
            return "Static parameter cannot be undeclared"
        elif kind not in (_NOT_SET, descriptor.type):
            return (
                f"Wrong parameter type, expected '{Parameter.Type(descriptor.type)}' got '{kind}'"
            )
        if kind == Parameter.Type.INTEGER and descriptor.integer_range:
            return _integer_fault(parameter, descriptor.integer_range[0])
        if kind == Parameter.Type.DOUBLE and descriptor.floating_point_range:
            return _float_fault(parameter, descriptor.floating_point_range[0])
        return ""

    def set_descriptor(self, name: str, descriptor: Any, alternative: Any) -> Any:
        """Give a parameter another descriptor; its value must fit, or `alternative` does."""
        if name not in self.values:
            if self._allow_undeclared:
                return self.get(name).get_parameter_value()
            raise ParameterNotDeclaredException(name)
        if self.describe(name).read_only:
            raise ParameterImmutableException(name)
        current = other = self.get(name)
        if alternative is not None:
            message = interface("rcl_interfaces/msg/Parameter")(name=name, value=alternative)
            other = Parameter.from_parameter_msg(message)
        if self._refusal(current, descriptor, check=False):
            reason = self._refusal(other, descriptor, check=False)
            if reason:
                raise InvalidParameterValueException(name, other.value, reason)
            self.values[name] = other
        self.descriptors[name] = descriptor
        return self.get(name).get_parameter_value()


def _checked_name(namespace: str, index: int, given: Sequence[Any]) -> str:
    if not 1 <= len(given) <= 3:
        raise TypeError(
            f"Invalid parameter tuple length at index {index} in parameters list: {given}; "
            "expecting length between 1 and 3"
        )
    name = given[0]
    if not isinstance(name, str):
        raise TypeError(f"First element {name} at index {index} in parameters list is not a str.")
    full = f"{namespace}.{name}" if namespace else name
    validate_parameter_name(full)
    return full


def _value_and_descriptor(name: str, index: int, given: Sequence[Any]) -> tuple[Any, Any]:
    """Return the declared value (None for a type alone), and the descriptor with the type."""
    second: Any = given[1] if len(given) > 1 else None
    descriptor = given[2] if len(given) > 2 else _descriptor()
    if not isinstance(descriptor, interface("rcl_interfaces/msg/ParameterDescriptor")):
        raise TypeError(
            f"Third element {descriptor} at index {index} in parameters list is not a "
            "ParameterDescriptor."
        )
    if len(given) == 1:
        warnings.warn(f"when declaring parameter named '{name}', {_ONLY_NAME}", stacklevel=2)
        descriptor.dynamic_typing = True
    if isinstance(second, Parameter.Type):
        if second == _NOT_SET:
            raise ValueError(
                f"Cannot declare parameter {{{name}}} as statically typed of type NOT_SET"
            )
        if descriptor.dynamic_typing:
            raise ValueError(
                f"When declaring parameter {{{name}}} passing a descriptor with"
                "`dynamic_typing=True` is not allowed when the parameter type is provided"
            )
        descriptor.type = second.value
        return None, descriptor
    if not descriptor.dynamic_typing:
        is_message = isinstance(second, interface("rcl_interfaces/msg/ParameterValue"))
        kind = second.type if is_message else Parameter.Type.from_parameter_value(second).value
        descriptor.type = kind
        if kind == _NOT_SET:
            raise ValueError(
                "Cannot declare a statically typed parameter with default value of type "
                "PARAMETER_NOT_SET"
            )
    return second, descriptor


def _is_below(name: str, prefixes: Sequence[str], depth: int) -> bool:
    """Whether a name is in a list; a depth of 0 has no limit."""
    if not prefixes and depth == 0:
        return True
    dot = PARAMETER_SEPARATOR_STRING
    if not prefixes:
        return name.count(dot) < depth
    for prefix in prefixes:
        if name == prefix:
            return True
        below = name.removeprefix(prefix + dot)
        if below != name and (depth == 0 or below.count(dot) < depth):
            return True
    return False


def _integer_fault(parameter: Parameter, allowed: Any) -> str:
    low, high = sorted((allowed.from_value, allowed.to_value))
    value, name = parameter.value, parameter.name
    if value in {low, high}:
        return ""
    if not low < value < high:
        return f"Parameter {name} out of range. Min: {low}, Max: {high}, value: {value}"
    if allowed.step and (value - low) % allowed.step:
        return (
            f"The parameter value for {name} is not a valid step. Min: {low}, max: {high}, "
            f"value: {value}, step: {allowed.step}"
        )
    return ""


def _float_fault(parameter: Parameter, allowed: Any) -> str:
    low, high = sorted((allowed.from_value, allowed.to_value))
    value, name = parameter.value, parameter.name
    if _close(value, low) or _close(value, high):
        return ""
    if not low < value < high:
        return f"Parameter {name} out of range Min: {low}, Max: {high}, value: {value}"
    if allowed.step:
        nearest = low + round((value - low) / allowed.step) * allowed.step
        if not _close(nearest, value):
            return (
                f"The parameter value for {name} is not close enough to a valid step. Min: {low}, "
                f"max: {high}, value: {value}, step: {allowed.step}"
            )
    return ""


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_TOLERANCE)
