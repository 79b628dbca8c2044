"""Contexts: the state between `init` and `shutdown`."""

import contextlib
import inspect
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any, ClassVar, Final, Self

from dsmq_nodes.rclpy.impl.c_errors import RCLError, wrong_arguments
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.log_output import LogOutput, log_output
from dsmq_nodes.rclpy.impl.names.ros_arguments import Arguments, parse
from dsmq_nodes.rclpy.impl.wakeup import Wakeup

_CONTEXT: Final = "rclpy._rclpy_pybind11.Context(arg0: list, arg1: typing.SupportsInt)"
_NO_DOMAIN: Final = 2**64 - 1
_MOST_DOMAIN: Final = 232
_CALLBACKS_SEC: Final = 0.1  # how long a spinning thread that has to end waits for callbacks
living: Final[weakref.WeakSet["Context"]] = weakref.WeakSet()
"""The contexts that a signal shuts down."""


class ContextHandle(InnerHandle):
    """The state of a context that was initialized."""

    def __init__(self, arguments: Arguments, domain_id: int) -> None:
        super().__init__()
        self.arguments = arguments
        self.domain_id = domain_id
        self.is_valid = True

    def ok(self) -> bool:
        """Whether the context was not shut down."""
        return self.is_valid

    def get_domain_id(self) -> int:
        """Return the number of the domain."""
        return self.domain_id


class Context:
    """The state from `init` to `shutdown`; a context cannot be initialized a second time.

    Attributes:
        log: the output of the loggers of its nodes.
    """

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._callbacks: list[Callable[[], Callable[[], object] | None]] = []
        self._handle: ContextHandle | None = None
        self._is_cleaned_up = False
        self._has_log = False
        self.was_interrupted = False  # by a signal
        self._nodes: list[weakref.ref[Any]] = []
        self._wakeups: weakref.WeakSet[Any] = weakref.WeakSet()
        self.log: LogOutput = log_output

    @property
    def handle(self) -> ContextHandle | None:
        """The state of the initialized context; None before `init`."""
        return self._handle

    def destroy(self) -> None:
        """Release the handle of the context."""
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()

    def init(
        self,
        args: list[str] | None = None,
        *,
        initialize_logging: bool = True,
        domain_id: int | None = None,
    ) -> None:
        """Initialize the context.

        Args:
            args: the words of the command line; None: those of the process.
            initialize_logging: whether `--log-level` and its relatives count.
            domain_id: stored for `get_domain_id` only; one broker is one domain.

        Raises:
            RuntimeError: the context was initialized before, or the domain is negative.
            UnknownROSArgsError: a word after `--ros-args` is not known.
            RCLError: a word after `--ros-args` cannot be read.
        """
        with self._lock:
            if domain_id is not None and domain_id < 0:
                raise RuntimeError(f"Domain id ({domain_id}) should not be lower than zero.")
            if self._handle is not None:
                raise RuntimeError("Context.init() must only be called once")
            words: object = sys.argv if args is None else args
            asked: object = _NO_DOMAIN if domain_id is None else domain_id
            if not (isinstance(words, list) and isinstance(asked, int)):
                raise wrong_arguments(_CONTEXT, words, asked)
            arguments = parse(words)
            self._handle = ContextHandle(arguments, _domain_of(domain_id))
            if initialize_logging and arguments.log.has_config_file:
                raise RCLError(
                    "failed to initialize logging: spdlog logging backend doesn't currently "
                    "support external configuration"
                )
            if initialize_logging:
                self.log.begin(arguments.log)
                self._has_log = True
            living.add(self)

    def track_node(self, node: Any) -> None:
        """Destroy the node at `shutdown`."""
        with self._lock:
            self._nodes.append(weakref.ref(node))

    def untrack_node(self, node: Any) -> None:
        """Forget a node that was destroyed."""
        with self._lock:
            self._nodes = [each for each in self._nodes if each() not in (None, node)]

    def ok(self) -> bool:
        """Whether the context was initialized and not shut down."""
        return self._handle is not None and self._handle.is_valid

    @contextlib.contextmanager
    def waking(self, wakeup: Wakeup) -> Iterator[None]:
        """Set `wakeup` when the context is shut down, also by a signal."""
        self._wakeups.add(wakeup)
        try:
            yield
        finally:
            self._wakeups.discard(wakeup)

    def add_wakeup(self, wakeup: Wakeup) -> None:
        """Register a wakeup as `waking` does, for as long as the wakeup exists."""
        self._wakeups.add(wakeup)

    def interrupt(self) -> None:
        """End spinning after a signal; the nodes stay as they are."""
        self.was_interrupted = True
        self._invalidate()

    def _invalidate(self) -> None:
        if self._handle is not None:
            self._handle.is_valid = False
        for wakeup in list(self._wakeups):
            wakeup.set()

    def _clean_up(self) -> None:
        self._is_cleaned_up = True
        for each in list(self._nodes):
            node = each()
            if node is not None:
                node.destroy_node()
        self._invalidate()
        callbacks, self._callbacks = self._callbacks, []
        for found in callbacks:
            callback = found()
            if callback is not None:
                callback()
        if self._has_log:
            self._has_log = False
            self.log.end()

    def shutdown(self) -> None:
        """Destroy the nodes and call the callbacks; also after a signal, which does neither.

        Raises:
            RuntimeError: the context was not initialized, or was shut down already.
        """
        with self._lock:
            if self._handle is None:
                raise RuntimeError("Context must be initialized before it can be shutdown")
            if self._is_cleaned_up:
                raise RuntimeError("Context already shutdown.")
            self._clean_up()

    def try_shutdown(self) -> None:
        """Shut down, unless the context was shut down already."""
        with self._lock:
            if self.ok():
                self._clean_up()

    def let_callbacks_be_first(self) -> None:
        """Wait shortly until a running `shutdown` has called its callbacks."""
        if self._lock.acquire(timeout=_CALLBACKS_SEC):
            self._lock.release()

    def on_shutdown(self, callback: Callable[[], object]) -> None:
        """Call `callback()` at `shutdown`, or at once if the context was shut down.

        Raises:
            TypeError: the callback cannot be called.
        """
        if not callable(callback):
            raise TypeError("callback should be a callable, got {}", type(callback))
        with self._lock:
            if self._handle is not None and not self._handle.is_valid:
                callback()
                return
            self._callbacks = [each for each in self._callbacks if each() is not None]
            if inspect.ismethod(callback):
                self._callbacks.append(weakref.WeakMethod(callback))
            else:
                self._callbacks.append(lambda: callback)

    def get_domain_id(self) -> int:
        """Return the number of the domain.

        Raises:
            RuntimeError: the context was not initialized.
        """
        if self._handle is None:
            raise RuntimeError("Context must be initialized before it can have a domain id")
        if not self._handle.is_valid:
            raise RCLError("Failed to get domain id: error not set")
        return self._handle.domain_id

    def __enter__(self) -> Self:
        if self._handle is None:
            warnings.warn(
                "init() must be called on a Context before using it in a Python context "
                "manager. Calling init() with no arguments, this usage is deprecated",
                stacklevel=2,
            )
            self.init()
        return self

    def __exit__(self, *_: Any) -> None:
        self.try_shutdown()


def _domain_of(asked: int | None) -> int:
    """Return the requested domain, else that of the environment, else 0: here one broker is one.

    Raises:
        RCLError: ROS_DOMAIN_ID is not a number from 0 to 232.
    """
    if asked is not None:
        return int(asked)
    text = os.environ.get("ROS_DOMAIN_ID") or "0"
    if not text.isdecimal() or int(text) > _MOST_DOMAIN:
        raise RCLError("failed to initialize rcl: ROS_DOMAIN_ID is not an integral number")
    return int(text)
