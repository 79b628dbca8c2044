"""Contexts: from `init` to `shutdown`, and everything that lives meanwhile."""

import contextlib
import inspect
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any, ClassVar, Final, Self

from dsmq_nodes.rclpy.impl.also_importable import also_importable
from dsmq_nodes.rclpy.impl.c_errors import RCLError, wrong_arguments
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.log_output import LogOutput, log_output
from dsmq_nodes.rclpy.impl.names.domain import domain_of
from dsmq_nodes.rclpy.impl.names.ros_arguments import Arguments, parse
from dsmq_nodes.rclpy.impl.wakeup import Wakeup

_CONTEXT: Final = "rclpy._rclpy_pybind11.Context(arg0: list, arg1: typing.SupportsInt)"
_NO_DOMAIN: Final = 2**64 - 1
_CALLBACKS_SEC: Final = 0.1  # a spinning thread that has to end waits so long for callbacks
living: Final[weakref.WeakSet["Context"]] = weakref.WeakSet()
"""The contexts that a signal shuts down."""


class ContextHandle(InnerHandle):
    """The inner side of a context that was inited."""

    def __init__(self, arguments: Arguments, domain_id: int) -> None:
        super().__init__()
        self.arguments = arguments
        self.domain_id = domain_id
        self.is_valid = True

    def ok(self) -> bool:
        """Whether it was not shut down."""
        return self.is_valid

    def get_domain_id(self) -> int:
        """The domain."""
        return self.domain_id


class Context:
    """The life from `init` to `shutdown`; it cannot be inited a second time.

    Attributes:
        log: where the loggers of its nodes write to.
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
        """The inner side; None before `init`."""
        return self._handle

    def destroy(self) -> None:
        """End it."""
        if self._handle is not None:
            self._handle.destroy_when_not_in_use()

    def init(
        self,
        args: list[str] | None = None,
        *,
        initialize_logging: bool = True,
        domain_id: int | None = None,
    ) -> None:
        """Begin.

        Args:
            args: the words of the command line; None: those of the process.
            initialize_logging: whether `--log-level` and its relatives count.
            domain_id: kept and returned; one broker is one domain.

        Raises:
            RuntimeError: it was inited before, or the domain is negative.
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
            self._handle = ContextHandle(arguments, domain_of(domain_id))
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
        """Whether it was inited and not shut down."""
        return self._handle is not None and self._handle.is_valid

    @contextlib.contextmanager
    def waking(self, wakeup: Wakeup) -> Iterator[None]:
        """Set `wakeup` when the context is shut down, by a signal too."""
        self._wakeups.add(wakeup)
        try:
            yield
        finally:
            self._wakeups.discard(wakeup)

    def add_wakeup(self, wakeup: Wakeup) -> None:
        """Register as `waking` does, while the wakeup lives."""
        self._wakeups.add(wakeup)

    def interrupt(self) -> None:
        """A signal has come: spinning ends, nodes stay as they are."""
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
        """End: destroy its nodes and call the callbacks; also after a signal, which does neither.

        Raises:
            RuntimeError: it was not inited, or was shut down already.
        """
        with self._lock:
            if self._handle is None:
                raise RuntimeError("Context must be initialized before it can be shutdown")
            if self._is_cleaned_up:
                raise RuntimeError("Context already shutdown.")
            self._clean_up()

    def try_shutdown(self) -> None:
        """End, unless it has ended."""
        with self._lock:
            if self.ok():
                self._clean_up()

    def let_callbacks_be_first(self) -> None:
        """Wait until a `shutdown` under way has called its callbacks; one may wait for us."""
        if self._lock.acquire(timeout=_CALLBACKS_SEC):
            self._lock.release()

    def on_shutdown(self, callback: Callable[[], object]) -> None:
        """Call `callback()` at `shutdown`; at once when that has been.

        Raises:
            TypeError: it cannot be called.
        """
        if not callable(callback):
            raise TypeError("callback should be a callable, got {}", type(callback))
        with self._lock:
            if self._handle is not None and not self._handle.is_valid:
                callback()
            elif inspect.ismethod(callback):
                self._callbacks.append(weakref.WeakMethod(callback))
            else:
                self._callbacks.append(lambda: callback)

    def get_domain_id(self) -> int:
        """The domain.

        Raises:
            RuntimeError: it was not inited.
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


__getattr__ = also_importable(__name__)
