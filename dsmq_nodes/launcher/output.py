"""The output of a launch: whole lines, each with the name of who wrote it."""

import errno
import os
import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import BinaryIO

_MOST_LINE_BYTES = 64 * 1024
# A bare "\r", as progress bars write it, ends a line too: it would wipe out the name before it.
_LINE_END = re.compile(rb"\r?\n|\r(?=.)", re.DOTALL)
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_OWN_NAME = "launch"
_MOST_HELD = 1000
_RESET_SCREEN = b"\x1b[?1049l\x1b[?25h\x1b[0m"


class LineSplitter:
    """Cuts a stream of bytes into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that are complete with `data`; an endless line comes in pieces."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        if len(self._rest) > _MOST_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return lines

    def end(self) -> list[bytes]:
        """Return what was left without a line's end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        return [rest] if rest else []


class Output:
    """Where the processes' lines go, and what the launcher itself has to say."""

    def __init__(self, out: BinaryIO, own: BinaryIO, names: Iterable[str]) -> None:
        """Write processes' lines to `out`, the launcher's own to `own`; `names` get a colour."""
        self._out, self._own = out, own
        self._broken: set[BinaryIO] = set()
        self._through: Callable[[bytes], None] | None = None
        self._on_unread: Callable[[], None] = lambda: None
        self._on_failed: Callable[[str], None] = lambda _: None
        self._held: deque[tuple[BinaryIO, bytes]] | None = None
        self._held_out = 0
        self._prefixes = {
            name: _prefix(name, _COLOURS[index % len(_COLOURS)], out)
            for index, name in enumerate(names)
        }

    def call_when_broken(self, unread: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Have it told when the output comes to an end.

        Args:
            unread: called when nobody reads it any more, as after `| head`.
            failed: called with the reason when it cannot be written, as on a full disk.
        """
        self._on_unread, self._on_failed = unread, failed

    def write_through(self, write: Callable[[bytes], None] | None) -> None:
        """Have what goes to a terminal written by `write`: something is drawn below it."""
        self._through = write

    def hold(self) -> None:
        """Keep what is to be written: a process draws on the terminal."""
        if self._held is None and self._out.isatty():
            self._held = deque(maxlen=_MOST_HELD)

    def release(self) -> None:
        """Give the terminal back to us, as it was, and write what was kept."""
        if self._held is None:
            return
        held, self._held = self._held, None
        # A process that was killed has left its screen as it was: leave it, show the cursor.
        self._put(self._out, _RESET_SCREEN)
        if self._held_out:
            self._put(self._own, b"... %d earlier lines are not shown\n" % self._held_out)
        for stream, data in held:
            self._put(stream, data)

    def lines(self, name: str, lines: list[bytes]) -> None:
        """Write a process's lines."""
        self._write(self._out, self._prefixes[name], lines)

    def say(self, text: str, name: str = _OWN_NAME) -> None:
        """Write what the launcher has to say."""
        self._write(self._own, _prefix(name, 1, self._own), text.encode("utf-8").split(b"\n"))

    def show(self, lines: Iterable[str]) -> None:
        """Write lines that are nobody's, such as the summary."""
        self._write(self._out, b"", [line.encode("utf-8") for line in lines])

    def _write(self, stream: BinaryIO, prefix: bytes, lines: list[bytes]) -> None:
        for line in lines if self._held is not None else []:
            self._hold_line(stream, b"%b%b\n" % (prefix, line))
        if self._held is None:
            self._put(stream, b"".join(b"%b%b\n" % (prefix, line) for line in lines))

    def _hold_line(self, stream: BinaryIO, line: bytes) -> None:
        if self._held is not None:
            self._held_out += len(self._held) == _MOST_HELD
            self._held.append((stream, line))

    def _put(self, stream: BinaryIO, data: bytes) -> None:
        if stream in self._broken or not data:
            return
        try:
            if self._through is not None and stream.isatty():
                self._through(data)
                return
            stream.write(data)
            stream.flush()
        except (OSError, ValueError) as error:
            self._broken.add(stream)
            # What is left in the buffer would fail once more when Python ends.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
            if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EIO}:
                self._on_failed(error.strerror or f"{error}")
            else:
                self._on_unread()


def _prefix(name: str, colour: int, stream: BinaryIO) -> bytes:
    if stream.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[0;{colour}m[{name}]\x1b[0m ".encode()
    return f"[{name}] ".encode()
