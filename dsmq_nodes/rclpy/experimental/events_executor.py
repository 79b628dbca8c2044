"""The executor that rclpy implements in C++; here it is the single-threaded one.

It differs at an exception of a callback, which it logs and then raises. Ctrl-C ends it; rclpy's
hangs.
"""

import traceback
from typing import Any

from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from dsmq_nodes.rclpy.impl.log_output import log_inside

_FATAL, _WARN = 50, 30
_KINDS = {
    "Timer": "timers",
    "Subscription": "subscriptions",
    "Client": "clients",
    "Service": "services",
}


class _EventsExecutor(SingleThreadedExecutor):
    def _run_one(self, *args: Any, **kwargs: Any) -> None:
        try:
            super()._run_one(*args, **kwargs)
        except (ExternalShutdownException, KeyboardInterrupt):
            raise
        except Exception as error:
            entity = self._last_entity
            kind = _KINDS.get(type(entity).__name__, "callbacks")
            nodes = [each for each in self.get_nodes() if entity in getattr(each, kind, ())]
            name = nodes[0].get_logger().name if nodes else "rclpy"
            log_inside(_FATAL, name, f"Exception in '{kind}' callback: {error}")
            log_inside(_WARN, name, f"Error occurred at:\n{traceback.format_exc()}")
            raise

    _last_entity: Any = None

    def _make_handler(self, entity: Any, node: Any) -> Any:
        self._last_entity = entity
        return super()._make_handler(entity, node)


_EventsExecutor.__name__ = "EventsExecutor"  # what a program prints


def EventsExecutor(*, context: Context | None = None) -> SingleThreadedExecutor:  # noqa: N802
    """Return an executor; in rclpy this is a function, too."""
    return _EventsExecutor(context=context)
