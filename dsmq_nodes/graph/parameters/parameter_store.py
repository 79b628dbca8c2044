"""All parameters of a node: the fields of its model, and those that are declared one by one.

Others use a field of the model by its name, and a field of a nested model by a name such as
`pid.kp`. The model checks a change of a field; the type and the ranges of the declaration check a
change of a declared parameter. Then the callbacks are called. Then everything is changed at once,
or nothing is. A callback that raises or returns no answer refuses the change. A callback that is
called afterwards undoes nothing when it raises. The caller receives the reason in both cases.
"""

import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from dsmq_nodes import messages
from dsmq_nodes.errors import (
    GivenParameterError,
    ParameterError,
    SpinError,
    UndeclaredParameterError,
)
from dsmq_nodes.graph.callback import Result, callback_name, called
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.parameters.model import Parameters, at_place, leaves, unknown
from dsmq_nodes.graph.parameters.parameter import Parameter, ParameterKind
from dsmq_nodes.messages.model_class import outer_names
from dsmq_nodes.printable import error_text

if TYPE_CHECKING:
    from dsmq_nodes.graph.parameters.parameter_events import Change
    from dsmq_nodes.messages.rcl_interfaces import ParameterDescriptor, SetParametersResult

OnSet = Callable[[list[Parameter]], "SetParametersResult | Awaitable[SetParametersResult]"]
PostSet = Callable[[list[Parameter]], Result]
Call = Callable[[Callable[[list[Parameter]], Any], list[Parameter]], Awaitable[Any]]
_ROUNDING = 1e-9  # of a step, relative
_MOST_NAMED = 50


class _DeclaredParameter(msgspec.Struct):
    parameter: Parameter
    descriptor: "ParameterDescriptor | None"
    is_read_only: bool


class ParameterStore:
    """The parameters of a node.

    Attributes:
        on_set: called before a change, the last added first; the first refusal ends it.
        post_set: called after a change.
    """

    def __init__(
        self,
        owner: str,
        model: Parameters,
        given: dict[str, Any],
        *,
        places: Mapping[str, str],
        raised: Callable[[object, Exception], None],
        changed: "Callable[[Change, list[Parameter]], None]",
    ) -> None:
        """Hold the fields of a model, and the declared parameters.

        Args:
            owner: the node's name.
            model: the values of the node's model.
            given: values for parameters that will be declared.
            places: where those values are written, `file:line:column`, as far as that is known.
            raised: called with a callback that has raised, and its exception.
            changed: called with a change and the new parameters, once the node is ready.
        """
        self.on_set: list[OnSet] = []
        self.post_set: list[PostSet] = []
        self._changed = changed
        self._raised = raised
        self.is_ready = False
        self._owner = owner
        self._model = model
        self._given = flat(given)
        self._places = places
        self._declared: dict[str, _DeclaredParameter] = {}

    # Declaring

    def declare(
        self,
        name: str,
        value: Any,
        descriptor: "ParameterDescriptor | None",
        *,
        ignore_override: bool = False,
        read_only: bool = False,
    ) -> Parameter:
        """Declare a parameter; the launcher's value overrides `value`."""
        self._check_new(name)
        if descriptor is not None:
            of_kind(descriptor, messages.ParameterDescriptor, f"the descriptor of {name!r}")
        kind: ParameterKind | None = None
        if isinstance(value, ParameterKind):  # rclpy: the type alone, to be given by the launcher
            kind, value = value, None
        elif value is None:
            self._check_untyped(name, descriptor)
        default = Parameter(name, None, value)
        if kind is None:
            kind = _kind(default, descriptor)
        given = self._given.pop(name, _NOTHING)
        if ignore_override:
            given = _NOTHING
        read_only = read_only or (descriptor is not None and descriptor.read_only)
        declared = _DeclaredParameter(default, descriptor, read_only)
        if given is _NOTHING:
            declared.parameter = self._checked(default, declared, kind)
        else:
            declared.parameter = self._overridden(name, given, declared, kind)
        self._declared[name] = declared
        if self.is_ready:
            self._changed("new", [declared.parameter])
        return declared.parameter

    def _overridden(
        self, name: str, value: Any, declared: _DeclaredParameter, kind: ParameterKind | None
    ) -> Parameter:
        """Return the parameter with the launcher's value.

        Raises:
            GivenParameterError: the value does not fit.
        """
        try:
            parameter = Parameter(name, kind if value is not None else None, value)
            return self._checked(parameter, declared, kind)
        except (TypeError, ParameterError) as error:
            why = str(error).removeprefix(f"{name}: ")
            place = self._places.get(name, "")
            raise GivenParameterError(self._owner, name, why, place) from None

    def _check_new(self, name: object) -> None:
        if not (isinstance(name, str) and name.strip(".") == name != "" and name.isprintable()):
            raise ParameterError(f"{self._owner}: {name!r} is no name of a parameter")
        if name in self:
            raise ParameterError(f"{self._owner} has a parameter {name!r} already")

    def _check_untyped(self, name: str, descriptor: "ParameterDescriptor | None") -> None:
        """Warn of a declaration without a default, and so without a type, as rclpy does.

        Raises:
            ParameterError: the parameter has a descriptor, which does not allow any type.
        """
        if descriptor is not None and descriptor.dynamic_typing:
            return
        text = (
            f"{self._owner}: {name!r} is declared without a default and so has no type: give a "
            "default, `Parameter.Type.DOUBLE`, or `ParameterDescriptor(dynamic_typing=True)`"
        )
        if descriptor is not None:
            raise ParameterError(text)
        warnings.warn(text, stacklevel=4)  # at the line that declares it

    def undeclare(self, name: str) -> None:
        """Remove a declared parameter."""
        if name not in self._declared:
            self._require(name)
            raise ParameterError(f"{self._owner}: {name!r} is of its model and stays")
        if self._is_read_only(name):
            raise ParameterError(f"{self._owner}: {name!r} is read-only and stays")
        self._changed("deleted", [self._declared.pop(name).parameter])

    def check_given(self) -> None:
        """Check, when the node is ready, that it has declared every parameter that it was given.

        Raises:
            UndeclaredParameterError: a given parameter was not declared.
        """
        self.is_ready = True
        if self._given:
            problems = "; ".join(at_place(unknown(n, self), n, self._places) for n in self._given)
            names = [*self]
            names[_MOST_NAMED:] = ["..."] if len(names) > _MOST_NAMED else []
            known = ", ".join(names) or "none"
            text = f"parameters of {self._owner}: {problems} (it has: {known})"
            raise UndeclaredParameterError(text, self._given, self)

    # Reading

    def __iter__(self) -> Iterator[str]:
        for name, _, __ in leaves(self._model):
            yield name
        yield from self._declared

    def __contains__(self, name: object) -> bool:
        return any(name == each for each in self)

    def get(self, name: str) -> Parameter:
        """Return a parameter with its current value.

        Raises:
            ParameterError: there is no such parameter; the text has the nearest name.
        """
        if name in self._declared:
            return self._declared[name].parameter
        for each, holder, field in leaves(self._model):
            if each == name:
                return self._of_model(name, holder, field)
        declare = f"declare it first: `declare_parameter({name!r}, ...)`, or a field of `Params`"
        raise ParameterError(f"{self._owner}: {unknown(name, self)}; {declare}")

    def describe(self, name: str) -> "ParameterDescriptor":
        """Return a parameter's descriptor: its type, description and range."""
        from dsmq_nodes.graph.parameters import parameter_messages  # noqa: PLC0415  7 ms at start-up

        self._require(name)
        if name in self._declared:
            declared = self._declared[name]
            return parameter_messages.describe_declared(
                declared.parameter, declared.descriptor, read_only=declared.is_read_only
            )
        holder, field = _find(self._model, name)
        schema = _json_schema(holder.__class__)
        prop = schema["properties"][outer_names(type(holder))[field]]
        if "$ref" in prop:  # an enumeration
            prop = {**schema["$defs"][prop["$ref"].rpartition("/")[2]], **prop}
        return parameter_messages.describe_field(name, prop, read_only=self._is_read_only(name))

    def _of_model(self, name: str, holder: Any, field: str) -> Parameter:
        value = getattr(holder, field)
        try:
            if value == []:  # the model has the type of its items
                return Parameter(name, ParameterKind(self.describe(name).type), value)
            if not isinstance(value, bytes):
                value = holder.model_dump(mode="json", include={field}, by_alias=False)[field]
            return Parameter(name, None, value)
        except TypeError:
            return Parameter(name, None, None)  # a dict or a list of lists is no parameter of ROS 2

    def _empty_value(self, name: str) -> list[Any] | bytes:
        """Return what `[]` stands for in a field of the model: empty bytes or an empty list."""
        return b"" if self.describe(name).type == ParameterKind.BYTE_ARRAY else []

    def _is_read_only(self, name: str) -> bool:
        if name in self._declared:
            return self._declared[name].is_read_only
        holder, field = _find(self._model, name)
        cls = type(holder)
        return bool(cls.model_config.get("frozen") or cls.model_fields[field].frozen)

    def _require(self, name: str) -> None:
        if name not in self:
            raise ParameterError(f"{self._owner}: {unknown(name, self)}")

    # Setting

    async def set(self, parameters: Sequence[Parameter], call: Call = called) -> str:
        """Change all parameters, or none; return remarks about a change that was made.

        Args:
            parameters: the new values.
            call: calls a callback with the changes, and waits for its answer.

        Raises:
            ParameterError: none was changed; the text is the reason.
        """
        fields, declared = self._new_values(parameters)
        if not (fields or declared):
            return ""
        changes = [*self._fields(self._model.changed(fields) if fields else self._model, fields)]
        changes += declared.values()
        for callback in reversed(self.on_set):
            await self._ask(callback, changes, call)
        # Check again: other parameters may have changed during a callback.
        fields, declared = self._new_values(parameters)
        if fields:
            self._model.take(self._model.changed(fields))
        for name, parameter in declared.items():
            self._declared[name].parameter = parameter
        self._changed("changed", changes)
        failed = [await self._notify(callback, changes, call) for callback in self.post_set]
        return "; ".join(filter(None, failed))

    async def _ask(self, callback: OnSet, changes: list[Parameter], call: Call) -> None:
        """Call a callback that may refuse the changes.

        Raises:
            ParameterError: the callback refuses them, or gives no answer.
        """
        name = callback_name(callback)
        try:
            result = await call(callback, changes)
        except SpinError as error:
            raise ParameterError(f"{name}: {error}") from None
        except Exception as error:  # noqa: BLE001  the caller gets it
            self._raised(callback, error)
            raise ParameterError(f"{name} raised {error_text(error)}") from None
        if not isinstance(getattr(result, "successful", None), bool):
            raise ParameterError(
                f"{name} returned {result!r:.60}: it is to return "
                "SetParametersResult(successful=True), or successful=False and a reason"
            )
        if not result.successful:
            raise ParameterError(result.reason or f"{name} refused it, without a reason")

    async def _notify(self, callback: PostSet, changes: list[Parameter], call: Call) -> str:
        try:
            await call(callback, changes)
        except Exception as error:  # noqa: BLE001  it is logged and returned, and undoes nothing
            self._raised(callback, error)
            return f"it was set, and then {callback_name(callback)} raised {error_text(error)}"
        return ""

    def _new_values(
        self, parameters: Sequence[Parameter]
    ) -> tuple[dict[str, Any], dict[str, Parameter]]:
        """Return the new values of the model's fields and of declared parameters, checked."""
        fields: dict[str, Any] = {}
        declared: dict[str, Parameter] = {}
        for parameter in self._settable(parameters):
            name = parameter.name
            if name in self._declared:
                known = self._declared[name]
                kind = _kind(known.parameter, known.descriptor)
                declared[name] = self._checked(parameter, known, kind)
            else:
                is_empty = parameter.type_ is ParameterKind.BYTE_ARRAY and not parameter.value
                fields[name] = self._empty_value(name) if is_empty else parameter.value
        return fields, declared

    def _fields(self, model: Parameters, names: Iterable[str]) -> Iterator[Parameter]:
        for name in names:
            yield self._of_model(name, *_find(model, name))

    def _settable(self, parameters: Sequence[Parameter]) -> Iterator[Parameter]:
        for parameter in parameters:
            name = parameter.name
            self._require(name)
            if not self._is_read_only(name):
                yield parameter
            # an unchanged value is accepted: a dumped file contains it
            elif parameter != self.get(name):
                raise ParameterError(f"{name} is read-only")

    def _checked(
        self, parameter: Parameter, declared: _DeclaredParameter, kind: ParameterKind | None
    ) -> Parameter:
        """Return the parameter in its declared type, after checking its declared ranges."""
        name, value = parameter.name, parameter.value
        if kind is None and declared.parameter.value == [] and not isinstance(value, list | bytes):
            raise ParameterError(f"{name}: it is to be an array, not {value!r:.60}")
        if kind:
            if value is None and declared.parameter.type_ is not ParameterKind.NOT_SET:
                raise ParameterError(f"{name}: it is to be {kind.words}, not unset")
            if value is None:
                raise ParameterError(f"{name}: it has no default and was not given")
            try:
                parameter = Parameter(name, kind, value)
            except TypeError as error:
                raise ParameterError(str(error)) from None
        if declared.descriptor is not None:
            _check_ranges(parameter, declared.descriptor)
        return parameter


_NOTHING: Any = object()


@cache
def _json_schema(cls: type[Any]) -> dict[str, Any]:
    """Return the JSON Schema of a model, cached, since making it takes milliseconds."""
    found: dict[str, Any] = cls.model_json_schema()
    return found


def _kind(parameter: Parameter, descriptor: "ParameterDescriptor | None") -> ParameterKind | None:
    """Return the type that values must have; None: any; or any array, for a default of []."""
    is_any_array = parameter == Parameter(parameter.name, None, [])
    if is_any_array or (descriptor is not None and descriptor.dynamic_typing):
        return None
    return parameter.type_ or None


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return `{"pid": {"kp": 1}}` as `{"pid.kp": 1}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _find(model: Parameters, name: str) -> tuple[Any, str]:
    return next((holder, field) for each, holder, field in leaves(model) if each == name)


def _check_ranges(parameter: Parameter, descriptor: "ParameterDescriptor") -> None:
    ranges: list[Any] = [*descriptor.floating_point_range, *descriptor.integer_range]
    if not ranges or type(parameter.value) not in {int, float}:
        return
    value, limits = parameter.value, ranges[0]
    if not limits.from_value <= value <= limits.to_value:
        raise ParameterError(
            f"{parameter.name}: it is to be from {limits.from_value:g} to {limits.to_value:g}, "
            f"not {value!r}"
        )
    if limits.step and value != limits.to_value:
        steps = (value - limits.from_value) / limits.step
        if abs(steps - round(steps)) > _ROUNDING * max(1.0, abs(steps)):
            raise ParameterError(
                f"{parameter.name}: it is to be in steps of {limits.step:g} from "
                f"{limits.from_value:g}, not {value!r}"
            )
