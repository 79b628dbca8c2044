"""Bells: they wake a process that reads rings (ring.py).

A process has one bell for all its rings: a named pipe in the directory of the rings, named by the
number that the broker gave the process. A writer wakes the process by writing one byte. (Sending
and receiving a datagram on a Unix socket costs twice as much.)
"""

import os
import weakref
from pathlib import Path
from typing import Final

from dsmq_nodes.dsmq import descriptors, inherited

_MOST_OPEN: Final = 64
_TAKEN_BYTES: Final = 4096


class Bell:
    """The reader's end of a bell."""

    def __init__(self, directory: Path, number: int) -> None:
        """Make the bell of the process with this number.

        Raises:
            OSError: the pipe cannot be made.
        """
        path = directory / str(number)
        os.mkfifo(path, 0o600)
        # Open for writing too, so that there is no end of file when all writers are gone.
        self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        self._close.atexit = False  # nodes that end with the process still read
        inherited.register(self)

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._file

    def clear(self) -> None:
        """Read the bytes that have rung so far."""
        try:  # noqa: SIM105  `suppress` takes three times as long
            os.read(self._file, _TAKEN_BYTES)
        except BlockingIOError:
            pass

    def forked(self) -> None:
        """Close it in a forked child, which would otherwise take the parent's bytes."""
        if self._close.alive:  # otherwise the number may be another file's by now
            inherited.cut_off(self._file)

    def close(self) -> None:
        """Close and remove the pipe."""
        self._close()


class Doorbells:
    """The writers' ends of all bells, for one process."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self.files: dict[int, int] = {}
        inherited.register(self)

    def ring(self, number: int) -> None:
        """Wake the process with this number, if it still exists."""
        try:
            file = self.files.get(number)
            os.write(self._open(number) if file is None else file, b"\0")
        except BlockingIOError:
            pass  # full: the process is about to wake
        except OSError as error:
            self._close_doorbell(number)
            # no other writer would ring for this message
            if descriptors.is_full(error) and self.files:
                self._close_doorbell(next(iter(self.files)))
                self.ring(number)

    def _open(self, number: int) -> int:
        if len(self.files) >= _MOST_OPEN:
            self._close_doorbell(next(iter(self.files)))
        path = f"{self._directory}/{number}"
        file = self.files[number] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return file

    def _close_doorbell(self, number: int) -> None:
        file = self.files.pop(number, None)
        if file is not None:
            os.close(file)

    def forked(self) -> None:
        """Close all bells in a forked child."""
        self.close()

    def close(self) -> None:
        """Close all bells."""
        while self.files:
            self._close_doorbell(next(iter(self.files)))
