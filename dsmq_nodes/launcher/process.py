"""One process of a launch: its lines, its end, and signals to all that it has started."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Self

from dsmq_nodes.launcher.child import LAUNCHER_PID
from dsmq_nodes.launcher.output import LineSplitter
from dsmq_nodes.launcher.plan import ProcessPlan

# How long a process that is gone may have its last lines underway.
_LAST_LINES_SEC = 1.0


class Process:
    """A process that was started, in a session of its own.

    Attributes:
        name: what it is called in the output.
        pid: its process id, and the id of its process group.
        status: None while it runs, then its exit status; -N when signal N ended it.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, lines: "_Lines") -> None:
        self.name = name
        self.pid = process.pid
        self.status: int | None = None
        self._process = process
        self._lines = lines

    @classmethod
    async def start(
        cls, plan: ProcessPlan, env: dict[str, str], on_lines: Callable[[list[bytes]], None]
    ) -> Self:
        """Start what is planned, with `env` added to the environment.

        Raises:
            OSError: The system refuses; the text says why.
        """
        environ = {**os.environ, **plan.env, **env, "PYTHONUNBUFFERED": "1"}
        environ[LAUNCHER_PID] = str(os.getpid())
        ours, theirs = os.pipe()
        lines = _Lines(on_lines)
        try:
            with _signals_blocked():
                process = await asyncio.create_subprocess_exec(
                    *plan.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=None if plan.terminal and sys.stdout.isatty() else theirs,
                    stderr=theirs,
                    env=environ,
                    start_new_session=True,
                )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: lines, os.fdopen(ours, "rb", buffering=0)
        )
        return cls(plan.name, process, lines)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all of its group."""
        if self.status is None:
            self._signal_group(number)

    async def wait(self) -> int:
        """Wait for the end; return the exit status when the last line has come."""
        status = await self._process.wait()
        self.status = status
        self._signal_group(signal.SIGKILL)  # what it has started and left behind
        await self._lines.wait_closed(_LAST_LINES_SEC)
        return status

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def describe(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


class _Lines(asyncio.Protocol):
    """Takes a process's output from a pipe, line by line."""

    def __init__(self, on_lines: Callable[[list[bytes]], None]) -> None:
        self._on_lines = on_lines
        self._splitter = LineSplitter()
        self._closed = asyncio.get_running_loop().create_future()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._on_lines(self._splitter.feed(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lines(self._splitter.end())
        if not self._closed.done():
            self._closed.set_result(None)

    async def wait_closed(self, timeout_sec: float) -> None:
        """Wait for the last line; somebody outside of the process group may hold the pipe open."""
        await asyncio.wait([self._closed], timeout=timeout_sec)
        if self._transport is not None:
            self._transport.close()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start a child with SIGINT and SIGTERM blocked: it takes them when it is ready to."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
