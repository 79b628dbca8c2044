"""The default context, and functions about the whole process."""

import os
import sys
import threading
from collections.abc import Sequence

from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.impl.names.ros_arguments import parse, without_ros_args

RMW_IMPLEMENTATION = "rmw_dsmq"


class _Default:
    """The context of programs that name no other."""

    context: Context | None = None
    lock = threading.RLock()


def get_default_context(*, shutting_down: bool = False) -> Context:
    """Return the default context; when it is being shut down, the next call gets a new one."""
    with _Default.lock:
        if _Default.context is None:
            _Default.context = Context()
        found = _Default.context
        if shutting_down:
            _Default.context = None
        return found


def remove_ros_args(args: Sequence[str] | None = None) -> list[str]:
    """Return the words that are not arguments for ROS; None: the words of the process.

    Raises:
        UnknownROSArgsError: a word of ROS is not known.
        RCLInvalidROSArgsError: one cannot be read.
    """
    words = list(sys.argv if args is None else args)
    parse(words, scoped=True)
    return without_ros_args(words)


def ok(*, context: Context | None = None) -> bool:
    """Whether a context, or the default one, was initialized and not shut down."""
    return (get_default_context() if context is None else context).ok()


def shutdown(*, context: Context | None = None) -> None:
    """Shut down a context, or the default one.

    Raises:
        RuntimeError: it is not running.
    """
    (get_default_context(shutting_down=True) if context is None else context).shutdown()


def try_shutdown(*, context: Context | None = None) -> None:
    """Shut down a context, or the default one, if it is running."""
    if context is not None:
        context.try_shutdown()
        return
    with _Default.lock:
        found = get_default_context()
        if found.ok():
            found.try_shutdown()
        if found.handle is not None:
            _Default.context = None


def get_rmw_implementation_identifier() -> str:
    """Return the middleware's name, formed like that of a ROS package."""
    return RMW_IMPLEMENTATION


def get_available_rmw_implementations() -> set[str]:
    """Return the middlewares: only this one.

    Raises:
        RuntimeError: RMW_IMPLEMENTATIONS in the environment names another one.
    """
    wanted = set(filter(None, os.environ.get("RMW_IMPLEMENTATIONS", "").split(os.pathsep)))
    missing = wanted - {RMW_IMPLEMENTATION}
    if missing:
        raise RuntimeError(
            f"The RMW implementations {missing} specified in 'RMW_IMPLEMENTATIONS' are not "
            f"available ({RMW_IMPLEMENTATION})"
        )
    return {RMW_IMPLEMENTATION}


def timeout_sec_to_nsec(timeout_sec: float | None) -> int:
    """Return a timeout in nanoseconds; -1, for ever, if it is None or negative."""
    if timeout_sec is None or timeout_sec < 0:
        return -1
    return int(float(timeout_sec) * S_TO_NS)
