"""Signals that ask a process to end, or end it unless it handles them, and how they are noticed.

The kernel delivers a signal of the process to any thread that is about to start or end another one,
although it has woken the main thread for it; and to any thread while the main thread blocks the
signal. Python runs the handler in the main thread, which may sleep on, as in `time.sleep` or
`input()`. So each signal also writes a byte (`signal.set_wakeup_fd`). A thread checks now and then
whether one came, and wakes the main thread again.
"""

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Final

# They end a process that does not handle them. Not here: those of a fault, after which Python
# cannot go on, and those of real time, which nobody sends to a process that has not asked for them.
_ENDS: Final = tuple(
    signal.Signals[name]
    for name in (
        *("SIGALRM", "SIGIO", "SIGPIPE", "SIGPROF", "SIGPWR", "SIGSTKFLT"),
        *("SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGXCPU"),
    )
    if name in signal.Signals.__members__
)
_came: Final[list[int]] = []  # a pipe: its end for reading, and the end for signals


def ending_signals() -> tuple[signal.Signals, ...]:
    """Return Ctrl-C, SIGTERM, SIGQUIT (Ctrl and backslash), and SIGHUP (a closed terminal).

    SIGHUP is left out while it is ignored: under `nohup` a program continues without its terminal.
    """
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    return asked if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (*asked, signal.SIGHUP)


def unhandled_signals() -> tuple[signal.Signals, ...]:
    """Return the signals of alarms, limits and users that would end this process at once.

    SIGPIPE is one of them where a program has undone that Python ignores it. The kernel knows them
    (Linux); Python does not know handlers in C, such as faulthandler's.
    """
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text("ascii", "replace")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        handled = int(fields["SigCgt"], 16) | int(fields["SigIgn"], 16)
        return tuple(number for number in _ENDS if not handled >> (number - 1) & 1)
    return ()


def let_wake() -> None:
    """Let `wake_main_thread` interrupt the main thread's waiting; call this in the main thread.

    In another thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    number = _waking_signal()
    if number is not None and signal.getsignal(number) == signal.SIG_DFL:
        signal.signal(number, lambda *_: None)  # an ignored signal would wake nothing
    with contextlib.suppress(OSError, ValueError):  # no descriptor is left
        _set_wakeup_pipe()


def _set_wakeup_pipe() -> None:
    """Let signals write bytes, unless they do so already for another use, as an event loop."""
    if not _came:
        ends = os.pipe()
        for end in ends:
            os.set_blocking(end, False)
        _came.extend(ends)
    theirs = signal.set_wakeup_fd(_came[1], warn_on_full_buffer=False)
    if theirs not in {-1, _came[1]}:
        signal.set_wakeup_fd(theirs)
        with contextlib.suppress(OSError):  # none came meanwhile
            os.write(theirs, os.read(_came[0], 64))


def wake_if_one_came() -> None:
    """Wake the main thread if a signal has come since the last call; from any thread."""
    if _came:
        with contextlib.suppress(OSError):  # none came
            if os.read(_came[0], 64):
                wake_main_thread()


def wake_main_thread() -> None:
    """Let the main thread handle a signal that another thread received; from any thread."""
    number, thread = _waking_signal(), threading.main_thread().ident
    if number is not None and thread is not None and callable(signal.getsignal(number)):
        signal.pthread_kill(thread, number)


def _waking_signal() -> signal.Signals | None:
    """Return a signal that does nothing unless a program handles it; None on Windows."""
    return getattr(signal, "SIGURG", None)


def _in_the_child() -> None:
    """Close the pipe in a forked child, since it is the parent's."""
    if _came:
        with contextlib.suppress(ValueError):
            theirs = signal.set_wakeup_fd(-1)
            if theirs not in {-1, _came[1]}:
                signal.set_wakeup_fd(theirs)
        for end in _came:
            with contextlib.suppress(OSError):
                os.close(end)
        _came.clear()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_the_child)
