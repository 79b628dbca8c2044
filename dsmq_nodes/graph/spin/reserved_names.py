"""Names that are a node's own: a user's class that uses one gets an error."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from dsmq_nodes.errors import NodeConfigurationError
from dsmq_nodes.graph.callback import check_callback, check_takes

# The first two are awaited; the kit itself never calls the other two by these names.
_MAY_WAIT: Final = frozenset({"enter_safe_state", "destroy_node", "shutdown", "statistics"})
_HOOKS: Final = frozenset(
    {"enter_safe_state", "on_shutdown", "on_error"}
    | {f"on_{change}" for change in ("configure", "activate", "deactivate", "cleanup")}
)


class NotMadeError(NodeConfigurationError, AttributeError):
    """A node is used before its constructor has run."""


class OwnAttribute:
    """An attribute that the kit sets once, in a node's constructor; reading it costs nothing."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __set__(self, node: object, value: object) -> None:
        if self._name in vars(node) or not _is_ours(type(value)):
            raise _name_taken(node, self._name)
        vars(node)[self._name] = value

    def __getattr__(self, name: str) -> Any:
        """Raise: Python calls this only for a node whose constructor has not run."""
        raise NotMadeError(
            "the node is not made yet: its class is no node, and its constructor is to call "
            "super().__init__(name) first"
        )


def check_methods(cls: type) -> None:
    """Check that a class replaces none of a node's own names: those that begin with an underscore.

    The class must also not replace a method whose result the caller uses at once by a coroutine,
    nor a hook by a function that takes other arguments.

    Raises:
        NodeConfigurationError: the class does so.
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
    """Check that a replaced public method can be called like the kit's."""
    own = f"{cls.__qualname__}.{name}"
    ours = next(vars(base)[name] for base in cls.__mro__ if _is_ours(base) and name in vars(base))
    if not callable(ours) or inspect.isgeneratorfunction(ours):
        return  # a replayer's samples are yielded
    try:
        check_callback(method, own)
        if name in _HOOKS:
            check_takes(method, own, *_required_arguments(ours))
    except TypeError as error:
        raise NodeConfigurationError(str(error)) from None
    is_awaited = name in _MAY_WAIT or name.startswith("on_") or inspect.iscoroutinefunction(ours)
    if inspect.iscoroutinefunction(method) and not is_awaited:
        raise NodeConfigurationError(
            f"{own} is `async def`, and a node's own `{name}` is called without `await`: make it "
            "`def`, or give it another name"
        )


def _required_arguments(method: Any) -> list[str]:
    """Return the arguments that a method is called with, `self` included."""
    parameters = inspect.signature(method).parameters.values()
    return [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]


def check_attributes(node: object, values: Mapping[str, object]) -> None:
    """Check that a class has set none of these attributes to another value.

    Raises:
        NodeConfigurationError: it has set one.
    """
    now = vars(node)
    for name, value in values.items():
        if now.get(name) is not value:
            raise _name_taken(node, name)


def _name_taken(node: object, name: str) -> NodeConfigurationError:
    return NodeConfigurationError(
        f"{type(node).__qualname__} sets self.{name}, which is a node's own: give it another name"
    )


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == __name__.partition(".")[0]
