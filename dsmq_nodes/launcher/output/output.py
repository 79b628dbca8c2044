"""The output of a launch: whole lines, each with the name of its process."""

import asyncio
import contextlib
import errno
import functools
import os
import re
import selectors
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO

from dsmq_nodes.launcher.output.line_queue import LineQueue
from dsmq_nodes.printable import is_drawn_on, visible

_MOST_LINE_BYTES = 64 * 1024
# A bare "\r", as in progress bars, also ends a line: it would overwrite the name before it.
_LINE_END = re.compile(rb"\r?\n|\r(?=.)", re.DOTALL)
# Characters that control a terminal, in UTF-8: as in printable.py. Colours pass.
_ACTS = re.compile(
    rb"(\x1b\[[0-9;:]*m)|[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c"
    rb"|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xaf]"
)
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_OWN_NAME = "launch"
_WRITE_BYTES = 64 * 1024
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
        """Return the rest, which has no line end."""
        rest, self._rest = self._rest.rstrip(b"\r"), b""
        return [rest] if rest else []


class LaunchOutput:
    """Shows the lines of the processes and of the launcher itself.

    A slow reader blocks nothing: unread lines are dropped and counted (line_queue.py).
    """

    def __init__(self, out: BinaryIO, own: BinaryIO, names: Iterable[str]) -> None:
        """Write processes' lines to `out`, the launcher's own to `own`; `names` get a colour."""
        self._out = _Stream(out, self._ended)
        # One file has one writer, which keeps the order.
        self._own = self._out if _is_same_file(out, own) else _Stream(own, self._ended)
        self._on_unread: Callable[[], None] = lambda: None
        self._on_failed: Callable[[str], None] = lambda _: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._prefixes = dict[str, bytes]()
        self._out_stream, self._own_stream = out, own
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Give a process's name the next colour."""
        colour = _COLOURS[len(self._prefixes) % len(_COLOURS)]
        self._prefixes[name] = _prefix(name, colour, self._out_stream)

    def call_when_broken(self, unread: Callable[[], None], failed: Callable[[str], None]) -> None:
        """Call back in the running loop when the output comes to an end.

        Args:
            unread: called when the output has lost its reader, as after `| head`.
            failed: called with the reason when the output cannot be written, as on a full disk.
        """
        self._on_unread, self._on_failed = unread, failed
        self._loop = asyncio.get_running_loop()

    def draw_below(self, compose: Callable[[bytes], bytes]) -> None:
        """Let `compose` make the terminal's text, since something is drawn below the lines."""
        for stream in self._streams():
            if stream.is_terminal:
                stream.compose = compose

    def redraw(self) -> None:
        """Call `compose` soon, even without lines."""
        self._out.queue.poke()

    def pause(self) -> None:
        """Keep the lines back, since a process draws on the terminal."""
        for stream in self._streams():
            if stream.is_terminal:
                stream.queue.pause()

    def resume(self) -> None:
        """Take the terminal back, restore it, and write the lines that were kept back."""
        for stream in self._streams():
            stream.resume()

    def lines(self, name: str, lines: list[bytes]) -> None:
        """Write a process's lines.

        Colours stay; nothing else in a line controls the terminal, so that each line stays behind
        its name.
        """
        self._out.put(self._prefixes[name], [_ACTS.sub(_escaped, line) for line in lines])

    def print_line(self, text: str, name: str = _OWN_NAME) -> None:
        """Write a line of the launcher itself; from any thread."""
        prefix = _prefix(name, 1, self._own_stream)
        self._own.put(prefix, visible(text).encode("utf-8").split(b"\n"))

    def show(self, lines: Iterable[str]) -> None:
        """Write lines without a name, such as the summary."""
        self._out.put(b"", [visible(line).encode("utf-8") for line in lines])

    async def finish(self, patience_sec: float) -> None:
        """Wait until everything is written, unless the reader takes nothing for `patience_sec`."""
        await asyncio.gather(*(each.queue.finish(patience_sec) for each in self._streams()))
        unwritten = self._out.queue.unwritten
        if unwritten and self._own.queue.is_idle:
            self.print_line(f"{_count(unwritten, 'last ')} not shown: nobody reads them")
            await self._own.queue.finish(patience_sec)

    def _streams(self) -> Iterable["_Stream"]:
        return dict.fromkeys((self._out, self._own))

    def _ended(self, error: OSError | ValueError) -> None:
        def report() -> None:
            if isinstance(error, OSError) and error.errno not in {errno.EPIPE, errno.EIO}:
                self._on_failed(error.strerror or f"{error}")
            else:
                self._on_unread()

        if self._loop is None:
            report()
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(report)


class _Stream:
    """A file for lines, with a queue of its own."""

    def __init__(self, stream: BinaryIO, ended: Callable[[OSError | ValueError], None]) -> None:
        self.is_terminal = stream.isatty()
        self.compose: Callable[[bytes], bytes] | None = None
        self._stream = stream
        self._fd = _fd(stream)
        self._ended = ended
        self._is_broken = False
        self._was_paused = False
        self.queue: LineQueue[bytes] = LineQueue(self._write, waits=self._fd is not None)

    def put(self, prefix: bytes, lines: list[bytes]) -> None:
        if self._is_broken or not lines:
            return
        whole = [b"%b%b\n" % (prefix, line) for line in lines]
        for chunk in whole if self.queue.is_paused else [b"".join(whole)]:
            self.queue.put(chunk, 1 if self.queue.is_paused else len(whole), len(chunk))

    def resume(self) -> None:
        if self.queue.is_paused:
            self._was_paused = True
            self.queue.resume()

    def _write(self, chunks: Sequence[bytes], lost: int) -> None:
        if self._is_broken:
            return
        data = b"".join((self._before(lost), *chunks))
        if self.compose is not None:
            data = self.compose(data)
        try:
            self._write_all(data)
        except (OSError, ValueError) as error:
            self._is_broken = True
            self._ended(error)

    def _before(self, lost: int) -> bytes:
        """Return a notice to write before the next lines, with the number of missing lines."""
        # A killed process has not restored the screen: leave its alternate screen, show the cursor.
        reset, why = b"", "nobody read them"
        if self._was_paused:
            self._was_paused, reset, why = False, _RESET_SCREEN, "a process had the terminal"
        notice = f"[{_OWN_NAME}] {_count(lost, 'earlier ')} not shown: {why}\n" if lost else ""
        return reset + notice.encode()

    def _write_all(self, data: bytes) -> None:
        if self._fd is None:
            self._stream.write(data)
            self._stream.flush()
            return
        rest = memoryview(data)
        while rest:
            try:
                # Without Python's buffer, whose flush would block at the end.
                rest = rest[os.write(self._fd, rest[:_WRITE_BYTES]) :]
            except BlockingIOError:  # another process has made it non-blocking
                _wait_writable(self._fd)
            self.queue.steps += 1


def _escaped(match: re.Match[bytes]) -> bytes:
    return match[1] or _escaped_text(match[0])


@functools.cache  # there are few, and a program may write many of them
def _escaped_text(act: bytes) -> bytes:
    return visible(act.decode()).encode()


def _count(lines: int, which: str) -> str:
    return f"{lines} {which}line{'s are' if lines != 1 else ' is'}"


def _fd(stream: BinaryIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None  # it is in memory


def _is_same_file(one: BinaryIO, other: BinaryIO) -> bool:
    if one is other:
        return True
    fds = _fd(one), _fd(other)
    return None not in fds and os.path.sameopenfile(fds[0], fds[1])  # type: ignore[arg-type]


def _wait_writable(fd: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_WRITE)
        selector.select()


def _prefix(name: str, colour: int, stream: BinaryIO) -> bytes:
    if is_drawn_on(stream) and not os.environ.get("NO_COLOR"):
        return f"\x1b[0;{colour}m[{name}]\x1b[0m ".encode()
    return f"[{name}] ".encode()
