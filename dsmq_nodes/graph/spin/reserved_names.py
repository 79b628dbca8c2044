"""Names that are a node's own: a user's class that takes one is told, or both would go wrong."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.graph.callback import check_callback

# The first two are awaited; the kit itself never calls the others by these names.
_MAY_WAIT: Final = frozenset({"enter_safe_state", "destroy_node", "shutdown", "statistics"})
_MAY_CHANGE: Final = frozenset({"rate_hz", "_destroyed"})


def check_methods(cls: type) -> None:
    """See that a class replaces nothing that is a node's own: what begins with an underscore.

    Nor a method whose result is used at once by one that is a coroutine, or a hook by one that
    nobody could run.

    Raises:
        NodeConfigurationError: it does.
    """
    if _is_ours(cls):
        return
    ours = {name for base in cls.__mro__ if _is_ours(base) for name in vars(base)}
    for name, value in vars(cls).items():
        if name not in ours or name.endswith("__"):
            continue
        if name.startswith("_"):
            raise NodeConfigurationError(
                f"{cls.__qualname__}.{name} would replace what is a node's own: give it another "
                "name"
            )
        if inspect.isfunction(value):
            _check_method(cls, name, value)


def _check_method(cls: type, name: str, method: object) -> None:
    """See that a public method of the kit's is replaced by one that can be called as that is."""
    own = f"{cls.__qualname__}.{name}"
    try:
        check_callback(method, own)
    except TypeError as error:
        raise NodeConfigurationError(str(error)) from None
    ours = next(vars(base)[name] for base in cls.__mro__ if _is_ours(base) and name in vars(base))
    is_awaited = name in _MAY_WAIT or name.startswith("on_") or inspect.iscoroutinefunction(ours)
    if inspect.iscoroutinefunction(method) and not is_awaited:
        raise NodeConfigurationError(
            f"{own} is `async def`, and a node's own `{name}` is called without `await`: make it "
            "`def`, or give it another name"
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
