"""Writes to standard error and standard output without waiting for their readers.

A terminal that was stopped (Ctrl-S), a pager, or a pipe that nobody reads takes no more bytes, and
a write waits for it, even in the middle of the callback that is about to stop a motor. So a line of
a log waits 0.1 s at most. After that lines are dropped and counted, until the reader continues.

A non-blocking descriptor is so for every process that shares its open file. So each write opens the
stream once more, which Linux allows for pipes and terminals, or sends to its socket without
waiting. If the stream cannot be opened again (another user's terminal, no descriptor left, not
Linux), little is written at a time, while there is room. Into files, and on Windows, lines are
written as usual. A program's own prints wait, as in every program.
"""

import contextlib
import io
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

_PATIENCE_SEC: Final = 0.1
_LITTLE_BYTES: Final = 512  # a pipe or a terminal with any room has room for that
_NAMES: Final = {1: "standard output", 2: "standard error"}

_Write = Callable[[bytes], int]


class LineFormatter(logging.Formatter):
    """Writes a record so that no text in it looks like another record, or controls a terminal.

    Records contain texts of other programs. Lines after the first are indented; in a traceback only
    those of the exception's own text are.
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
        except Exception:  # noqa: BLE001  as every handler of `logging` does
            self.handleError(record)


def keep_from_waiting(logger: logging.Logger) -> None:
    """Let no handler of a logger wait for the reader of standard error or standard output.

    Handlers of `logging.basicConfig`, of classes that a program has derived, and those with a
    console of rich then write as StandardErrorHandler does.
    """
    above: logging.Logger | None = logger
    while above is not None:
        for handler in above.handlers:
            if isinstance(handler, logging.StreamHandler):
                if _descriptor_of(handler.stream) in _NAMES:
                    handler.stream = _PatientStream(handler.stream)
            elif hasattr(console := getattr(handler, "console", None), "capture"):
                _keep_console(handler, console)
        above = above.parent


def _keep_console(handler: Any, console: Any) -> None:
    if not isinstance(console, _PatientConsole):
        handler.console = _PatientConsole(console)


class _PatientStream:
    """A standard stream for a handler; only its writing is not the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        _write(self._stream, text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: a handler's text never waits here, though a program's own output may."""

    def fileno(self) -> int:
        """Raise, so that the handler's stream is not replaced again."""
        raise OSError("it writes to its stream by itself")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _PatientConsole:
    """A console of rich for a handler: it renders in memory, and then writes the result.

    Text that other threads print on it meanwhile is written with it.
    """

    def __init__(self, console: Any) -> None:
        self._console = console

    def print(self, *objects: Any, **options: Any) -> None:
        console = self._console
        is_usual = not (console.is_jupyter or console.legacy_windows)
        # In a capture of the program's own, the text belongs there.
        if not is_usual or console._buffer_index or _descriptor_of(console.file) not in _NAMES:  # noqa: SLF001
            console.print(*objects, **options)
            return
        # Not by `capture`, which flushes the stream at its end.
        with _printing:
            stream, given = console.file, console._file  # noqa: SLF001  None: the standard one
            console.file = memory = _Memory(stream)
            try:
                console.print(*objects, **options)
            finally:
                console.file = given
        _write(stream, memory.getvalue())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)


class _Memory(io.StringIO):
    """A text in memory that claims to be a terminal if its stream is one, for its colours."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @override
    def isatty(self) -> bool:
        return self._stream.isatty()


_printing: Final = threading.Lock()  # printing replaces a console's file


def write_error(text: str) -> None:
    """Write whole lines to standard error, or count them as dropped."""
    if sys.stderr is not None:
        _write(sys.stderr, text)


def write_output(text: str) -> None:
    """Write whole lines of a log to standard output, or count them as dropped."""
    if sys.stdout is not None:
        _write(sys.stdout, text)


def _write(stream: TextIO, text: str) -> None:
    descriptor = _descriptor_of(stream)
    opened = _without_waiting(descriptor) if descriptor in _NAMES else None
    if opened is None:
        stream.write(text)
        stream.flush()
        return
    write, close = opened
    try:
        if descriptor == 1 and _has_room(descriptor, 0.0):
            stream.flush()  # what the program itself has printed before
        # While rich draws, it replaces a standard stream by one without an encoding.
        data = text.encode(stream.encoding or "utf-8", stream.errors or "strict")
        _unread[descriptor].write(data, write)
    finally:
        close()


class _Unread:
    """The text that is not written yet to a standard stream."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._rest = b""  # the rest of a line that was written in part
        self._dropped = 0
        self._is_stuck = False

    def write(self, data: bytes, write: _Write) -> None:
        with self._lock:
            name = _NAMES[self._descriptor]
            dropped = f"... {self._dropped} lines are not here: {name} was not read\n"
            whole = self._rest + (dropped.encode() if self._dropped else b"") + data
            written = self._written(whole, write)
            self._is_stuck = written < len(whole)
            if self._is_stuck and written <= len(self._rest):
                self._rest = self._rest[written:]
                self._dropped += data.count(b"\n")
            else:
                self._rest, self._dropped = whole[written:], 0

    def _written(self, data: bytes, write: _Write) -> int:
        """Write as many bytes as possible; return their number."""
        written, until_sec = 0, time.monotonic() + (0 if self._is_stuck else _PATIENCE_SEC)
        while written < len(data):
            try:
                written += write(data[written:])
            except BlockingIOError:
                left_sec = until_sec - time.monotonic()
                if left_sec <= 0 or not _has_room(self._descriptor, left_sec):
                    break
        return written


_unread: Final[dict[int, _Unread]] = {}


def _descriptor_of(stream: object) -> int:
    """Return a stream's descriptor; -1 if it has none, as a replacement by the program."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return int(stream.fileno())  # type: ignore[attr-defined]
    return -1


def _has_room(descriptor: int, timeout_sec: float) -> bool:
    return bool(select.select([], [descriptor], [], timeout_sec)[1])


def _without_waiting(descriptor: int) -> tuple[_Write, Callable[[], object]] | None:
    """Return a function that writes without waiting, and one that closes it; None: no way."""
    with contextlib.suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISREG(mode) or sys.platform == "win32":
            return None
        if stat.S_ISSOCK(mode):
            sock = socket.socket(fileno=os.dup(descriptor))
            return lambda data: sock.send(data, socket.MSG_DONTWAIT), sock.close
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        again = os.open(f"/proc/self/fd/{descriptor}", flags)
        return lambda data: os.write(again, data), lambda: os.close(again)
    return lambda data: _write_little(descriptor, data), lambda: None


def _write_little(descriptor: int, data: bytes) -> int:
    if not _has_room(descriptor, 0.0):
        raise BlockingIOError
    return os.write(descriptor, data[:_LITTLE_BYTES])


def _make_buffers() -> None:
    """Make new buffers; in a forked child, too: a thread may have held a lock."""
    _unread.update({descriptor: _Unread(descriptor) for descriptor in _NAMES})


_make_buffers()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_make_buffers)
