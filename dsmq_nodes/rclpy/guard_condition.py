"""Guard conditions: any thread triggers one, and its callback runs once."""

from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.context import Context, ContextHandle
from dsmq_nodes.rclpy.impl.c_errors import CONTEXT_IS_NOT_VALID, RCLError
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.utilities import get_default_context


class GuardHandle(InnerHandle):
    """The inner side of a guard condition."""

    def __init__(self, context: ContextHandle) -> None:
        super().__init__()
        if not context.ok():
            raise RCLError(CONTEXT_IS_NOT_VALID.format("create guard_condition"))
        self.is_triggered = False
        self.wake: Callable[[], object] = lambda: None

    def trigger_guard_condition(self) -> None:
        """Make the callback ready."""
        self.is_triggered = True
        self.wake()

    def is_ready(self) -> bool:
        """Whether it was triggered."""
        return self.is_triggered and not self.is_destroyed


class GuardCondition:
    """A condition that any thread can trigger."""

    def __init__(
        self,
        callback: Callable[[], Any] | None,
        callback_group: Any,
        context: Context | None = None,
    ) -> None:
        self._context = get_default_context() if context is None else context
        if self._context.handle is None:
            raise RuntimeError("Context must be initialized a GuardCondition can be created")
        self.handle = GuardHandle(self._context.handle)
        self.callback = callback
        self.callback_group = callback_group
        self._executor_event = False
        self._executor_triggered = False

    def trigger(self) -> None:
        """Run the callback once, as soon as the node is spun.

        Raises:
            InvalidHandle: it was destroyed.
        """
        self.handle.check()
        self.handle.trigger_guard_condition()

    def take(self, _executor: Any) -> tuple[Callable[[], Any], tuple[()]] | None:
        """Reset the condition before its callback."""
        self.handle.check()
        self.handle.is_triggered = False
        return None if self.callback is None else (self.callback, ())

    def destroy(self) -> None:
        """Destroy it."""
        self.handle.destroy_when_not_in_use()
