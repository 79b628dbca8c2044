"""Ctrl-C and SIGTERM: they shut down the contexts, which ends spinning.

A handler that the program had before is called after that: Python's own raises KeyboardInterrupt.
Nodes are not destroyed by a signal.
"""

import contextlib
import signal
from types import FrameType
from typing import Any

from dsmq_nodes.rclpy.context import Context, living
from dsmq_nodes.rclpy.guard_condition import GuardCondition
from dsmq_nodes.rclpy.impl.c_enum import CEnum
from dsmq_nodes.rclpy.impl.c_errors import wrong_arguments


class SignalHandlerOptions(CEnum):
    """The signals that are handled."""

    NO = 0
    SIGINT = 1
    SIGTERM = 2
    ALL = 3


_before: dict[int, Any] = {}


def _received(number: int, frame: FrameType | None) -> None:
    for context in list(living):
        context.interrupt()
    before = _before.get(number)
    if callable(before):
        before(number, frame)


def install_signal_handlers(options: SignalHandlerOptions = SignalHandlerOptions.ALL) -> None:
    """Handle the signals; do nothing in a thread other than the main one.

    Raises:
        TypeError: `options` are none.
    """
    if not isinstance(options, SignalHandlerOptions):
        raise wrong_arguments(
            "install_signal_handlers(arg0: rclpy::SignalHandlerOptions) -> None", options
        )
    for flag, number in ((1, signal.SIGINT), (2, signal.SIGTERM)):
        if options & flag and number not in _before:
            with contextlib.suppress(ValueError):
                # The kit handles SIGTERM itself once there is a node: this must come first.
                _before[number] = signal.signal(number, _received)


def get_current_signal_handlers_options() -> SignalHandlerOptions:
    """Return the signals that are handled now."""
    return SignalHandlerOptions(
        (1 if signal.SIGINT in _before else 0) | (2 if signal.SIGTERM in _before else 0)
    )


def uninstall_signal_handlers() -> None:
    """Restore the previous signal handlers."""
    for number, before in list(_before.items()):
        del _before[number]
        with contextlib.suppress(ValueError):
            if signal.getsignal(number) is _received:
                signal.signal(number, before if before is not None else signal.SIG_DFL)


class SignalHandlerGuardCondition(GuardCondition):
    """A guard condition that a signal triggers."""

    def __init__(self, context: Context | None = None) -> None:
        super().__init__(callback=None, callback_group=None, context=context)
        self._context.add_wakeup(self)  # type: ignore[arg-type]

    def set(self) -> None:
        """Handle a signal."""
        with contextlib.suppress(Exception):
            self.trigger()
