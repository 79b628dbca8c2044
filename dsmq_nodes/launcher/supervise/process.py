"""The processes of a launch, for the launcher; the guard starts them."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import psutil

from dsmq_nodes.dsmq.descriptors import raise_limit
from dsmq_nodes.launcher.descendants import marked
from dsmq_nodes.launcher.output.output import LineSplitter
from dsmq_nodes.launcher.prctl import become_subreaper
from dsmq_nodes.launcher.supervise.crowd import Ending
from dsmq_nodes.launcher.supervise.plan import ProcessPlan
from dsmq_nodes.launcher.warm.suitable import can_fork

VIRTUAL_MEMORY: Final = Path("/proc/vmstat")
_GUARD: Final = "dsmq_nodes.launcher.guard"
# How long the last lines of an ended process may take.
_LAST_LINES_SEC: Final = 1.0
_GUARD_END_SEC: Final = 10.0
_CLEAN_UP_SEC: Final = 0.5
_ASKED_SEC: Final = 2.0
_RECEIVE_BYTES: Final = 64 * 1024


class Process:
    """A process that was started, in a session of its own.

    Attributes:
        pid: its process id, and the id of its process group.
        warning: the settings that the system has refused; empty: none.
        status: None while it runs, then its exit status; -N when signal N has ended it.
    """

    def __init__(self, pid: int, warning: str, guard: "Guard", *lines: "_Lines") -> None:
        self.pid = pid
        self.warning = warning
        self.status: int | None = None
        self._guard = guard
        self._lines = lines  # of its output; of its errors, if they are read apart
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all of its group."""
        if self.status is None:
            self._guard.send(pid=self.pid, signal=int(number))

    def ended(self, status: int) -> None:
        """Note its end, which the guard has reported."""
        self.status = status
        if not self._ended.done():
            self._ended.set_result(status)

    def unread(self, lines: int) -> None:
        """Note that a number of lines was dropped because the launcher did not read them."""
        self._lines[0].put(f"... {lines} lines are not here: the launcher was stopped")

    async def read(self) -> None:
        """Read its output from now on, when its start is known: before that no line is taken."""
        for each in self._lines:
            await each.connect()

    async def wait(self) -> int:
        """Wait for the end and for the last lines; return the exit status."""
        status = await asyncio.shield(self._ended)
        for each in self._lines:
            await each.wait_closed(_LAST_LINES_SEC)
        return status


class Guard:
    """The launcher's end of the guard (launcher/guard.py); use it in an `async with`.

    Attributes:
        lost: done when the guard has ended by itself.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, sock: socket.socket, *, is_warm: bool
    ) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._process = process
        self._socket = sock
        self._is_warm = is_warm
        self._started = 0
        self._starting: dict[int, _Starting] = {}
        self._running: dict[int, Process] = {}
        self._rest = b""
        self._cleaning: asyncio.Task[None] | None = None
        asyncio.get_running_loop().add_reader(sock, self._receive)

    @classmethod
    async def start(cls, *, is_warm: bool = False) -> Self:
        """Start a guard, with a warm process that forks, or without one.

        Raises:
            OSError: the system refuses; the text says why.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, _signals_blocked():
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", _GUARD, str(theirs.fileno()), *["warm"] * is_warm),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        become_subreaper()
        raise_limit()  # each process has a pipe to us; the guard keeps the usual limit for them
        return cls(process, ours, is_warm=is_warm)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        if self._cleaning is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _GUARD_END_SEC)
        if self._process.returncode is None:
            # Guard or keeper was stopped.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._cleaning = self._cleaning or asyncio.create_task(self._clean_up())
        if self._cleaning is not None:
            await self._cleaning
        become_subreaper(on=False)

    async def run(
        self,
        plan: ProcessPlan,
        env: dict[str, str],
        on_lines: Callable[[list[bytes]], None],
        on_error_lines: Callable[[list[bytes]], None] | None = None,
        *,
        is_broker: bool = False,
    ) -> Process:
        """Start a planned process, with `env` added to the environment.

        Both its streams are lines of `on_lines`, unless there is `on_error_lines`; they are not
        read yet.

        Raises:
            OSError: the system refuses; the text says why.
        """
        takers = [on_lines] if on_error_lines is None else [on_lines, on_error_lines]
        lines: list[_Lines] = []
        ours: list[int] = []
        theirs: list[int] = []
        try:
            for taker in takers:
                read, written = os.pipe()
                ours.append(read)
                theirs.append(written)
                lines.append(_Lines(taker, read))
            terminal = plan.terminal and sys.stdout.isatty()
            theirs.insert(0, os.dup(sys.stdout.fileno() if terminal else theirs[0]))
            self._started += 1
            answer: asyncio.Future[Process] = asyncio.get_running_loop().create_future()
            self._starting[self._started] = _Starting(tuple(lines), answer)
            request = {
                "start": self._started,
                "argv": plan.argv,
                "env": {**plan.env, **env, "PYTHONUNBUFFERED": "1"},
                "deaf": is_broker or plan.is_of_kit,
                "last": is_broker,
                "fork": self._is_warm and may_fork(plan),
                "nice": plan.nice,
                "cpus": plan.affinity,
                "pipes": len(lines),
            }
            self.send([theirs[0], theirs[-1], *ours], **request)
            while theirs:
                os.close(theirs.pop())
            return await answer
        except BaseException:
            for end in theirs:
                os.close(end)
            for each in lines:
                each.close()
            raise

    def send(self, fds: list[int] | None = None, **request: object) -> None:
        """Send a request; nothing happens if the guard is gone.

        A stopped guard is continued, since everything that moves has to stop.
        """
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, signal.SIGCONT)
        data = json.dumps(request).encode() + b"\n"
        with contextlib.suppress(OSError):
            if fds:
                sent = socket.send_fds(self._socket, [data], fds)
                data = data[sent:]
            self._socket.sendall(data)

    def _receive(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = self._socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
        if not data:
            asyncio.get_running_loop().remove_reader(self._socket)
            self.lost.set_result(None)
            self._cleaning = asyncio.create_task(self._clean_up())
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take_answer(json.loads(line))

    def _take_answer(self, answer: dict[str, Any]) -> None:
        if "refused" in answer:
            error = OSError(answer["errno"], os.strerror(answer["errno"]), answer["file"])
            refused = self._starting.pop(answer["refused"]).process
            if not refused.cancelled():
                refused.set_exception(error)
        elif "started" in answer:
            # Made here, not by the waiting task: its end may come with the same read.
            starting, pid = self._starting.pop(answer["started"]), answer["pid"]
            process = Process(pid, answer["warning"], self, *starting.lines)
            self._running[pid] = process
            if starting.process.cancelled():  # nothing waits for it any longer
                process.send_signal(signal.SIGKILL)
            else:
                starting.process.set_result(process)
        elif "unread" in answer:
            if (behind := self._running.get(answer["pid"])) is not None:
                behind.unread(answer["unread"])
        elif (ended := self._running.pop(answer["pid"], None)) is not None:
            ended.ended(answer["status"])

    async def _clean_up(self) -> None:
        """Kill the processes that a killed guard has left, after their signal to end."""
        mark = f"{self._process.pid}:"
        ending = Ending(lambda: [each.pid for each in marked(mark)])
        for _ in ending.waits(_ASKED_SEC):
            if not any(marked(mark)):
                break
            await asyncio.sleep(_CLEAN_UP_SEC / 5)
        until_sec = time.monotonic() + _CLEAN_UP_SEC
        while time.monotonic() < until_sec:
            for each in marked(mark):
                with contextlib.suppress(psutil.Error):
                    each.kill()
            await asyncio.sleep(_CLEAN_UP_SEC / 10)
        for starting in self._starting.values():
            if not starting.process.cancelled():
                starting.process.set_exception(ChildProcessError("the guard is gone"))
        for process in self._running.values():
            process.ended(-signal.SIGKILL)
        self._running.clear()


def may_fork(plan: ProcessPlan) -> bool:
    """Whether the warm process of a launch may fork this one."""
    return plan.fork and can_fork(plan.argv, plan.env)


@dataclass(frozen=True)
class _Starting:
    lines: tuple["_Lines", ...]
    process: asyncio.Future[Process]


def describe(status: int) -> str:
    """Return an exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):
        return f"killed by {signal.Signals(-status).name}"
    return f"killed by signal {-status}"


def memory_kills() -> int:
    """Return how many processes the kernel has killed because memory ran out; 0: unknown."""
    text = ""
    with contextlib.suppress(OSError):
        text = VIRTUAL_MEMORY.read_text("ascii")
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else 0


class _Lines(asyncio.Protocol):
    """Reads a process's output from a pipe, line by line."""

    def __init__(self, on_lines: Callable[[list[bytes]], None], descriptor: int) -> None:
        self._on_lines = on_lines
        self._pipe = os.fdopen(descriptor, "rb", buffering=0)
        self._splitter = LineSplitter()
        self._closed = asyncio.get_running_loop().create_future()
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._on_lines(self._splitter.feed(data))

    def put(self, line: str) -> None:
        self._on_lines([line.encode()])

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lines(self._splitter.end())
        if not self._closed.done():
            self._closed.set_result(None)

    async def connect(self) -> None:
        """Read from now on."""
        await asyncio.get_running_loop().connect_read_pipe(lambda: self, self._pipe)

    def close(self) -> None:
        """Close a pipe that is not read."""
        self._pipe.close()

    async def wait_closed(self, timeout_sec: float) -> None:
        """Wait for the last line; a process outside of the group may hold the pipe open."""
        await asyncio.wait([self._closed], timeout=timeout_sec)
        if self._transport is not None:
            self._transport.close()


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start the guard with SIGINT and SIGTERM blocked, which nodes inherit."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
