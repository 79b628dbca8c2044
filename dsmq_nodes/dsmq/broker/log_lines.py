"""The broker's log, written without waiting for its reader.

A terminal that is held (Ctrl-S), `| less`, or a program that never reads the pipe must not stop the
broker: a thread of its own writes the lines. Lines that find too many waiting are dropped, and the
next line that is written says how many.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from typing import Final

from typing_extensions import override

from dsmq_nodes.printable import indented

_STDERR: Final = 2  # by its number: a lock of Python's stream would be held while the thread waits
_MOST_WAITING: Final = 1000
_LAST_LINES_SEC: Final = 1.0
_FULL_SEC: Final = 0.05


class LogLines(logging.Handler):
    """Writes log lines to the standard error output from a thread of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log lines", daemon=True)
        self._thread.start()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._waiting.qsize() >= _MOST_WAITING:
            self._dropped += 1
            return
        dropped, self._dropped = self._dropped, 0
        more = f" (before this, {dropped} lines were dropped: nobody read them)" if dropped else ""
        self._waiting.put(f"{indented(self.format(record))}{more}\n")

    @override
    def close(self) -> None:
        """Write the waiting lines, unless the output has no reader."""
        self._waiting.put(None)
        self._thread.join(_LAST_LINES_SEC)
        super().close()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # the reader is gone
            while (line := self._waiting.get()) is not None:
                rest = line.encode("utf-8", "backslashreplace")
                while rest:
                    try:
                        rest = rest[os.write(_STDERR, rest) :]
                    except BlockingIOError:  # another process has made it non-blocking
                        time.sleep(_FULL_SEC)
