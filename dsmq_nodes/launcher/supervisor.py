"""Runs a plan: broker first, then the nodes; nodes first in the end, then the broker."""

import asyncio
import contextlib
import functools
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from dsmq_nodes.launcher.observer import GraphObserver
from dsmq_nodes.launcher.output import Output
from dsmq_nodes.launcher.plan import Plan, ProcessPlan
from dsmq_nodes.launcher.process import Guard, Process, describe

_LISTENING = re.compile(rb"listening on (\S+):(\d+)")
_BROKER_START_SEC = 10.0
_STEP_SEC = 5.0
_STEPS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# Ended by what we sent: a program that has no handler of its own has done nothing wrong.
_ENDED_AS_ASKED = frozenset(
    {0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
)


class Observer(Protocol):
    """Somebody who watches the graph while a launch runs."""

    async def watch(self, host: str, port: int, on_ready: Callable[[int], None]) -> None:
        """Watch the broker's graph until cancelled; call `on_ready` with each ready node's pid."""

    async def last_words(self, pids: set[int]) -> None:
        """Wait, not for long, until what these ended processes had sent has arrived."""

    def summary(self) -> Iterable[str]:
        """Return what to show when the launch has ended, line by line."""
        ...


@dataclass
class _Node:
    process: Process
    ready: bool
    terminal: bool = False


class Supervisor:
    """A launch that runs, once."""

    def __init__(
        self,
        plan: Plan,
        output: Output,
        observer: Observer | None = None,
        *,
        step_sec: float = _STEP_SEC,
    ) -> None:
        """Prepare to run `plan`.

        Args:
            plan: what to start.
            output: where everything that is said goes.
            observer: tells when nodes are ready; without one they are as soon as they run.
            step_sec: how long processes may take to end before they are asked harder.
        """
        self._plan = plan
        self._output = output
        self._observer = observer
        self._step_sec = step_sec
        self._guard: Guard
        self._nodes: list[_Node] = []
        self._all_ready = False
        self._faults: list[str] = []
        self._began_sec = time.monotonic()
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._following: list[asyncio.Task[None]] = []
        self._watching: asyncio.Task[None] | None = None

    async def run(self, duration_sec: float | None = None) -> int:
        """Run until a signal, until `duration_sec` are over, or until nothing is left to run.

        Returns:
            0 when all went well, 1 when something failed; what, has been said.
        """
        self._output.call_when_broken(self._ending.set)
        with self._signals():
            async with await Guard.start() as guard:
                self._guard = guard
                await self._run(duration_sec)
        if self._observer is not None and self._all_ready:
            self._output.show(self._observer.summary())
        if self._nodes and self._faults:
            self._output.say(f"ended with faults: {'; '.join(self._faults)}")
        return 1 if self._faults else 0

    async def _run(self, duration_sec: float | None) -> None:
        lines = _BrokerLines(self._output)
        broker = await self._start(self._plan.broker, {}, lines)
        if broker is None:
            return
        following = asyncio.create_task(self._follow_broker(broker, lines))
        watching = asyncio.create_task(self._watch_guard())
        try:
            if where := await self._listening(lines):
                await self._start_nodes(*where)
                await self._until_end(duration_sec)
        finally:
            self._ending.set()
            watching.cancel()
            await self._stop([node.process for node in self._nodes], self._following)
            await self._stop_watching()
            await self._stop([broker], [following])

    async def _watch_guard(self) -> None:
        await asyncio.shield(self._guard.lost)
        self._fail("guard", "is gone, and all processes with it", "the launch ends")
        self._ending.set()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """End on SIGINT, SIGTERM and a closed terminal; a second one hurries."""

        def on_signal() -> None:
            (self._hurry if self._ending.is_set() else self._ending).set()

        loop = asyncio.get_running_loop()
        taken = []
        for number in ("SIGINT", "SIGTERM", "SIGHUP"):
            # Not in a thread other than the main one, and not on Windows.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, AttributeError):
                loop.add_signal_handler(getattr(signal, number), on_signal)
                taken.append(getattr(signal, number))
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)

    # Starting

    async def _start(
        self, plan: ProcessPlan, env: dict[str, str], on_lines: Callable[[list[bytes]], None]
    ) -> Process | None:
        try:
            broker = plan is self._plan.broker
            return await self._guard.run(plan, env, on_lines, is_broker=broker)
        except OSError as error:
            self._fail(plan.name, f"cannot be started: {error}", "the launch ends")
            self._ending.set()
            return None

    async def _listening(self, lines: "_BrokerLines") -> tuple[str, int] | None:
        """Wait until the broker listens, and return where."""
        ending = asyncio.create_task(self._ending.wait())
        either: set[asyncio.Future[Any]] = {lines.where, ending}
        await asyncio.wait(either, timeout=_BROKER_START_SEC, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if lines.where.done():
            return lines.where.result()
        if not self._ending.is_set():
            self._fail("broker", f"does not listen after {_BROKER_START_SEC:g} s")
        return None

    async def _start_nodes(self, host: str, port: int) -> None:
        for plan in self._plan.nodes:
            if self._ending.is_set():
                return
            lines = functools.partial(self._output.lines, plan.name)
            process = await self._start(plan, {"DSMQ_BROKER": f"{host}:{port}"}, lines)
            if process is None:
                return
            if plan.terminal:
                self._output.hold()
            node = _Node(process, ready=self._observer is None, terminal=plan.terminal)
            self._nodes.append(node)
            self._following.append(asyncio.create_task(self._follow(node)))
        if self._observer is not None:
            # After the nodes: they start while the observer does.
            self._watching = asyncio.create_task(self._watch(self._observer, host, port))

    async def _watch(self, observer: Observer, host: str, port: int) -> None:
        try:
            await observer.watch(host, port, self._on_ready)
        except Exception as error:  # noqa: BLE001  the robot runs on without being watched
            self._output.say(f"the graph is not watched any more: {error!r}")

    def _on_ready(self, pid: int) -> None:
        for node in self._nodes:
            node.ready = node.ready or node.process.pid == pid
        if not self._all_ready and all(node.ready for node in self._nodes):
            self._all_ready = True
            took_sec = time.monotonic() - self._began_sec
            self._output.say(f"all nodes ready: {len(self._nodes)} in {took_sec:.2f} s")

    # Running

    async def _until_end(self, duration_sec: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), duration_sec)

    async def _follow(self, node: _Node) -> None:
        """Wait for a node's end, and say what it means for the others."""
        status = await node.process.wait()
        name = node.process.name
        if node.terminal:
            self._output.release()
        if self._ending.is_set():
            self._judge_end(name, status)
        elif status == 0:
            self._output.say(f"{name} has finished ({describe(status)})")
        elif node.ready:
            self._fail(name, describe(status), "the others go on")
        else:
            self._fail(name, f"failed before it was ready, {describe(status)}", "the launch ends")
            self._ending.set()
        if all(each.process.status is not None for each in self._nodes):
            self._ending.set()

    async def _follow_broker(self, broker: Process, lines: "_BrokerLines") -> None:
        status = await broker.wait()
        if self._ending.is_set():
            self._judge_end(broker.name, status)
        elif not lines.where.done():
            said = lines.held or [f"ended before it listened, {describe(status)}".encode()]
            for line in said:
                self._output.say(line.decode("utf-8", "replace"), "broker")
            self._faults.append("broker")
        else:
            self._fail(broker.name, describe(status), "the launch ends")
        self._ending.set()

    def _judge_end(self, name: str, status: int) -> None:
        if status not in _ENDED_AS_ASKED:
            self._fail(name, f"did not end well, {describe(status)}")

    def _fail(self, name: str, what: str, consequence: str = "") -> None:
        self._faults.append(f"{name} ({what})")
        self._output.say(f"{name}: {what}" + (f"; {consequence}" if consequence else ""))

    # Stopping

    async def _stop(self, processes: list[Process], following: list[asyncio.Task[None]]) -> None:
        """Ask processes to end, harder and harder."""
        for number in _STEPS:
            running = [process for process in processes if process.status is None]
            if not running:
                break
            if number != _STEPS[0]:
                names = ", ".join(process.name for process in running)
                self._output.say(f"still running: {names}; {number.name} now")
            for process in running:
                process.send_signal(number)
            hurry = asyncio.create_task(self._hurry.wait())
            either: set[asyncio.Future[Any]] = {
                hurry,
                asyncio.gather(*following, return_exceptions=True),
            }
            await asyncio.wait(either, timeout=self._step_sec, return_when=asyncio.FIRST_COMPLETED)
            hurry.cancel()
            self._hurry.clear()
        # What not even SIGKILL ends hangs in the kernel; there is nothing more to wait for.
        if following:
            await asyncio.wait(following, timeout=self._step_sec)

    async def _stop_watching(self) -> None:
        if self._observer is None or self._watching is None:
            return
        await self._observer.last_words({node.process.pid for node in self._nodes})
        self._watching.cancel()
        await asyncio.wait([self._watching])


class _BrokerLines:
    """Reads from the broker's first lines where it listens; passes all of them on after that."""

    def __init__(self, output: Output) -> None:
        self.held: list[bytes] = []
        self.where: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._output = output

    def __call__(self, lines: list[bytes]) -> None:
        self.held += lines
        found = next(filter(None, map(_LISTENING.search, lines)), None)
        if found is not None and not self.where.done():
            host = found[1].decode().strip("[]")
            # One that listens everywhere is reached here.
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
            self.where.set_result((host, int(found[2])))
        if self.where.done():
            self._output.lines("broker", self.held)
            self.held = []


def run_plan(plan: Plan, *, duration_sec: float | None = None) -> int:
    """Run a plan with this process's output; return the exit status of the launch."""
    output = Output(
        sys.stdout.buffer, sys.stderr.buffer, [each.name for each in (plan.broker, *plan.nodes)]
    )

    async def run() -> int:
        return await Supervisor(plan, output, GraphObserver()).run(duration_sec)

    return asyncio.run(run())
