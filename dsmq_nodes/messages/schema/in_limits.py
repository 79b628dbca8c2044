"""Checks a message's lists with limits, which can be broken by changes in place."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo

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


def _check(item: Any, metadata: list[Any]) -> _Check | None:
    """Check the limits alone: validators of the user's own may change what they have made."""
    lengths = limits_in(metadata, "min_length", "max_length")
    field = FieldInfo.from_annotation(item)
    ranges = limits_in(field.metadata, "gt", "ge", "lt", "le", "multiple_of")
    if field.annotation is int and ranges:
        annotation: Any = Annotated[list[Annotated[int, Field(**ranges)]], Field(**lengths)]
        return TypeAdapter(annotation, config=ConfigDict(strict=True)).validator.isinstance_python
    if not lengths:
        return None
    allowed = range(lengths.get("min_length", 0), lengths.get("max_length", sys.maxsize) + 1)
    return lambda values: len(values) in allowed  # a tenth of the validator's time
