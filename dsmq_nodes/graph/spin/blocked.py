"""Reports a callback that blocks while it still blocks, with the line at which it stands.

A thread looks at the stacks of the threads that spin nodes, once a second. Each turn of asyncio's
loop is one call of `_run_once`: it waits in the selector, which may call something and wait again,
then runs what is due. If two checks find a loop in the same turn, after the same number of calls of
the selector, and neither finds it waiting, the loop has been blocked between them. The loop itself
only counts these calls. Other loops, such as uvloop's, have no such frame: they count the beats of
a timer instead.

A node that is spun in steps (`spin_once`) notices nothing between two steps: then the thread calls
the function that was given to `watch`.

Findings are logged by another thread, since a log handler may hang, for example if it waits for a
lock that the blocked callback holds. Both threads end before a fork, which would not copy them, and
are started again after it.
"""

import asyncio
import contextlib
import gc
import linecache
import os
import selectors
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from dsmq_nodes.dsmq import descriptors, selector
from dsmq_nodes.signals import wake_if_one_came

BLOCKED_SEC: Final = 1.0
BLOCKED_FOR: Final = "blocked the node for"  # `doctor` finds these lines on /rosout
_IDLE_CHECKS: Final = 5  # checks without a loop; then the thread ends
_LAST_CHECK_SEC: Final = 1.0
_MOST_UNLOGGED: Final = 100  # lines that wait for a log that hangs
_TURN: Final = getattr(asyncio.BaseEventLoop, "_run_once").__code__  # noqa: B009  private
_KIT: Final = str(Path(__file__).parents[2]) + os.sep
_STANDARD: Final = str(Path(os.__file__).parent) + os.sep
_WAITING: Final = {selector.__file__, selectors.__file__, descriptors.__file__}


class _Loop(msgspec.Struct):
    """A loop that runs in a thread."""

    loop: asyncio.AbstractEventLoop
    warn: Callable[[str], object]
    when_blocked: list[Callable[[bool, int], object]]
    turn: FrameType | None = None  # the turn in which the last check found it; None: it waited
    calls: int = 0  # of the selector, at the last check
    is_reported: bool = False  # whether this turn was reported
    beats: int = 0  # of a loop that is not asyncio's own
    beating: asyncio.TimerHandle | None = None


_loops: Final[dict[tuple[int, int], _Loop]] = {}  # by their threads and ids
_unspun_checks: Final[list[weakref.WeakMethod[Callable[[], object]]]] = []
_lock = threading.Lock()
_ended = threading.Event()
_thread: threading.Thread | None = None
_log_thread: threading.Thread | None = None  # logs what is in `_unlogged`; None while that is empty
_unlogged: Final[deque[tuple[Callable[[str], object], str]]] = deque(maxlen=_MOST_UNLOGGED)


@contextlib.contextmanager
def reporting(
    warn: Callable[[str], object],
    when_blocked: Callable[[bool, int], object] = lambda *_: None,
) -> Iterator[None]:
    """Meanwhile report, in another thread, each callback that blocks the loop of this thread.

    `when_blocked` is called in that thread at each check that finds the loop blocked, with whether
    that was reported, and a number of the place where the callback stands; at the first such check
    it is also called before the report, and also while the loop is stopped.
    """
    thread = threading.get_ident()
    running = asyncio.get_running_loop()  # of two nodes in one loop, the first one reports
    key = (thread, id(running))
    loop = _loops.setdefault(key, _Loop(running, warn, []))
    loop.when_blocked.append(when_blocked)
    if loop.beating is None and not _is_asyncios(running):
        _beat(loop)
    if _thread is None and not _start():
        warn("no thread can be started: until one can, a callback that blocks is not noticed")
    try:
        yield
    finally:
        loop.when_blocked.remove(when_blocked)
        if not loop.when_blocked:
            _loops.pop(key, None)
            if loop.beating is not None:
                loop.beating.cancel()


def watch(check: Callable[[], object]) -> None:
    """Call a method once a second, in another thread, until `watch_no_longer`."""
    _unspun_checks.append(weakref.WeakMethod(check))
    if _thread is None:
        _start()


def watch_no_longer(check: Callable[[], object]) -> None:
    """Stop calling a method: the node is spun again, or ends."""
    _unspun_checks[:] = [each for each in _unspun_checks if each() not in (check, None)]


def restart_watch() -> None:
    """Begin to check, where the process could have no further thread when that was asked for."""
    if _thread is None and (_loops or _unspun_checks):
        _start()


def _is_asyncios(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether each turn of the loop has the frame that `_stack` looks for."""
    return getattr(getattr(type(loop), "_run_once", None), "__code__", None) is _TURN


def _beat(loop: _Loop) -> None:
    loop.beats += 1
    loop.beating = loop.loop.call_later(BLOCKED_SEC / 2, _beat, loop)


def _start() -> bool:
    """Start the thread that looks; return False if the process can start none, as at its end."""
    global _thread, _ended  # noqa: PLW0603  of the process
    with _lock:
        if _thread is None:
            _ended = threading.Event()
            thread = threading.Thread(target=_check_loops, name="blocked callbacks", daemon=True)
            try:
                start_unheld(thread)
            except RuntimeError:
                return False
            _thread = thread
    return True


def _check_loops() -> None:
    global _thread  # noqa: PLW0603  of the process
    idle, ended = 0, _ended
    while not ended.wait(BLOCKED_SEC):
        with contextlib.suppress(Exception):  # no memory, say: it looks again
            _check_all()
        wake_if_one_came()
        idle = 0 if _loops or _unspun_checks else idle + 1
        with _lock:
            if idle >= _IDLE_CHECKS and not (_loops or _unspun_checks):
                _thread = None
                return


def _check_all() -> None:
    for (thread, _), loop in list(_loops.items()):
        if loop.loop.is_running():
            _check_loop(thread, loop)
        else:  # its program has stopped it, and does something else
            for each in loop.when_blocked[:]:
                each(False, 0)
    for reference in _unspun_checks[:]:
        if (check := reference()) is not None:
            check()


def _check_loop(thread: int, loop: _Loop) -> None:
    with _without_collection():
        # The same as faulthandler writes, as objects.
        frame = sys._current_frames().get(thread)  # noqa: SLF001
        stack = _stack(frame) if loop.beating is None else _in_another_loop(frame)
    turn = stack[0] if stack else None
    calls = selector.calls_of(loop.loop) + loop.beats
    if turn is None or turn is not loop.turn or calls != loop.calls:
        loop.turn, loop.calls, loop.is_reported = turn, calls, False
        return
    place = hash(tuple(each.f_lasti for each in _of_the_program(stack[1:])))
    if not loop.is_reported:
        for each in loop.when_blocked[:]:
            each(False, place)  # before the log
        loop.is_reported = True
        log_in_thread(loop.warn, _text(stack[1:]))
    for each in loop.when_blocked[:]:
        each(True, place)


def start_unheld(thread: threading.Thread) -> None:
    """Start a thread that goes on while a debugger holds the threads of the program.

    debugpy, as in VS Code, holds all of them at a breakpoint, except those with this attribute.

    Raises:
        RuntimeError: the process can start no further thread.
    """
    vars(thread)["pydev_do_not_trace"] = True
    thread.start()


def log_in_thread(warn: Callable[[str], object], text: str) -> None:
    """Log in another thread, in order: a log handler may wait for what a blocked callback holds.

    Meanwhile the thread that looks continues.
    """
    global _log_thread  # noqa: PLW0603  of the process
    with _lock, contextlib.suppress(RuntimeError):  # Python ends
        _unlogged.append((warn, text))
        if _log_thread is None:
            thread = threading.Thread(target=_log_all, name="blocked lines", daemon=True)
            start_unheld(thread)
            _log_thread = thread


def _log_all() -> None:
    global _log_thread  # noqa: PLW0603  of the process
    while True:
        with _lock:
            if not _unlogged:
                _log_thread = None
                return
            warn, text = _unlogged.popleft()
        with contextlib.suppress(Exception):  # a handler of the program
            warn(text)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Collect no garbage meanwhile.

    Python 3.11 may collect within `f_back`. A destructor may then let the other thread run: the
    frame that was about to be read is gone, and the process crashes.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _stack(frame: FrameType | None) -> list[FrameType]:
    """Return the frames of a loop's turn, the outermost first; none while it waits."""
    stack = []
    while frame is not None:
        stack.append(frame)
        if frame.f_code is _TURN:
            stack.reverse()
            is_waiting = all(each.f_code.co_filename in _WAITING for each in stack[1:])
            return [] if is_waiting and len(stack) > 1 else stack
        frame = frame.f_back
    return []


def _outermost_first(frame: FrameType | None) -> list[FrameType]:
    stack: list[FrameType] = []
    while frame is not None:
        stack.insert(0, frame)
        frame = frame.f_back
    return stack


def _in_another_loop(frame: FrameType | None) -> list[FrameType]:
    """Return the outermost frame, and those from the node's callback on, if it can be found."""
    stack = _outermost_first(frame)
    files = [each.f_code.co_filename.startswith(_KIT) for each in stack]
    below = len(files) - files[::-1].index(True) if True in files else len(files) - 1
    return [*stack[:1], *stack[below:]]


def _text(stack: list[FrameType]) -> str:
    own = _of_the_program(stack)
    if not own:
        return f"something has {BLOCKED_FOR} {BLOCKED_SEC:g} s: nothing else runs"
    return (
        f"{own[0].f_code.co_qualname} has {BLOCKED_FOR} {BLOCKED_SEC:g} s and stands at "
        f"{_place(own[-1])}: nothing else runs"
    )


def _place(frame: FrameType) -> str:
    file, line = frame.f_code.co_filename, frame.f_lineno
    source = linecache.getline(file, line).strip()
    with contextlib.suppress(OSError):  # the working directory is gone
        file = os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file
    return f"{file}:{line}{f', `{source:.80}`' if source else ''}"


def place_of(thread: int) -> str:
    """Return where a thread stands in the program, with the source line; from another thread."""
    with _without_collection():
        stack = _outermost_first(sys._current_frames().get(thread))  # noqa: SLF001  as above
    own = _of_the_program(stack)
    return _place(own[-1]) if own else "an unknown place"


def _of_the_program(stack: list[FrameType]) -> list[FrameType]:
    """Return the program's own frames; if there are none, those of libraries, else the kit's."""
    others = [each for each in stack if not each.f_code.co_filename.startswith((_KIT, _STANDARD))]
    return (
        [each for each in others if "site-packages" not in each.f_code.co_filename]
        or others
        or [each for each in stack if each.f_code.co_filename.startswith(_KIT)]
    )


def _before_fork() -> None:
    global _thread
    thread, _thread = _thread, None
    if thread is not None and thread is not threading.current_thread():
        _ended.set()
        thread.join(_LAST_CHECK_SEC)
    log_thread = _log_thread
    if log_thread is not None and log_thread is not threading.current_thread():
        log_thread.join(_LAST_CHECK_SEC)


def _in_the_parent() -> None:
    if _loops or _unspun_checks:
        _start()


def _in_the_child() -> None:
    global _lock, _log_thread
    _lock, _log_thread = threading.Lock(), None  # a thread of the parent may have held the lock
    _unlogged.clear()
    _loops.clear()
    _unspun_checks.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_in_the_parent, after_in_child=_in_the_child
    )
