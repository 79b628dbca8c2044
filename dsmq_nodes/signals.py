"""Which signals ask a process to end."""

import signal


def ending_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, SIGTERM, SIGQUIT (Ctrl and backslash), and a terminal that was closed.

    The last only where it is not ignored: under `nohup` a program is to go on without its terminal.
    """
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)
    return asked if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else (*asked, signal.SIGHUP)
