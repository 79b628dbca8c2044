"""Bells: how a process that reads rings (ring.py) is woken.

A process has one bell for all that it reads: a named pipe in the directory of the rings, whose name
is the number by which the broker knows the process. Who wakes it writes a byte. (A datagram to a
Unix socket, and taking it, cost twice as much.)
"""

import contextlib
import os
import weakref
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import inherited

_MOST_OPEN: Final = 64
_TAKEN_BYTES: Final = 4096


class Bell:
    """The end that hears."""

    def __init__(self, directory: Path, number: int) -> None:
        """Be the process with this number.

        Raises:
            OSError: it cannot be made.
        """
        path = directory / str(number)
        os.mkfifo(path, 0o600)
        # Open for writing too: no end of file when those who rang are gone.
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        self._close.atexit = False  # nodes that end with the process still hear
        inherited.register(self)

    def fileno(self) -> int:
        """What can be waited for."""
        return self._file

    def clear(self) -> None:
        """Take what has rung so far."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._file, _TAKEN_BYTES)

    def forked(self) -> None:
        """In a forked child: it would hear what the parent is to hear."""
        inherited.cut_off(self._file)

    def close(self) -> None:
        """Hear nothing more; who rings finds nobody."""
        self._close()


class Doorbells:
    """The ends that ring, of one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._files: dict[int, int] = {}
        inherited.register(self)

    def ring(self, number: int) -> None:
        """Wake the process with this number, if there still is one."""
        try:
            file = self._files.get(number)
            os.write(self._open(number) if file is None else file, b"\0")
        except BlockingIOError:
            pass  # full: it is about to wake
        except OSError:
            self._hang_up(number)

    def _open(self, number: int) -> int:
        if len(self._files) >= _MOST_OPEN:
            self._hang_up(next(iter(self._files)))
        path = f"{self._directory}/{number}"
        file = self._files[number] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return file

    def _hang_up(self, number: int) -> None:
        file = self._files.pop(number, None)
        if file is not None:
            os.close(file)

    def forked(self) -> None:
        """In a forked child: it has nobody to wake."""
        self.close()

    def close(self) -> None:
        """Close all bells."""
        while self._files:
            self._hang_up(next(iter(self._files)))
