"""Names that are a node's own: a user's class that takes one is told, or both would go wrong."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dsmq_nodes.errors import NodeConfigurationError

_MAY_CHANGE: Final = frozenset({"rate_hz", "_destroyed"})


def check_methods(cls: type) -> None:
    """See that a class replaces nothing but what it is meant to: what begins with an underscore.

    Raises:
        NodeConfigurationError: it does.
    """
    if _is_ours(cls):
        return
    ours = {name for base in cls.__mro__ if _is_ours(base) for name in vars(base)}
    for name in vars(cls):
        if name in ours and name.startswith("_") and not name.endswith("__"):
            raise NodeConfigurationError(
                f"{cls.__qualname__}.{name} would replace what is a node's own: give it another "
                "name"
            )


def changed(node: object, values: Mapping[str, Any]) -> list[str]:
    """The attributes that are not what they were."""
    now = vars(node)
    names = (name for name in values if now.get(name) is not values[name])
    return [name for name in names if name not in _MAY_CHANGE]


def refuse(node: object, names: Sequence[str]) -> None:
    """See that a class has set none of these attributes.

    Raises:
        NodeConfigurationError: it has.
    """
    if names:
        raise NodeConfigurationError(
            f"{type(node).__qualname__} sets {', '.join(f'self.{name}' for name in names)}, which "
            "is a node's own: give it another name"
        )


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]
