"""Writes to standard error without waiting for its reader.

A terminal that was stopped (Ctrl-S), a pager, and a pipe that nobody reads take nothing any more,
and a write waits for them: in the middle of the callback that is about to stop a motor. So a line
waits 0.1 s; after that lines are dropped and counted, until the reader goes on.

That a descriptor does not wait holds for every process that shares its open file. So each write
opens standard error once more, which Linux offers for pipes and terminals, or sends to its socket
without waiting. Where it cannot be opened again (another user's terminal, no descriptor left, not
Linux) little is written at a time, while there is room. Into files lines are written as usual,
and on Windows.
"""

import contextlib
import logging
import os
import select
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

from typing_extensions import override

from dsmq_nodes.printable import indented, visible

_STDERR: Final = 2
_OPENED_AGAIN: Final = f"/proc/self/fd/{_STDERR}"
_PATIENCE_SEC: Final = 0.1
_LITTLE_BYTES: Final = 512  # a pipe or a terminal that has room at all has room for that

_Write = Callable[[bytes], int]


class LineFormatter(logging.Formatter):
    """Writes a record so that no text in it looks like another record, or acts on a terminal.

    Records have texts from others. Lines after the first are indented; in a traceback only the
    exception's own text is.
    """

    @override
    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return visible(text) if getattr(record, "is_traceback", False) else indented(text)


class StandardErrorHandler(logging.Handler):
    """Writes records to standard error."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            write_error(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001  as every handler of `logging`
            self.handleError(record)


def keep_from_waiting(logger: logging.Logger) -> None:
    """Let all handlers of a logger that write to standard error write as StandardErrorHandler does.

    Also those of `logging.basicConfig`, and of classes that a program has derived.
    """
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr:
                handler.stream = _ErrorStream(handler.stream)
        above = above.parent


class _ErrorStream:
    """Standard error as a handler's stream; all but its writing is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if self._stream is sys.stderr:
            write_error(text)
            return len(text)
        return self._stream.write(text)  # the program has put another in its place since

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def write_error(text: str) -> None:
    """Write whole lines to standard error, or count them as dropped."""
    stream = sys.stderr
    if stream is None:
        return
    opened = _without_waiting() if _is_the_systems(stream) else None
    if opened is None:
        stream.write(text)
        stream.flush()
        return
    write, close = opened
    try:
        _unread.write(text.encode(stream.encoding, stream.errors or "strict"), write)
    finally:
        close()


class _Unread:
    """What was not written yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rest = b""  # of a line that was written in part
        self._dropped = 0
        self._is_stuck = False

    def write(self, data: bytes, write: _Write) -> None:
        with self._lock:
            dropped = f"... {self._dropped} lines are not here: standard error was not read\n"
            whole = self._rest + (dropped.encode() if self._dropped else b"") + data
            written = self._written(whole, write)
            self._is_stuck = written < len(whole)
            if self._is_stuck and written <= len(self._rest):
                self._rest = self._rest[written:]
                self._dropped += data.count(b"\n")
            else:
                self._rest, self._dropped = whole[written:], 0

    def _written(self, data: bytes, write: _Write) -> int:
        """Write as many bytes as can be."""
        written, until_sec = 0, time.monotonic() + (0 if self._is_stuck else _PATIENCE_SEC)
        while written < len(data):
            try:
                written += write(data[written:])
            except BlockingIOError:
                left_sec = until_sec - time.monotonic()
                if left_sec <= 0 or not select.select([], [_STDERR], [], left_sec)[1]:
                    break
        return written


_unread = _Unread()


def _is_the_systems(stream: TextIO) -> bool:
    """Whether a program has not put something else in its place."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return stream.fileno() == _STDERR
    return False


def _without_waiting() -> tuple[_Write, Callable[[], object]] | None:
    """What writes without waiting, and what closes it again; None: nothing does."""
    with contextlib.suppress(OSError):
        mode = os.fstat(_STDERR).st_mode
        if stat.S_ISREG(mode) or sys.platform == "win32":
            return None
        if stat.S_ISSOCK(mode):
            sock = socket.socket(fileno=os.dup(_STDERR))
            return lambda data: sock.send(data, socket.MSG_DONTWAIT), sock.close
        again = os.open(_OPENED_AGAIN, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return lambda data: os.write(again, data), lambda: os.close(again)
    return _write_little, lambda: None


def _write_little(data: bytes) -> int:
    if not select.select([], [_STDERR], [], 0)[1]:
        raise BlockingIOError
    return os.write(_STDERR, data[:_LITTLE_BYTES])


def _in_the_child() -> None:
    """In a forked child: its lines are its own, and another thread may have held the lock."""
    global _unread  # noqa: PLW0603
    _unread = _Unread()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_the_child)
