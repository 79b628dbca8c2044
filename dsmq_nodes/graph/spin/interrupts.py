"""Exceptions that come from signals: they are raised between the steps of an event loop.

A signal's handler runs between any two instructions of the main thread. An exception that it raises
in the middle of asyncio's own code loses what asyncio held at that moment: a task that was about
to run, or a half-made loop. So if the signal came in code of the loop, the exception waits for the
loop's next step, or for the end of the block that makes or drives the loop. In a callback it is
raised at once, since the callback may block. It also waits in a finalizer, such as `__del__`, which
Python runs wherever it drops an object: Python would print the exception there and continue.
"""

import asyncio
import signal
import threading
import traceback
from types import FrameType
from typing import Final

from dsmq_nodes.graph.spin.event_loop import running_loop

_LOOP_MODULES: Final = (
    "asyncio.",
    "selectors",
    "dsmq_nodes.dsmq.selector",
    "dsmq_nodes.graph.spin.",
)
_FINALIZING_MODULES: Final = frozenset({"weakref", "_weakrefset"})

_driven: Final[list[asyncio.AbstractEventLoop | None]] = []  # by the main thread; innermost last
_waiting: Final[list[BaseException]] = []


def interrupt(error: BaseException, frame: FrameType | None) -> None:
    """Raise `error` for a signal that came in `frame`: now, or at the loop's next step."""
    loop = running_loop() or (_driven[-1] if _driven else None)
    if (loop is None and not _driven) or not _has_to_wait(frame):
        raise error
    _waiting.append(error)
    if loop is not None:
        loop.call_soon_threadsafe(_raise_waiting)


def ctrl_c(_: int, frame: FrameType | None) -> None:
    """Handle SIGINT as Python does, but between the steps of a loop."""
    interrupt(KeyboardInterrupt(), frame)


class in_whole_steps:  # noqa: N801  a `with` statement; contextlib's frames are not a loop's
    """Delay an interruption to the end of a step, in code that makes a loop or drives `loop`."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        # No signal comes in another thread.
        self._is_here = threading.current_thread() is threading.main_thread()
        self._handles_ctrl_c = False

    def __enter__(self) -> None:
        if not self._is_here:
            return
        _driven.append(self._loop)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._handles_ctrl_c = True
            signal.signal(signal.SIGINT, ctrl_c)

    def __exit__(self, *_: object) -> None:
        if not self._is_here:
            return
        _driven.pop()
        if self._handles_ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _raise_waiting()


def _has_to_wait(frame: FrameType | None) -> bool:
    """Whether an exception raised in `frame` would be lost, or would lose something."""
    if frame is not None and _module_of(frame).startswith(_LOOP_MODULES):
        return True
    return any(
        each.f_code.co_name == "__del__" or _module_of(each) in _FINALIZING_MODULES
        for each, _ in traceback.walk_stack(frame)
    )


def _module_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _raise_waiting() -> None:
    if _waiting:
        error = _waiting.pop()
        _waiting.clear()
        raise error
