"""The exceptions that rclpy's C side raises: all of them are RuntimeErrors.

Tracebacks show them as those of that module, as in ROS.
"""

from importlib import import_module
from typing import Any, Final

C_MODULE: Final = "rclpy._rclpy_pybind11"
CONTEXT_IS_NOT_VALID: Final = (
    "failed to {}: the given context is not valid, either rcl_init() was not called or "
    "rcl_shutdown() was called."
)


class RCLError(RuntimeError):
    """rcl refused something."""


class RMWError(RuntimeError):
    """The middleware refused something."""


class RCUtilsError(RuntimeError):
    """rcutils refused something."""


class InvalidHandle(RuntimeError):  # noqa: N818  rclpy's name
    """An object was used after it was destroyed."""

    def __init__(
        self, text: str = "cannot use Destroyable because destruction was requested"
    ) -> None:
        super().__init__(text)


class UnknownROSArgsError(RuntimeError):
    """Words between `--ros-args` and `--` are not known."""


class RCLInvalidROSArgsError(RCLError):
    """Words between `--ros-args` and `--` that cannot be read."""


class NodeNameNonExistentError(RCLError):
    """No node of this name is in the graph."""


class UnsupportedEventTypeError(RCLError):
    """This middleware does not have the event."""


class TimerCancelledError(RCLError):
    """A cancelled timer was called."""


def wrong_arguments(signature: str, *given: object) -> TypeError:
    """Return the error of a call that pybind11 refuses.

    Args:
        signature: "name(arg0: type, ...) -> type", or a class with its module and no result.
        *given: the arguments of the call.
    """
    name, _, arguments = signature.partition("(")
    is_class = " -> " not in signature
    return TypeError(
        f"{'__init__' if is_class else name}(): incompatible "
        f"{'constructor' if is_class else 'function'} arguments. The following argument types are "
        f"supported:\n    1. {signature if is_class else '(' + arguments}\n\n"
        f"Invoked with: {', '.join(map(repr, given))}"
    )


C_ERRORS: Final[tuple[type[RuntimeError], ...]] = (
    RCLError,
    RMWError,
    RCUtilsError,
    InvalidHandle,
    UnknownROSArgsError,
    RCLInvalidROSArgsError,
    NodeNameNonExistentError,
    UnsupportedEventTypeError,
    TimerCancelledError,
)
for _each in C_ERRORS:
    _each.__module__ = C_MODULE


def __getattr__(name: str) -> Any:
    """Return another name of that module, for programs that import it."""
    if name.startswith("__"):
        raise AttributeError(f"module {C_MODULE!r} has no attribute {name!r}")
    home = import_module("dsmq_nodes.rclpy.impl.implementation_singleton")
    return getattr(home.rclpy_implementation, name)
