"""Which signals ask a process to end, and which end it unless it handles them."""

import contextlib
import signal
from pathlib import Path


def ending_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM, SIGQUIT (Ctrl and backslash), and a terminal that was closed.

    The last only where it is not ignored: under `nohup` a program is to go on without its terminal.
    """
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    return asked if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (*asked, signal.SIGHUP)


def unhandled_signals() -> tuple[signal.Signals, ...]:
    """Those of alarms, limits and users that would end this process at once.

    The kernel says so (Linux), since Python does not know of handlers in C, such as faulthandler's.
    """
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        handled = int(fields["SigCgt"], 16) | int(fields["SigIgn"], 16)
        ends = (signal.SIGALRM, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)
        return tuple(number for number in ends if not handled >> (number - 1) & 1)
    return ()
