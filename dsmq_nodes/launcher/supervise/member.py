"""A process of a launch through all its restarts: its state, its lines, its end."""

import asyncio
import contextlib
import enum
import signal
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from dsmq_nodes.launcher.output.log_file import LogFile, LogFiles
from dsmq_nodes.launcher.output.output import LaunchOutput
from dsmq_nodes.launcher.supervise.crowd import Ending
from dsmq_nodes.launcher.supervise.plan import ProcessPlan
from dsmq_nodes.launcher.supervise.process import Process
from dsmq_nodes.launcher.supervise.restart import Restarts

_MOST_RECENT: Final = 500  # lines
_MOST_RECENT_CHARS: Final = 1_000_000  # in all: they have to fit into a message, even when escaped
_HANGS_SEC: Final = 5.0  # a process that SIGKILL does not end hangs in the kernel


class MemberState(enum.StrEnum):
    """The state of a process of a launch."""

    WAITING = "waiting"  # for its dependencies
    STARTING = "starting"
    READY = "ready"
    HANGS = "hangs"  # it was ready, and has sent nothing for some seconds; shown, but never a state
    RESTARTING = "restarting"  # it has ended, and will be started again
    STOPPING = "stopping"
    STOPPED = "stopped"  # on request
    FINISHED = "finished"  # by itself, with exit status 0
    FAILED = "failed"


TURN: Final = "its turn to start"
"""What a process waits for last, after its dependencies."""
OVER: Final = frozenset({MemberState.STOPPED, MemberState.FINISHED, MemberState.FAILED})
"""The states of a process that does not run, and will not start by itself."""


class Member:
    """A process of a launch.

    Attributes:
        plan: its plan.
        state: its state.
        since_sec: the time since which it has this state, by the monotonic clock; while waiting,
            since which it waits for the current dependency.
        waits_for: its current dependency, in words.
        process: its running process; None if none runs.
        starts: how often it was started.
        last_end: how its last process has ended, in words.
        end_before: how the process before that has ended.
        was_ready: set once it has been ready.
        stopping: whether it was signalled to end.
        is_silent: whether a node of it, which was ready, no longer publishes statistics.
        recent: its last lines, each with its number.
        life: the task that starts it, repeatedly.
    """

    def __init__(
        self,
        plan: ProcessPlan,
        output: LaunchOutput,
        log_files: LogFiles,
        ending: Ending,
        on_change: Callable[[], None],
    ) -> None:
        self.plan = plan
        self.state = MemberState.WAITING
        self.since_sec = time.monotonic()
        self.waits_for = ""
        self.process: Process | None = None
        self.starts = 0
        self.last_end = ""
        self.end_before = ""
        self.was_ready = asyncio.Event()
        self._begun = asyncio.Event()
        self.stopping = False
        self.is_silent = False
        self.recent: deque[tuple[int, str]] = deque()
        self._recent_chars = 0
        self.restarts = Restarts(plan.restart)
        self.life: asyncio.Task[None] | None = None
        self.on_lines: Callable[[int, list[str]], None] = lambda _number, _lines: None
        self._lines = 0
        self._news = asyncio.Event()
        self._output = output
        self._ending = ending
        self._on_change = on_change
        self._log_files = log_files
        self._log = LogFile(plan.log, self._report) if plan.log is not None else None
        self._write_log([])  # report an error of the file at once
        self._unready: set[str] = set()
        self._ready_sec: float | None = None

    @property
    def name(self) -> str:
        """Its name in the output."""
        return self.plan.name

    @property
    def shown_state(self) -> MemberState:
        """Its state for users: `hangs` if it is ready and silent."""
        hangs = self.is_silent and self.state == MemberState.READY
        return MemberState.HANGS if hangs else self.state

    @property
    def is_for_later(self) -> bool:
        """Whether it waits for a time, or for an event that may never come."""
        return self.state == MemberState.WAITING and self.plan.starts_later

    def mark_silent(self, silent: bool) -> None:
        """Note that a node of it has stopped publishing statistics, or publishes them again."""
        self.is_silent = silent
        self._on_change()

    @property
    def pid(self) -> int:
        """The pid of its running process; 0 when none runs."""
        return self.process.pid if self.process is not None else 0

    def become(self, state: MemberState) -> None:
        """Change the state."""
        if state != self.state:
            self.state = state
            self.since_sec = time.monotonic()
            self._notify_waiters()
            self._on_change()

    def _notify_waiters(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def wait_for(self, what: str) -> None:
        """Wait for a dependency, given in words, from now on."""
        self.waits_for = what
        self.since_sec = time.monotonic()
        self.become(MemberState.WAITING)

    async def was_begun(self) -> None:
        """Wait until it was started, or never will be."""
        begun = asyncio.create_task(self._begun.wait())
        over: set[asyncio.Future[Any]] = {self.life} if self.life is not None else set()
        try:
            await asyncio.wait({begun, *over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()

    async def _answer_of_guard(self) -> None:
        """Wait until the guard has started it, or refused to, if the guard was asked."""
        while not self.pid and self.state == MemberState.STARTING and self.life is not None:
            news = asyncio.create_task(self._news.wait())
            either: set[asyncio.Task[object]] = {news, self.life}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            if self.life.done():
                return

    async def changed_within(self, timeout_sec: float) -> None:
        """Wait until it is in another state, or the time is up."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), timeout_sec)

    def took_lines(self, lines: list[bytes]) -> None:
        """Take lines of its output."""
        if self.plan.screen:
            self._output.lines(self.name, lines)
        texts = [line.decode("utf-8", "replace") for line in lines]
        self._write_log(texts)
        first = self._lines + 1
        self._lines += len(texts)
        self._remember(first, texts)
        self.on_lines(first, texts)

    def _remember(self, first: int, texts: list[str]) -> None:
        recent = self.recent
        for number, text in enumerate(texts, first):
            if len(recent) == _MOST_RECENT:
                self._recent_chars -= len(recent.popleft()[1])
            recent.append((number, text))
            self._recent_chars += len(text)
        while self._recent_chars > _MOST_RECENT_CHARS:
            self._recent_chars -= len(recent.popleft()[1])

    def started(self, process: Process) -> None:
        """Note that it runs; it is ready with all its nodes, and without nodes at once."""
        self.process = process
        self.end_before = self.last_end
        self.starts += 1
        self.is_silent = False
        self._begun.set()
        self._notify_waiters()
        self._ready_sec = None
        self._unready = {node.name for node in self.plan.nodes}
        if process.warning:
            self._report(process.warning)
        at = datetime.now(UTC).astimezone().isoformat(" ", "seconds")
        self._write_log([f"--- {self.name} started at {at}, pid {process.pid}"])
        self._on_change()
        self.node_ready("", process.pid)

    def ended(self, how: str) -> None:
        """Note that the process has ended; `how` says in words how."""
        self.process = None
        self.last_end = how
        self._ending.ended += self.stopping

    def node_ready(self, name: str, pid: int) -> None:
        """Note that the node `name` in process `pid` is ready; "" for all its nodes."""
        if not pid or pid != self.pid or self._ready_sec is not None:
            return
        self._unready.discard(name)
        if not self._unready:
            self._ready_sec = time.monotonic()
            self.was_ready.set()
            if self.state == MemberState.STARTING:
                self.become(MemberState.READY)

    @property
    def is_ready(self) -> bool:
        """Whether it is ready, or was before it ended."""
        return self._ready_sec is not None

    @property
    def healthy_sec(self) -> float:
        """For how long its current process has been ready."""
        return 0.0 if self._ready_sec is None else time.monotonic() - self._ready_sec

    async def stop(self, hurried: Callable[[], asyncio.Event]) -> None:
        """End it: SIGINT, then SIGTERM, then SIGKILL; `hurried` ends the waits."""
        self.stopping = True
        await self._answer_of_guard()  # a process that is being started ends as others do
        if self.life is None or self.life.done():
            return
        if not self.pid:
            self.life.cancel()  # it waits for others, or to be started again
            await asyncio.wait([self.life])
            self.become(MemberState.STOPPED)
            return
        self.become(MemberState.STOPPING)
        for number, patience_sec in (
            (signal.SIGINT, self.plan.sigterm_timeout_sec),
            (signal.SIGTERM, self.plan.sigkill_timeout_sec),
            (signal.SIGKILL, _HANGS_SEC),
        ):
            if number != signal.SIGINT:
                self._output.print_line(f"{self.name}: still running; {number.name} now")
            if self.process is not None:
                self.process.send_signal(number)
            if await self._ends_within(patience_sec, hurried()):
                return

    async def _ends_within(self, patience_sec: float, hurried: asyncio.Event) -> bool:
        """Wait for its end; the limit grows with the number of processes that end."""
        assert self.life is not None
        hurry = asyncio.create_task(hurried.wait())
        either: set[asyncio.Task[object]] = {hurry, self.life}
        waits, ended = self._ending.waits(patience_sec), self._ending.ended
        while not (hurry.done() or self.life.done()) and (wait_sec := next(waits, None)):
            await asyncio.wait(either, timeout=wait_sec, return_when=asyncio.FIRST_COMPLETED)
            if ended != self._ending.ended:  # others end: its time begins again
                waits, ended = self._ending.waits(patience_sec), self._ending.ended
        hurry.cancel()
        return self.life.done()

    def _write_log(self, texts: list[str]) -> None:
        if self._log is not None:
            self._log_files.write(self._log, texts)

    def _report(self, text: str) -> None:
        self._output.print_line(f"{self.name}: {text}")
