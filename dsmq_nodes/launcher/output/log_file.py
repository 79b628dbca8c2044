"""The log files of processes."""

import contextlib
import os
from collections.abc import Callable, Sequence

from dsmq_nodes.launcher.output.line_queue import LineQueue
from dsmq_nodes.launcher.supervise.plan import LogPlan


class LogFile:
    """Appends lines to a file, and starts a new one at the largest size.

    A file that cannot be written causes one warning; the process continues without it. Once it can
    be written again, a line in it says how many are missing.
    """

    def __init__(self, plan: LogPlan, report: Callable[[str], None]) -> None:
        self._plan = plan
        self._report = report
        self._fd = -1
        self._bytes = self._missing = 0
        self._is_told = False

    def append(self, lines: list[str]) -> None:
        """Append lines; may block."""
        missing = self._missing + len(lines)
        try:
            if self._fd < 0:
                self._open()
            if self._missing:  # the last line may be incomplete
                self._append(f"\n--- {self._missing} lines are missing here\n".encode())
                missing = len(lines)
            for line in lines:
                self._append(f"{line}\n".encode())
                missing -= 1
        except (OSError, ValueError) as error:
            if not self._is_told:
                more = " more" if self._fd >= 0 else ""
                self._report(
                    f"nothing{more} is written to {self._plan.path} while this lasts: {error}"
                )
            self._is_told = True
            self._close()
        self._missing = missing

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)

    def _open(self) -> None:
        self._plan.path.parent.mkdir(parents=True, exist_ok=True)
        # No file object of Python: if its write hangs, the end of Python hangs, too. And not
        # blocking: a named pipe that nobody reads would hold up the files of all processes.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = os.open(self._plan.path, flags, 0o666)
        self._bytes = os.fstat(self._fd).st_size

    def _append(self, line: bytes) -> None:
        if self._bytes and self._bytes + len(line) > self._plan.most_bytes:
            self._rotate()
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self._bytes += len(line)

    def _rotate(self) -> None:
        self._close()
        path, keep = self._plan.path, self._plan.keep
        files = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
        for newer, older in zip(files[-2::-1], files[:0:-1], strict=True):
            with contextlib.suppress(FileNotFoundError):
                newer.replace(older)
        if not keep:
            path.unlink(missing_ok=True)
        self._open()


class LogFiles:
    """The log files of a launch; one thread writes them all, so a hanging disk blocks nothing."""

    def __init__(self, report: Callable[[str], None]) -> None:
        """Make the files; `report` is called with their errors, in another thread."""
        self._report = report
        self._queue: LineQueue[tuple[LogFile, list[str]]] = LineQueue(self._write)

    def write(self, file: LogFile, lines: list[str]) -> None:
        """Queue lines for a file."""
        self._queue.put((file, lines), len(lines), sum(map(len, lines)))

    async def finish(self, patience_sec: float) -> None:
        """Wait until everything is written, unless the disk takes nothing for `patience_sec`."""
        await self._queue.finish(patience_sec)
        if self._queue.unwritten:
            self._missing(self._queue.unwritten)

    def _write(self, chunks: Sequence[tuple[LogFile, list[str]]], lost: int) -> None:
        if lost:
            self._missing(lost)
        for file, lines in chunks:
            file.append(lines)
            self._queue.steps += 1

    def _missing(self, lines: int) -> None:
        self._report(f"{lines} lines are not in the log files: the disk does not take them")
