"""Parameters of a node: a pydantic model, filled by the launch file."""

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import to_json

from dsmq_nodes.errors import ParameterError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Parameters(BaseModel):
    """The parameters of a node class: subclass it inside the node, with types and defaults.

    An int is taken for a float; nothing else is converted. An unknown name is an error. A field
    with `Field(frozen=True)` is read-only once the node has begun. `Parameters` may be nested: the
    field `kp` of a field `pid` is the parameter `pid.kp`.
    """

    model_config = ConfigDict(
        strict=True, extra="forbid", validate_assignment=True, validate_default=True
    )

    @classmethod
    def load(cls, values: Mapping[str, Any], owner: str) -> Self:
        """The parameters that `values` give, the rest by default.

        Raises:
            ParameterError: a name is unknown or missing, or a value does not fit; all of them.
        """
        try:
            return cls.model_validate(_grouped(values))
        except ValidationError as error:
            problems = cls._problems(error)
            known = ", ".join(cls.model_fields) or "none"
            raise ParameterError(f"parameters of {owner}: {problems} (it has: {known})") from None

    def changed(self, values: Mapping[str, Any]) -> Self:
        """These parameters with other values; a name of a nested field has dots.

        Raises:
            ParameterError: a value does not fit; all of them.
        """
        text = to_json(_merged(self.model_dump(mode="json"), _grouped(values)))
        try:
            return self.model_validate_json(text)
        except ValidationError as error:
            raise ParameterError(self._problems(error)) from None

    def take(self, other: Self) -> None:
        """Have all values of another; they were checked."""
        self.__dict__.update(other.__dict__)
        self.model_fields_set.update(other.model_fields_set)

    @classmethod
    def _problems(cls, error: ValidationError) -> str:
        return "; ".join(
            cls._explain(".".join(map(str, found["loc"])), found)
            for found in error.errors(include_url=False)
        )

    @classmethod
    def _explain(cls, name: str, found: "ErrorDetails") -> str:
        if found["type"] != "extra_forbidden":
            return f"{name}: {found['msg']}, got {found['input']!r:.60}"
        close = difflib.get_close_matches(name, cls.model_fields, 1)
        return f"there is no {name!r}" + (f", did you mean {close[0]!r}?" if close else "")


def leaves(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, BaseModel, str]]:
    """The parameters of a model: name, and the model and field that hold it."""
    for field in type(model).model_fields:
        value = getattr(model, field)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{field}.")
        else:
            yield f"{prefix}{field}", model, field


def _grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"pid.kp": 1}` as `{"pid": {"kp": 1}}`, the form of a nested model."""
    grouped: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = {last: value}
        for group in reversed(groups):
            inner = {group: inner}
        grouped = _merged(grouped, inner)
    return grouped


def _merged(old: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        inner = merged.get(name)
        both = isinstance(inner, dict) and isinstance(value, Mapping)
        merged[name] = _merged(inner, value) if both and inner is not None else value
    return merged
