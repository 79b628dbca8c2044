"""Progress in one line of a terminal: done, rate, time left.

Writing never waits: when a stopped terminal (Ctrl-S) accepts no text, the text is dropped, and the
recording continues.
"""

import contextlib
import os
import sys
import time
from typing import Final, Self

from dsmq_nodes.printable import is_drawn_on, visible

_EVERY_SEC: Final = 0.2
_WIDTH: Final = 24


class Progress:
    """A line on standard error, if that is a terminal; otherwise it shows nothing."""

    def __init__(self, what: str, total: float, unit: str) -> None:
        """Begin; `total` is the final number of `unit`, 0 if it is not known."""
        self._what, self._total, self._unit = what, total, unit
        self._began_sec = time.monotonic()
        self._next_sec = self._began_sec + _EVERY_SEC
        self._fd = _terminal()
        self._was_shown = False

    def at(self, done: float, note: str = "") -> None:
        """Show how much is done, a few times a second."""
        now_sec = time.monotonic()
        if self._fd < 0 or now_sec < self._next_sec:
            return
        self._next_sec = now_sec + _EVERY_SEC
        self._was_shown = True
        self._draw(f"{self._line(done, now_sec)} {note}")

    def _line(self, done: float, now_sec: float) -> str:
        rate = done / max(now_sec - self._began_sec, 1e-9)
        pace = f"{_short(rate)} {self._unit}/s"
        if not self._total:
            return f"{self._what} {_short(done)} {self._unit}, {pace}"
        part = min(done / self._total, 1.0)
        bar = "#" * round(part * _WIDTH)
        left_sec = (self._total - done) / rate if rate else 0.0
        return (
            f"{self._what} [{bar:{_WIDTH}}] {part:4.0%} of {_short(self._total)} {self._unit}, "
            f"{pace}, {max(left_sec, 0.0):.0f} s left"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._was_shown:
            self._draw("")
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _draw(self, line: str) -> None:
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(self._fd).columns or 80
            os.write(self._fd, f"\r\x1b[K{visible(line)[: columns - 1]}".encode())


def _terminal() -> int:
    """Return a non-blocking descriptor of standard error's terminal; -1 if it is not a terminal."""
    with contextlib.suppress(OSError, ValueError):
        if is_drawn_on(sys.stderr):
            # opened again, so that only this descriptor is non-blocking
            name = os.ttyname(sys.stderr.fileno())
            return os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    return -1


def _short(number: float) -> str:
    for unit in ("", "k", "M"):
        if number < 10_000:
            return f"{number:.1f}{unit}" if number < 100 and unit else f"{number:.0f}{unit}"
        number /= 1000
    return f"{number:.1f}G"
