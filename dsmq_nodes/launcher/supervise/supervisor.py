"""Runs a plan: starts the broker first, then the nodes; ends the nodes first, then the broker.

Each process of the plan has a life, a task: it waits for the process's dependencies, starts the
process, waits for its end, and starts it again as its restart policy says. This module decides what
the end of a life means for the launch. The launch ends on a signal, after its duration, when
nothing is left to run, when a required process has ended, when a node fails before it was ever
ready (and is not to be restarted), when a dependency is not met, and when the broker cannot be kept
running. A process that takes long to become ready does not end it (not_ready.py). At the end, all
processes are ended at once, except that each waits for those that depend on it.

A broker that ends by itself is started again at its address, at most three times in a row.
Meanwhile the nodes are in their safe state; they reconnect and continue. Messages in its memory are
lost.

A node that was restarted is not a fault of the launch; one that was given up, or ended badly, is.
"""

import asyncio
import dataclasses
import signal
import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any, Final, Literal, Protocol

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.address import PATIENCE, parse_address
from dsmq_nodes.dsmq.client_connection import ClientConnection
from dsmq_nodes.dsmq.exhausted import NO_PROCESS, exhausted
from dsmq_nodes.errors import ConnectionFailedError, DsmqError, LaunchFileError
from dsmq_nodes.launcher.output.log_file import LogFiles
from dsmq_nodes.launcher.output.output import LaunchOutput
from dsmq_nodes.launcher.supervise.crowd import Ending
from dsmq_nodes.launcher.supervise.launch_broker import BrokerLines, started_again
from dsmq_nodes.launcher.supervise.launch_end import LaunchEnd
from dsmq_nodes.launcher.supervise.member import OVER, TURN, Member, MemberState
from dsmq_nodes.launcher.supervise.not_ready import BUSY_TIMES, Patience
from dsmq_nodes.launcher.supervise.plan import LaunchEvent, Plan, ProcessPlan, Reaction, RestartPlan
from dsmq_nodes.launcher.supervise.process import Guard, describe, may_fork, memory_kills
from dsmq_nodes.launcher.supervise.restart import Restarts
from dsmq_nodes.launcher.supervise.start_turns import StartTurns
from dsmq_nodes.launcher.supervise.waiting import came_about, described
from dsmq_nodes.launcher.warm.interpreter import hiding_file

_BROKER_START_SEC: Final = 30.0
_BROKER_RESTART: Final = RestartPlan("on-failure", 0.01, 1.0, 0.0, 3, 60.0)
_BROKER_ANSWERS_SEC: Final = 3600.0
_WATCH_AGAIN_SEC: Final = 5.0
_LAST_LINES: Final = 10
_PATIENCE_SEC: Final = 10.0
_WRITTEN_SEC: Final = 3.0  # the longest wait for a reader or a disk that takes nothing
# Ends by our signal: a program without a handler has done nothing wrong.
_ENDED_AS_ASKED: Final = frozenset(
    {0, -signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM}
)


class Observer(Protocol):
    """Watches the graph while a launch runs."""

    async def watch(self, host: str, port: int, supervisor: "Supervisor") -> None:
        """Watch the broker's graph until cancelled; call `nodes_ready` with the ready nodes."""

    async def first_message(self, topic: str) -> None:
        """Wait for a topic's first message."""

    async def last_words(self, pids: set[int]) -> None:
        """Wait a moment for the last messages of these ended processes."""

    def changed(self) -> None:
        """Note that a process has changed its state."""

    def summary(self) -> Iterable[str]:
        """Return the summary of the launch, line by line."""
        ...


class Supervisor:
    """A launch that runs, once.

    Attributes:
        members: the processes of the plan, by name; the broker is not among them.
        broker: the broker's process.
        all_ready: whether all nodes have been ready.
        end: its end: whether it has begun, and why.
    """

    def __init__(
        self,
        plan: Plan,
        output: LaunchOutput,
        observer: Observer | None = None,
        patience_sec: float = _PATIENCE_SEC,
        *,
        warm: bool = True,
    ) -> None:
        """Prepare to run `plan`.

        Args:
            plan: the processes to start.
            output: shows all lines.
            observer: reports when nodes are ready; without one, a node is ready as soon as it runs.
            patience_sec: a process that is not ready for this long gets a warning, and is a fault
                at the end.
            warm: fork Python processes from one that has imported the kit, where that can be.
        """
        self._output = output
        self._observer = observer
        self._another_port, self._elsewhere = plan.another_port, plan.elsewhere
        self._reactions = plan.reactions
        # A fork would have to wait until the warm process is there.
        broker = dataclasses.replace(plan.broker, restart=_BROKER_RESTART, fork=False)
        self._log_files = LogFiles(output.print_line)
        self._turns = StartTurns()
        ending = Ending(self._stopping_pids)

        def member_of(plan: ProcessPlan) -> Member:
            return Member(plan, output, self._log_files, ending, self._changed)

        self._member_of = member_of
        self.broker = member_of(broker)
        self.members = {each.name: member_of(each) for each in plan.nodes}
        self._patience = Patience(self.members.values(), self.report, patience_sec)
        self._lines = BrokerLines(output)
        self._guard: Guard
        self._is_warm = warm and any(map(may_fork, plan.nodes))
        self.all_ready = False
        self.end = LaunchEnd()
        self._ready = asyncio.Event()
        self._ready_nodes: Collection[tuple[str, int]] = ()  # in the graph
        self._patience_sec = patience_sec
        self._faults: dict[str, str] = {}
        self._began_sec = time.monotonic()
        self._memory_kills = memory_kills()  # before the launch
        self._pids: set[int] = set()  # of all processes that ever ran
        self._watching: asyncio.Task[None] | None = None

    @property
    def processes(self) -> list[Member]:
        """All processes of the launch, its broker last."""
        return [*self.members.values(), *([] if self._elsewhere else [self.broker])]

    async def run(self, duration_sec: float | None = None, *, once_ready: bool = False) -> int:
        """Run until a signal, until `duration_sec` have passed, or until nothing is left to run.

        With `once_ready` that time begins when all nodes are ready, or one takes too long for that.

        Returns:
            0 if all went well, 1 if something failed and was reported.
        """
        self._output.call_when_broken(self.end.begun.set, self._not_written)
        with self.end.on_signals():
            async with await Guard.start(is_warm=self._is_warm) as self._guard:
                losing = asyncio.create_task(self._watch_guard())
                try:
                    life = self._find_broker() if self._elsewhere else self._live_as_broker()
                    self.broker.life = asyncio.create_task(life)
                    if await self._listening():
                        self._begin_lives()
                        if once_ready and duration_sec is not None:
                            await self._until_all_ready()
                        await self._until_end(duration_sec)
                finally:
                    losing.cancel()
                    await self._stop_all()
        ready = any(member.was_ready.is_set() for member in self.members.values())
        if self._observer is not None and ready:
            self._output.show(self._observer.summary())
        self._report_restarts()
        if any(member.starts for member in self.members.values()) and self._faults:
            faults = "; ".join(f"{name} ({what})" for name, what in self._faults.items())
            self._output.print_line(f"ended with faults: {faults}")
        if self._faults and (file := hiding_file(".")):
            self.report(f"{file} hides the module of Python or a package of that name: rename it")
        await self._log_files.finish(_WRITTEN_SEC)
        await self._output.finish(_WRITTEN_SEC)
        return 1 if self._faults else 0

    def fail(self, name: str, what: str, consequence: str = "", *, end: bool = False) -> None:
        """Note and show a process's fault; with `end` the launch ends."""
        self._faults.setdefault(name, what)
        consequence = "the launch ends" if end else consequence
        self._output.print_line(f"{name}: {what}" + (f"; {consequence}" if consequence else ""))
        if end:
            self.end.begun.set()

    def _not_written(self, why: str) -> None:
        if "output" not in self._faults:
            self.fail("output", f"cannot be written, {why}", "what is not shown is lost")

    def report(self, text: str) -> None:
        """Show a line in the name of the launch."""
        self._output.print_line(text)

    async def _watch_guard(self) -> None:
        await asyncio.shield(self._guard.lost)
        self.fail("guard", "is gone, and all processes with it", end=True)

    async def _until_end(self, duration_sec: float | None) -> None:
        try:
            await asyncio.wait_for(self.end.begun.wait(), duration_sec)
        except TimeoutError:
            self.end.is_asked = True
            for each in self._patience.not_yet():
                self.report(f"{each} when the {duration_sec:g} s were over")

    async def _until_all_ready(self) -> None:
        """Wait until all nodes are ready, the launch ends, or one takes too long."""
        either = {asyncio.create_task(each.wait()) for each in (self._ready, self.end.begun)}
        for _ in range(BUSY_TIMES):
            done, _ = await asyncio.wait(
                either, timeout=self._patience_sec, return_when=asyncio.FIRST_COMPLETED
            )
            if done or self._patience.limit_sec <= self._patience_sec:
                break
        for waiting in either:
            waiting.cancel()

    # The broker

    async def _find_broker(self) -> None:
        """Use a broker that runs already: it is neither started nor stopped here."""
        try:
            where = parse_address(self._elsewhere)
            connection = await asyncio.to_thread(ClientConnection, *where.socket)
        except DsmqError as error:
            self.fail("broker", str(error), end=True)
            return
        connection.close()
        self._lines.where.set_result(where)

    async def _live_as_broker(self) -> None:
        """Start the broker, and restart it at its address."""
        broker = self.broker
        while await self._start(broker, is_broker=True):
            status = await self._end_of(broker)
            if self.end.begun.is_set():
                self._judge_end(broker, status)
                return
            if not self._lines.where.done():
                reasons = self._lines.why_not(self._another_port)
                for line in reasons or [f"ended before it listened, {broker.last_end}"]:
                    self._output.print_line(line, "broker")
                self._faults["broker"] = broker.last_end
                self.end.begun.set()
                return
            delay_sec = broker.restarts.delay_sec(broker.healthy_sec, time.monotonic())
            if delay_sec is None:
                self.fail("broker", f"{broker.last_end}, again and again", end=True)
                return
            self.report(f"broker: {broker.last_end}; it is started again, nodes connect again")
            broker.become(MemberState.RESTARTING)
            broker.plan = started_again(broker.plan, self._lines.where.result().port)
            await asyncio.sleep(delay_sec)

    async def _listening(self) -> bool:
        """Wait until the broker listens; return whether it does."""
        ending = asyncio.create_task(self.end.begun.wait())
        where = self._lines.where
        either: set[asyncio.Future[Any]] = {where, ending}
        await asyncio.wait(either, timeout=_BROKER_START_SEC, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        if not where.done() and not self.end.begun.is_set():
            self.fail("broker", f"does not listen after {_BROKER_START_SEC:g} s", end=True)
        return where.done() and not self.end.begun.is_set()

    # Lives

    def _begin_lives(self) -> None:
        for member in self.members.values():
            self._begin(member)
        if self._observer is not None:
            # After the nodes: they start while the observer starts.
            self._watching = asyncio.create_task(self._watch(self._observer))

    def _begin(self, member: Member, *, is_asked: bool = False) -> None:
        member.stopping = False
        member.become(MemberState.WAITING)
        member.life = asyncio.create_task(self._live(member, is_asked=is_asked))
        member.life.add_done_callback(self._life_over)

    def _life_over(self, life: asyncio.Task[None]) -> None:
        if not life.cancelled() and (error := life.exception()) is not None:
            self.fail("launch", f"has a fault itself, {error!r}", end=True)
        if self._is_over():
            self.end.begun.set()

    def _is_over(self) -> bool:
        """Whether all have ended; one that a user has stopped may be started again by the user."""
        states = {member.state for member in self.members.values()}
        return states <= OVER - {MemberState.STOPPED}

    async def _live(self, member: Member, *, is_asked: bool) -> None:
        """Start a process, and restart it as its policy says, until it has ended for good."""
        if not await self._depended(member):
            return
        if member.plan.delay_sec and not is_asked:  # by a user, who does not mean a delay
            member.wait_for(f"its delay of {member.plan.delay_sec:g} s")
            await asyncio.sleep(member.plan.delay_sec)
        while await self._start_in_turn(member):
            pid = member.pid
            status = await self._end_of(member)
            if member.stopping or self.end.begun.is_set():
                self._judge_end(member, status)
                member.become(MemberState.STOPPED)
                self._react(LaunchEvent("ended", member.name, pid, status))
                return
            is_last = self._react(LaunchEvent("ended", member.name, pid, status))
            if is_last or not member.restarts.wanted(status):
                self._ended_for_good(member, status)
                return
            delay_sec = self._delay_sec(member)
            if delay_sec is None:
                return
            member.become(MemberState.RESTARTING)
            await asyncio.sleep(delay_sec)

    async def _start_in_turn(self, member: Member) -> bool:
        member.wait_for(TURN)
        await self._turns.free.acquire()
        started = False
        try:
            started = await self._start(member)
        finally:
            if not started:
                self._turns.free.release()
        if started:
            self._turns.started(member)
        return started

    def _stopping_pids(self) -> list[int]:
        return [each.pid for each in self.members.values() if each.stopping and each.pid]

    async def _depended(self, member: Member) -> bool:
        """Wait for a process's dependencies; return whether they are met."""
        for each in member.plan.depends_on:
            what, other = described(each), self.members[each.process]
            member.wait_for(what)
            await other.was_begun()  # its own waits do not count
            member.wait_for(what)
            try:
                async with asyncio.timeout(each.timeout_sec):
                    came = await came_about(each, other, self._first_message)
            except TimeoutError:
                self.fail(member.name, f"waited {each.timeout_sec:g} s for {what}", end=True)
                return False
            if not came:
                self.fail(member.name, f"waited for {what}, in vain", end=True)
                return False
        return True

    async def _first_message(self, topic: str) -> None:
        if self._observer is not None:
            await self._observer.first_message(topic)

    async def _start(self, member: Member, *, is_broker: bool = False) -> bool:
        member.become(MemberState.STARTING)
        env, on_lines, on_error_lines = {}, member.took_lines, None
        if self._reactions is not None and self._reactions.reads(member.name):
            on_lines = partial(self._took_lines, member, "stdout")
            on_error_lines = partial(self._took_lines, member, "stderr")
        if is_broker:
            on_lines = self._lines if not self._lines.where.done() else on_lines
        else:
            # The node waits for the broker while that lives, and this module keeps it alive.
            broker = str(self._lines.where.result())
            env = {"DSMQ_BROKER": broker, PATIENCE: f"{_BROKER_ANSWERS_SEC:g}"}
        try:
            process = await self._guard.run(
                member.plan, env, on_lines, on_error_lines, is_broker=is_broker
            )
        except OSError as error:
            member.become(MemberState.FAILED)
            is_reported = descriptors.is_full(error) and self.end.begun.is_set()
            if not is_reported:
                is_fork = isinstance(error, BlockingIOError)  # the guard's fork was refused
                why = NO_PROCESS if is_fork else exhausted(error, "the launch") or str(error)
                self.fail(member.name, f"cannot be started: {why}", end=True)
            return False
        if member.plan.terminal:
            self._output.pause()
        member.started(process)
        if not is_broker:
            self._pids.add(process.pid)
            self._mark_ready()  # the graph may be faster than the guard
            self._react(LaunchEvent("started", member.name, process.pid))
        await process.read()
        return True

    def _took_lines(
        self, member: Member, stream: Literal["stdout", "stderr"], lines: list[bytes]
    ) -> None:
        member.took_lines(lines)
        for line in lines:
            self._react(LaunchEvent(stream, member.name, member.pid, line=line))

    def _react(self, event: LaunchEvent) -> bool:
        """Do what follows from an event in the launch file; return whether the launch ends."""
        if self._reactions is None:
            return False
        try:
            reaction = self._reactions.react(event)
        except LaunchFileError as error:
            self.fail("launch", str(error), end=True)
            return True
        # What the event itself means is shown before what follows from it.
        asyncio.get_running_loop().call_soon(self._show_reaction, reaction)
        if self.end.begun.is_set() or reaction.ends is not None:
            return True
        for plan in reaction.processes:
            self._output.add(plan.name)
            self.members[plan.name] = self._member_of(plan)
            self._begin(self.members[plan.name])
        for name, number, is_last in reaction.signals:
            member = self.members.get(name)
            if member is not None and member.pid and member.process is not None:
                member.process.send_signal(number)
                if is_last:
                    member.restarts = Restarts(RestartPlan())
        return False

    def _show_reaction(self, reaction: Reaction) -> None:
        for line in reaction.lines:
            self.report(line)
        if reaction.ends is not None and not self.end.begun.is_set():
            self.report(f"the launch ends: {reaction.ends or 'the launch file says so'}")
            self.end.begun.set()

    async def _end_of(self, member: Member) -> int:
        assert member.process is not None
        status = await member.process.wait()
        how = describe(status)
        is_killed = status == -signal.SIGKILL and not member.stopping
        if is_killed and memory_kills() > self._memory_kills:
            how += " (memory ran out meanwhile: `dmesg` names what the kernel has killed)"
        member.ended(how)
        if member.plan.terminal:
            self._output.resume()
        return status

    def _delay_sec(self, member: Member) -> float | None:
        """Show that a process is started again; return the delay, or None: it ended too often."""
        name, how = member.name, member.last_end
        delay_sec = member.restarts.delay_sec(member.healthy_sec, time.monotonic())
        if delay_sec is None:
            member.become(MemberState.FAILED)
            tail = [text for _, text in member.recent][-_LAST_LINES:]
            self._output.print_line(
                f"{name}: its last lines:" if tail else f"{name}: it wrote nothing"
            )
            self._output.lines(name, [text.encode() for text in tail])
            what = f"FAILED after {member.starts} starts, {how}"
            self.fail(name, what, "the others go on", end=member.plan.required or self._is_over())
        else:
            self.report(f"{name}: {how}; it is started again in {delay_sec:.1f} s")
        return delay_sec

    def _ended_for_good(self, member: Member, status: int) -> None:
        name, how, required = member.name, member.last_end, member.plan.required
        member.become(MemberState.FINISHED if status == 0 else MemberState.FAILED)
        if status == 0:
            if not member.plan.is_of_kit:  # it needs no node
                member.was_ready.set()
                self._report_when_all_ready()
            self.report(f"{name} has finished ({how})" + ("; the launch ends" if required else ""))
            if required:
                self.end.begun.set()
        elif member.was_ready.is_set():
            self.fail(name, how, "the others go on", end=required or self._is_over())
        else:
            self.fail(name, f"failed before it was ready, {how}", end=True)

    def _judge_end(self, member: Member, status: int) -> None:
        if status not in _ENDED_AS_ASKED:
            self.fail(member.name, f"did not end well, {member.last_end}")

    # The graph

    async def _watch(self, observer: Observer) -> None:
        patience_task = asyncio.create_task(self._patience.watch())
        try:
            await self._watch_graph(observer)
        except Exception as error:  # noqa: BLE001  the robot continues without being watched
            why = exhausted(error, "the launch") or repr(error)
            self.report(f"the graph is no longer watched: {why}")
        finally:
            patience_task.cancel()

    async def _watch_graph(self, observer: Observer) -> None:
        while True:
            try:
                await observer.watch(*self._lines.where.result().socket, self)
            # the broker is stopped, or is being started again
            except ConnectionFailedError as error:
                self.report(f"the graph is not watched just now: {error}")
                await asyncio.sleep(_WATCH_AGAIN_SEC)
            else:
                return

    def nodes_ready(self, nodes: Collection[tuple[str, int]]) -> None:
        """These nodes of the graph are ready now, each with the pid of its process."""
        self._ready_nodes = nodes
        self._mark_ready()

    def _mark_ready(self) -> None:
        for member in self.members.values():
            if self._observer is None:
                member.node_ready("", member.pid)
            for name, pid in self._ready_nodes:
                member.node_ready(name, pid)
        self._report_when_all_ready()

    def _report_when_all_ready(self) -> None:
        members = [each for each in self.members.values() if not each.is_for_later]
        if members and not self.all_ready and all(each.was_ready.is_set() for each in members):
            self.all_ready = True
            self._ready.set()
            took_sec = time.monotonic() - self._began_sec
            count = sum(max(1, len(member.plan.nodes)) for member in members)
            self.report(f"all nodes ready: {count} in {took_sec:.2f} s")

    def _changed(self) -> None:
        if self._observer is not None:
            self._observer.changed()

    # Commands of users

    async def stop(self, name: str) -> None:
        """End a process; it stays ended until `start`."""
        await self.members[name].stop(self.end.next_step)

    def start(self, name: str) -> None:
        """Start a process that does not run."""
        member = self.members[name]
        if member.state in OVER and not self.end.begun.is_set():
            member.restarts.forget()
            self._faults.pop(name, None)  # a user has handled it
            self._begin(member, is_asked=True)

    # The end

    async def _stop_all(self) -> None:
        self.end.begun.set()
        self._react(LaunchEvent("shutdown", is_asked=self.end.is_asked))
        # If the graph is not watched, it is not known which nodes are ready.
        if self._watching is not None and not self._watching.done():
            for name, what in self._patience.faults():
                self.fail(name, what)
        ending: dict[str, asyncio.Task[None]] = {}
        for name in self.members:
            ending[name] = asyncio.create_task(self._stop_after_dependents(name, ending))
        await asyncio.gather(*ending.values())
        if self._observer is not None and self._watching is not None:
            await self._observer.last_words(self._pids)
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self.broker.stop(self.end.next_step)

    async def _stop_after_dependents(
        self, name: str, ending: Mapping[str, asyncio.Task[None]]
    ) -> None:
        """End a process after those that depend on it: they may need it for their end."""
        needing = [
            ending[member.name]
            for member in self.members.values()
            if member.name != name
            and any(each.process == name and not each.exited for each in member.plan.depends_on)
        ]
        if needing:
            await asyncio.wait(needing)
        await self.members[name].stop(self.end.next_step)

    def _report_restarts(self) -> None:
        for member in self.processes:
            if member.starts > 1:
                times = f"{member.starts - 1} time{'s' * (member.starts > 2)}"
                self.report(
                    f"{member.name}: was started again {times}, last after {member.end_before}"
                )
