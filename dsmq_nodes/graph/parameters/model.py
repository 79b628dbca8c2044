"""Parameters of a node: a pydantic model, filled by the launch file."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticSerializationError, to_json
from typing_extensions import override

from dsmq_nodes.errors import ParameterError
from dsmq_nodes.graph.given import of_kind
from dsmq_nodes.graph.parameters.parameter import INTEGERS, is_byte
from dsmq_nodes.messages.fields import adapt_parameters
from dsmq_nodes.messages.model_class import ModelClass, outer_names
from dsmq_nodes.messages.python_numbers import changed
from dsmq_nodes.suggest import did_you_mean, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_NOWHERE: Final[Mapping[str, str]] = {}


class Parameters(BaseModel, metaclass=ModelClass, defer_build=True):  # most nodes never build it
    """The parameters of a node class: subclass it inside the node, with types and defaults.

    An int is accepted as a float; nothing else is converted. An unknown name is an error. A field
    with `Field(frozen=True)` is read-only once the node has started. `Parameters` may be nested:
    the field `kp` of a field `pid` is the parameter `pid.kp`.
    """

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        validate_assignment=True,
        validate_default=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        serialize_by_alias=True,  # a field's alias is its name for other nodes
    )

    @classmethod
    @override
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return adapt_parameters(cls, handler(source), handler)

    if not TYPE_CHECKING:  # a type checker finds them itself

        def __getattr__(self, name: str) -> Any:
            """Raise: Python calls this only for an attribute that does not exist.

            Raises:
                AttributeError: always; the text has the nearest parameter.
            """
            if name.startswith("_"):  # pydantic's own
                return super().__getattr__(name)
            if type(self) is Parameters:
                raise AttributeError(
                    f"there is no parameter {name!r}: the node's class has no model `Params`"
                )
            hint = did_you_mean(name, type(self).__pydantic_fields__)
            raise AttributeError(f"there is no parameter {name!r}; {hint}")

        @override
        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except ValidationError as error:
                if numbers := changed({name: value}):
                    setattr(self, name, numbers[name])
                    return
                raise ParameterError(self._problems(error)) from None

    @classmethod
    def load(
        cls, values: Mapping[str, Any], owner: str, places: Mapping[str, str] = _NOWHERE
    ) -> Self:
        """Return the parameters with the given values, and defaults for the others.

        `places` has the places where the values are written, as far as they are known.

        Raises:
            ParameterError: names are unknown or missing, or values do not fit; the text has all.
        """
        given = _grouped({**values, **changed(values)})
        try:
            found = cls._read(_with_groups(cls.model_construct(), _with_bytes(cls, given)))
        except ValidationError as error:
            problems = cls._problems(error, places)
            known = ", ".join(_names(cls)) or "none"
            raise ParameterError(f"parameters of {owner}: {problems} (it has: {known})") from None
        _check_integers(found, f"parameters of {owner}: ")
        return found

    @classmethod
    def _read(cls, given: dict[str, Any]) -> Self:
        """Return the parameters with values of Python, or else with those that YAML has for them.

        YAML has the value of an enumeration's member, the list of a tuple, the text of a path.
        """
        try:
            return cls.model_validate(given)
        except ValidationError:
            with suppress(PydanticSerializationError):  # else the error above stands
                defaults = cls.model_construct().model_dump(mode="json", warnings=False)
                return cls.model_validate_json(to_json(defaults | given, bytes_mode="base64"))
            raise

    def changed(self, values: Mapping[str, Any]) -> Self:
        """Return a copy with other values; names of nested fields have dots.

        Raises:
            ParameterError: values do not fit; the text has all.
        """
        whole = merged_groups(self.model_dump(mode="json"), _grouped(values))
        try:
            found = self.model_validate_json(to_json(whole, bytes_mode="base64"))
        except ValidationError as error:
            raise ParameterError(self._problems(error)) from None
        except PydanticSerializationError as error:  # a lone surrogate
            raise ParameterError(str(error)) from None
        _check_integers(found, "")
        return found

    def take(self, other: Self) -> None:
        """Take over all values of another model, which have been checked already."""
        self.__dict__.update(other.__dict__)
        self.model_fields_set.update(other.model_fields_set)

    @classmethod
    def _problems(cls, error: ValidationError, places: Mapping[str, str] = _NOWHERE) -> str:
        names = [
            (".".join(map(str, found["loc"])), found) for found in error.errors(include_url=False)
        ]
        return "; ".join(at_place(cls._explain(n, found), n, places) for n, found in names)

    @classmethod
    def _explain(cls, name: str, found: "ErrorDetails") -> str:
        if found["type"] == "missing":
            return f"{name}: it has no value: give it one in `params:`, or a default in its class"
        if found["type"] != "extra_forbidden":
            return f"{name}: {found['msg']}, got {found['input']!r:.60}"
        return unknown(name, _names(cls))


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the text for a parameter that does not exist."""
    close = nearest(of_kind(name, str, "a parameter's name"), known)
    return f"there is no parameter {name!r}" + (f", did you mean {close!r}?" if close else "")


def at_place(problem: str, name: str, places: Mapping[str, str]) -> str:
    """Return a problem of a parameter as text, after the place where its value is written."""
    while name and name not in places:
        # the place of a list is that of its items, the place of a group that of its members
        name = name.rpartition(".")[0]
    return f"{places[name]}: {problem}" if name else problem


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, BaseModel, str]]:
    """Yield the parameters of a model: the name, and the model and field that hold the value."""
    for field, name in outer_names(type(model)).items():
        value = getattr(model, field)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", model, field


def _names(cls: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield the names of a model's parameters."""
    for field, name in outer_names(cls).items():
        inner = _model_in(cls, field)
        if inner is None or inner is cls:
            yield f"{prefix}{name}"
        else:
            yield from _names(inner, f"{prefix}{name}.")


def _model_in(cls: type[BaseModel], field: str) -> type[BaseModel] | None:
    """Return the model that a field may hold."""
    models = (each for each in _kinds(cls, field) if isinstance(each, type))
    return next((each for each in models if issubclass(each, BaseModel)), None)


def _kinds(cls: type[BaseModel], field: str) -> list[Any]:
    """Return the types that a field may have."""
    found = cls.model_fields[field].annotation
    return [found, *get_args(found)]


def _with_groups(default: BaseModel, given: Mapping[str, Any]) -> dict[str, Any]:
    """Add to the values of a group those that its default has for its other members."""
    found = dict(given)
    for name, outer in outer_names(type(default)).items():
        group, value = getattr(default, name, None), given.get(outer)
        if isinstance(group, BaseModel) and isinstance(value, Mapping):
            members = {o: getattr(group, n) for n, o in outer_names(type(group)).items()}
            found[outer] = members | _with_groups(group, value)
    return found


def _with_bytes(cls: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    """Convert lists of integers to bytes, where a field needs bytes: YAML and JSON have lists."""
    found = dict(values)
    attributes = {outer: name for name, outer in outer_names(cls).items()}
    for name, value in values.items():
        field = attributes.get(name)
        if field is None:
            continue  # refused later
        if isinstance(value, list) and bytes in _kinds(cls, field) and all(map(is_byte, value)):
            found[name] = bytes(value)
        elif isinstance(value, dict) and (inner := _model_in(cls, field)):
            found[name] = _with_bytes(inner, value)
    return found


def _check_integers(model: BaseModel, where: str) -> None:
    for name, holder, field in leaves(model):
        value = getattr(holder, field)
        for each in value if isinstance(value, list | tuple) else [value]:
            if type(each) is int and each not in INTEGERS:
                raise ParameterError(f"{where}{name}: an integer parameter has 64 bits")


def _grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"pid.kp": 1}` as `{"pid": {"kp": 1}}`, the form of a nested model."""
    grouped: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = {last: value}
        for group in reversed(groups):
            inner = {group: inner}
        grouped = merged_groups(grouped, inner)
    return grouped


def merged_groups(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of both mappings; `new` overrides `old`, and groups are merged."""
    merged = dict(old)
    for name, value in new.items():
        inner = merged.get(name)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        merged[name] = merged_groups(inner, value) if both and inner is not None else value
    return merged
