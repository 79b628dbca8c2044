"""Single keys from the terminal, while it is ours."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def keys(on_key: Callable[[str], None]) -> Iterator[None]:
    """Have `on_key` called with each key; nothing happens where there is no terminal to read.

    Ctrl-C and Ctrl-Z stay what they are. A launch in the background leaves the terminal alone.
    """
    if sys.platform == "win32":
        yield
        return
    import termios  # noqa: PLC0415  not on Windows
    import tty  # noqa: PLC0415

    fd = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
    if not in_foreground(fd):
        yield
        return
    before = termios.tcgetattr(fd)

    def read() -> None:
        with contextlib.suppress(OSError):
            for key in os.read(fd, 64).decode("utf-8", "ignore"):
                on_key(key)

    def resumed() -> None:
        with contextlib.suppress(OSError, termios.error):
            if in_foreground(fd):
                tty.setcbreak(fd, termios.TCSANOW)

    loop = asyncio.get_running_loop()
    tty.setcbreak(fd, termios.TCSANOW)
    loop.add_reader(fd, read)
    loop.add_signal_handler(signal.SIGCONT, resumed)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCONT)
        loop.remove_reader(fd)
        with contextlib.suppress(OSError, termios.error):
            # Not TCSADRAIN: a terminal that takes nothing (Ctrl-S) would be waited for.
            termios.tcsetattr(fd, termios.TCSANOW, before)


def in_foreground(fd: int) -> bool:
    """Whether a file is a terminal that is ours now: we are not in its background."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except (OSError, AttributeError):
        return False
