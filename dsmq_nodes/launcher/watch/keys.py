"""Reads single keys from the terminal, while this process has it."""

import asyncio
import contextlib
import os
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def keys(on_key: Callable[[str], None]) -> Iterator[None]:
    """Call `on_key` with each key; does nothing without a terminal.

    Ctrl-C and Ctrl-Z keep their meaning. A launch in the background leaves the terminal alone.
    """
    fd = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
    if not in_foreground(fd):
        yield
        return
    loop = asyncio.get_running_loop()

    def read() -> None:
        found = read_keys(fd)
        if not found:  # the terminal is gone: it would be readable forever
            loop.remove_reader(fd)
        for key in found.decode("utf-8", "ignore"):
            on_key(key)

    def resumed() -> None:
        with contextlib.suppress(OSError, termios.error):
            if in_foreground(fd):
                tty.setcbreak(fd, termios.TCSANOW)
                loop.add_reader(fd, read)

    with single_keys(fd):
        loop.add_reader(fd, read)
        loop.add_signal_handler(signal.SIGCONT, resumed)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGCONT)
            loop.remove_reader(fd)


@contextlib.contextmanager
def single_keys(fd: int) -> Iterator[None]:
    """Make a terminal return each key at once, without echo."""
    before = termios.tcgetattr(fd)
    # Not TCSADRAIN, which waits for a stopped terminal (Ctrl-S).
    tty.setcbreak(fd, termios.TCSANOW)
    try:
        yield
    finally:
        with contextlib.suppress(OSError, termios.error):  # it may be gone
            if not in_background(fd):  # there the mode is the shell's, and setting it would freeze
                termios.tcsetattr(fd, termios.TCSANOW, before)


def read_keys(fd: int) -> bytes:
    """Return the keys that were pressed; empty if the terminal is gone."""
    try:
        return os.read(fd, 64)
    except OSError:
        return b""


def in_background(fd: int) -> bool:
    """Whether a file is the terminal of this process, and other processes are in its foreground."""
    with contextlib.suppress(OSError):
        return os.tcgetpgrp(fd) != os.getpgrp()
    return False


def in_foreground(fd: int) -> bool:
    """Whether a file is a terminal with this process in its foreground."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
