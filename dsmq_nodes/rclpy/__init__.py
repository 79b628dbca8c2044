"""rclpy's words on the public names of `dsmq_nodes`: programs written for rclpy run unchanged.

Each module here stands for rclpy's module of its name. `impl/` is the base of all of them, and
`interfaces/` has the messages in ROS's clothes.

Deliberate differences from rclpy 9.1.2:

- An int in a float field is sent as that float, and 1 in a bool field as True; rclpy sends 5e-324
  and False. A value that does not fit its field's type or range is an error of `publish`.
- `EventsExecutor` ends at Ctrl-C as the others do; in rclpy it hangs.
- An invalid action type is an error; in rclpy the process crashes.
- A process that ends while a thread spins ends with its own status; in rclpy it may abort.
- A call that can get no answer (there is no server, or it is lost) logs the reason.
- If two nodes have one name, the first one answers the services of parameters. If a service has two
  servers, the first one answers, and the second takes over when it has gone; in rclpy both answer.
- GIDs, type hashes and enclaves are empty or unknown. `wait_for_all_acked` is True when messages
  are in the memory that subscriptions read. Messages of an incompatible publisher may be received
  until the graph shows it, a moment later.
"""

from typing import TYPE_CHECKING, Any, Self

import dsmq_nodes.rclpy.callback_groups  # rclpy loads it, too
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.parameter import Parameter
from dsmq_nodes.rclpy.qos import QoSProfile, qos_profile_rosout_default
from dsmq_nodes.rclpy.signals import (
    SignalHandlerOptions,
    install_signal_handlers,
    uninstall_signal_handlers,
)
from dsmq_nodes.rclpy.task import Future
from dsmq_nodes.rclpy.utilities import (
    get_default_context,
    get_rmw_implementation_identifier,
    ok,
)
from dsmq_nodes.rclpy.utilities import shutdown as _shutdown
from dsmq_nodes.rclpy.utilities import try_shutdown as _try_shutdown

if TYPE_CHECKING:
    from dsmq_nodes.rclpy.executors import Executor
    from dsmq_nodes.rclpy.node import Node

# The others are modules, such as `time`: `import *` would hide Python's own.
__all__ = [
    "Context", "Future", "InitContextManager", "Parameter", "QoSProfile", "SignalHandlerOptions",
    "create_node", "get_default_context", "get_global_executor",
    "get_rmw_implementation_identifier", "init", "install_signal_handlers", "ok",
    "qos_profile_rosout_default", "shutdown", "spin", "spin_once", "spin_until_future_complete",
    "try_shutdown", "uninstall_signal_handlers",
]  # fmt: skip


class InitContextManager:
    """The return value of `init`: `with rclpy.init():` shuts down at its end."""

    def __init__(
        self,
        args: list[str] | None,
        context: Context | None,
        domain_id: int | None,
        signal_handler_options: SignalHandlerOptions | None,
    ) -> None:
        self.context = get_default_context() if context is None else context
        if signal_handler_options is None:
            is_default = self.context is get_default_context()
            signal_handler_options = (
                SignalHandlerOptions.ALL if is_default else SignalHandlerOptions.NO
            )
        self.installed_signal_handlers = signal_handler_options != SignalHandlerOptions.NO
        self.context.init(args, domain_id=domain_id)
        install_signal_handlers(signal_handler_options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        context = None if self.context is get_default_context() else self.context
        try_shutdown(context=context, uninstall_handlers=self.installed_signal_handlers)


def init(
    *,
    args: list[str] | None = None,
    context: Context | None = None,
    domain_id: int | None = None,
    signal_handler_options: SignalHandlerOptions | None = None,
) -> InitContextManager:
    """Initialize a context: read the arguments, handle signals.

    Args:
        args: the words of a command line; None: those of the process.
        context: the context to initialize; None: the default one.
        domain_id: stored without effect; one broker is one domain.
        signal_handler_options: None: both signals for the default context, none for another.

    Raises:
        RuntimeError: the context was initialized before.
        UnknownROSArgsError: a word after `--ros-args` is not known.
        RCLError: a word after `--ros-args` cannot be read.
    """
    return InitContextManager(args, context, domain_id, signal_handler_options)


_global: dict[str, "Executor"] = {}


def get_global_executor() -> "Executor":
    """Return the executor that the functions below use when they are given none."""
    from dsmq_nodes.rclpy.executors import SingleThreadedExecutor  # noqa: PLC0415  as rclpy does

    found = _global.get("executor")
    if found is None:
        found = _global["executor"] = SingleThreadedExecutor()
        get_default_context().on_shutdown(_forget_executor)
    return found


def _forget_executor() -> None:
    found = _global.pop("executor", None)
    if found is not None:
        found.shutdown()


def _uninstall(context: Context | None, asked: bool | None) -> None:
    is_default = context is None or context is get_default_context()
    if asked or (asked is None and is_default):
        uninstall_signal_handlers()


def shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Shut down a context, or the default one, and destroy its nodes.

    Raises:
        RuntimeError: the context is not running.
    """
    _shutdown(context=context)
    _uninstall(context, uninstall_handlers)


def try_shutdown(*, context: Context | None = None, uninstall_handlers: bool | None = None) -> None:
    """Shut down a context, or the default one, if it is running."""
    _try_shutdown(context=context)
    _uninstall(context, uninstall_handlers)


def create_node(node_name: str, **kwargs: Any) -> "Node":
    """Make a node; the arguments are those of `rclpy.node.Node`.

    Raises:
        TypeError: an argument is not known.
    """
    from dsmq_nodes.rclpy.node import Node  # noqa: PLC0415  as rclpy does: `import rclpy` is light

    known = Node.__init__.__kwdefaults__ or {}
    for name in kwargs:
        if name not in known:
            raise TypeError(f"create_node() got an unexpected keyword argument '{name}'")
    return Node(node_name, **kwargs)


def spin_once(
    node: "Node", *, executor: "Executor | None" = None, timeout_sec: float | None = None
) -> None:
    """Run one callback, or wait for one until the timeout; None waits for ever."""
    executor = get_global_executor() if executor is None else executor
    was_added = False
    try:
        was_added = executor.add_node(node)
        executor.spin_once(timeout_sec=timeout_sec)
    finally:
        if was_added:
            executor.remove_node(node)


def spin(node: "Node", executor: "Executor | None" = None) -> None:
    """Run callbacks until the context is shut down.

    Raises:
        ExternalShutdownException: the context was shut down by a signal or another thread.
    """
    executor = get_global_executor() if executor is None else executor
    try:
        executor.add_node(node)
        repeat_entity = getattr(executor, "repeat_entity", lambda: None)
        while executor.context.ok():
            executor.spin_once()
            repeat_entity()
    finally:
        executor.remove_node(node)


def spin_until_future_complete(
    node: "Node",
    future: Future[Any],
    executor: "Executor | None" = None,
    timeout_sec: float | None = None,
) -> None:
    """Run callbacks until a future is done or the timeout ends; None: no timeout."""
    executor = get_global_executor() if executor is None else executor
    was_added = False
    try:
        was_added = executor.add_node(node)
        executor.spin_until_future_complete(future, timeout_sec)
    finally:
        if was_added:
            executor.remove_node(node)
