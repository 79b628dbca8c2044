"""Entities that follow the state of a managed node."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from dsmq_nodes.rclpy.impl.nodes.lifecycle_machine import TransitionCallbackReturnType

TransitionCallbackReturn = TransitionCallbackReturnType


class ManagedEntity:
    """An entity with callbacks for a node's transitions; each returns SUCCESS."""

    def on_configure(self, state: Any) -> TransitionCallbackReturnType:
        """Handle that the node is being configured."""
        return TransitionCallbackReturn.SUCCESS

    def on_cleanup(self, state: Any) -> TransitionCallbackReturnType:
        """Handle that the node is being cleaned up."""
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: Any) -> TransitionCallbackReturnType:
        """Handle that the node is being shut down."""
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: Any) -> TransitionCallbackReturnType:
        """Handle that the node is being activated."""
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturnType:
        """Handle that the node is being deactivated."""
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: Any) -> TransitionCallbackReturnType:
        """Handle a failed transition of the node."""
        return TransitionCallbackReturn.SUCCESS


class SimpleManagedEntity(ManagedEntity):
    """An entity that is enabled while the node is active."""

    def __init__(self) -> None:
        self._enabled = False

    def on_activate(self, state: Any) -> TransitionCallbackReturnType:
        """Enable it."""
        self._enabled = True
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: Any) -> TransitionCallbackReturnType:
        """Disable it."""
        self._enabled = False
        return TransitionCallbackReturn.SUCCESS

    @property
    def is_activated(self) -> bool:
        """Whether it is enabled."""
        return self._enabled

    @staticmethod
    def when_enabled(
        wrapped: Callable[..., Any] | None = None,
        *,
        when_not_enabled: Callable[..., Any] | None = None,
    ) -> Any:
        """Decorate a method: it does nothing, or `when_not_enabled()`, while it is disabled."""

        def decorate(method: Callable[..., Any]) -> Callable[..., None]:
            @wraps(method)
            def run(self: "SimpleManagedEntity", *args: Any, **kwargs: Any) -> None:
                if self._enabled:
                    method(self, *args, **kwargs)
                elif when_not_enabled is not None:
                    when_not_enabled()

            return run

        return decorate if wrapped is None else decorate(wrapped)
