"""Exceptions that come from signals: they are raised between the steps of an event loop.

A signal's handler runs between any two instructions of the main thread. An exception raised there
in the middle of asyncio's own code loses what asyncio held at that moment: a task that was about
to run, or a half-made loop. So where the signal came in code of the loop, the exception waits for
the loop's next step, or for the end of the block that makes or drives the loop. In a callback it
is raised at once: the callback may block.
"""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from dsmq_nodes.graph.spin.event_loop import running_loop

_LOOP_MODULES: Final = (
    "asyncio.",
    "selectors",
    "dsmq_nodes.dsmq.selector",
    "dsmq_nodes.graph.spin.",
)

_driven: Final[list[asyncio.AbstractEventLoop | None]] = []  # by the main thread; innermost last
_waiting: Final[list[BaseException]] = []


def interrupt(error: BaseException, frame: FrameType | None) -> None:
    """Raise `error` for a signal that came in `frame`: now, or at the loop's next step."""
    loop = running_loop() or (_driven[-1] if _driven else None)
    if (loop is None and not _driven) or not _is_of_a_loop(frame):
        raise error
    _waiting.append(error)
    if loop is not None:
        loop.call_soon_threadsafe(_raise_waiting)


def ctrl_c(_: int, frame: FrameType | None) -> None:
    """Handle SIGINT as Python does, in whole steps."""
    interrupt(KeyboardInterrupt(), frame)


@contextlib.contextmanager
def in_whole_steps(loop: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
    """Let an interruption wait for a whole step, around code that makes a loop or drives `loop`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes here
        return
    was = signal.getsignal(signal.SIGINT)
    if was is signal.default_int_handler:
        signal.signal(signal.SIGINT, ctrl_c)
    _driven.append(loop)
    try:
        yield
    finally:
        _driven.pop()
        if was is signal.default_int_handler:
            signal.signal(signal.SIGINT, was)
        _raise_waiting()


def _is_of_a_loop(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_globals.get("__name__", "").startswith(_LOOP_MODULES)


def _raise_waiting() -> None:
    if _waiting:
        error = _waiting.pop()
        _waiting.clear()
        raise error
