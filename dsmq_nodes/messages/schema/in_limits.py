"""Checks a message's lists with limits, which can be broken by changes in place."""

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter

from dsmq_nodes.messages.model_class import limits_in

_Check = Callable[[Any], bool]


@cache
def in_limits(cls: type[BaseModel]) -> Callable[[BaseModel], bool] | None:
    """Return a test of a message's lists with limits, or None when the type has none.

    Pydantic's serializer checks the type of each item, but not its range nor the item count.
    Lists inside lists of messages are not checked.
    """
    checks = [(attrgetter(path), check) for path, check in _limited(cls)]

    def valid(message: BaseModel) -> bool:
        for get, check in checks:  # noqa: SIM110 - a generator would take twice the time
            if not check(get(message)):
                return False
        return True

    return valid if checks else None


def _limited(cls: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, _Check]]:
    for name, field in cls.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _limited(kind, f"{prefix}{name}.")
        elif get_origin(kind) is list and (check := _check(get_args(kind)[0], field.metadata)):
            yield prefix + name, check


def _check(item: object, metadata: list[Any]) -> _Check | None:
    limits = limits_in(metadata, "min_length", "max_length")
    ranged = get_origin(item) is Annotated and get_args(item)[0] is int
    if not ranged and limits.keys() == {"min_length", "max_length"}:
        lengths = range(limits["min_length"], limits["max_length"] + 1)
        return lambda values: len(values) in lengths  # a tenth of the validator's time
    if not ranged and not metadata:
        return None
    annotation: Any = Annotated[list[item], *metadata, None]  # type: ignore[valid-type]
    return TypeAdapter(annotation, config=ConfigDict(strict=True)).validator.isinstance_python
