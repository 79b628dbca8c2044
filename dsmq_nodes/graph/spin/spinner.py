"""Spins one node: its callbacks run in one event loop at a time, until it ends.

`Dispatcher` (dispatcher.py) calls the callbacks. This module chooses the loop in which it does,
waits in a thread meanwhile, and ends the spinning.
"""

import asyncio
import contextlib
import inspect
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, Final, Protocol, TypeVar

from dsmq_nodes.dsmq.selector import timeline_of
from dsmq_nodes.errors import ForkedError, SpinError
from dsmq_nodes.graph.callback import discard
from dsmq_nodes.graph.links.link import Link, OnOutage, Readable
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin import blocked
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.spin.event_loop import (
    LAST_STEPS_SEC,
    Outcome,
    call_in,
    close_loop,
    last_steps,
    new_event_loop,
    reserve_spares,
    run_here,
    run_through,
    run_until_complete,
    running_loop,
    without_loop,
)
from dsmq_nodes.graph.spin.interrupts import in_whole_steps
from dsmq_nodes.graph.time.timeline import Timeline

_T = TypeVar("_T")
_RETRY_SEC: Final = 0.005
_CUT_SHORT_SEC: Final = 0.2  # for coroutines in another thread, before the safe state is entered


class Timed(Protocol):
    """Something that is due at a time: a timer, a watchdog."""

    def attach(self, timeline: Timeline) -> None:
        """Start, with this source of time."""

    def detach(self) -> None:
        """Stop."""


async def _ended_with(working: asyncio.Future[Any]) -> None:
    """Cancel work that nothing awaits any longer, and let it end while the loop still runs."""
    if working.cancel():
        if not isinstance(sys.exception(), GeneratorExit):  # else no loop runs
            await asyncio.wait([working], timeout=LAST_STEPS_SEC)
    elif not working.cancelled():
        # of a signal, for example: the loop raises it, and asyncio would log it
        working.exception()


class Spinner:
    """Runs callbacks; a node has one.

    Attributes:
        dispatcher: calls the callbacks.
        timeline: the source of the node's time; None: the event loop's.
        when_blocked: called in another thread, once a second, while a callback blocks the loop,
            or the program has stopped it.
        when_unspun: called in the same way while nobody spins a node that was spun; None: not
            called.
        was_spun: whether it was spun, or was about to be.
    """

    def __init__(
        self, link: Link, dispatcher: Dispatcher, logger: Logger, name: str, on_outage: OnOutage
    ) -> None:
        """Spin the node `name`; `on_outage` is passed to the link."""
        reserve_spares()
        self.dispatcher = dispatcher
        self.timeline: Timeline | None = None
        self.when_blocked: Callable[[bool, int], object] = lambda *_: None
        self.when_unspun: Callable[[], object] | None = None
        self.was_spun = False
        self._link = link
        self._logger = logger
        self._name = name
        self._on_outage = on_outage
        self._timed: dict[Timed, bool] = {}
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._home: asyncio.AbstractEventLoop | None = None  # the last loop that it was attached to
        # held while a thread sets `dispatcher.ended`, which takes the node
        self._taking = threading.Lock()
        self._is_waiting = False  # `block_on` spins the node for a while
        self._by_steps = False  # only as far as `once` lets it
        self._refusal = ""  # why a forked child must not spin it
        self._is_ending = False  # the hooks of the end run
        self._is_closed = False
        self._is_late_use_reported = False
        self._ready = False
        self._state = "ready"

    # Timers and watchdogs

    def add(self, timed: Timed, *, is_steady: bool = False) -> None:
        """Drive `timed` by the node's time, or if `is_steady` by real time; from any thread."""
        self.warn_if_ended("a timer or a timeout")
        self._timed[timed] = is_steady
        self.begin(timed)

    def begin(self, timed: Timed) -> None:
        """Attach `timed` if it was added and there is a loop; from any thread."""
        call_in(self.dispatcher.loop, self._start, timed)

    def _start(self, timed: Timed) -> None:
        loop = self.dispatcher.loop
        if loop is not None and timed in self._timed:
            timed.attach(self._time_of(timed, loop))

    def _time_of(self, timed: Timed, loop: asyncio.AbstractEventLoop) -> Timeline:
        is_real = self.timeline is None or self._timed[timed]
        return timeline_of(loop) if is_real else self.timeline  # type: ignore[return-value]

    def remove(self, timed: Timed) -> None:
        """Stop driving `timed`."""
        timed.detach()
        self._timed.pop(timed, None)

    # Spinning

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run callbacks in `loop` from now on, whenever it runs."""
        if self.dispatcher.loop is loop:
            return
        if self.dispatcher.loop is not None:
            self.detach()
        self._home = loop
        self.was_spun = True
        self.dispatcher.attach(loop)
        for timed in list(self._timed):
            timed.attach(self._time_of(timed, loop))
        self._link.attach(loop, self.dispatcher, self._on_outage)
        self.dispatcher.begin_waiting()
        if not self._ready:
            self._ready = True
            self._link.set_state(self._state)

    def set_state(self, state: str) -> None:
        """Show this state in the graph instead of "ready", as soon as the node spins."""
        self._state = state
        if self._ready:
            self._link.set_state(state)

    def detach(self) -> set[asyncio.Task[None]]:
        """Stop running callbacks: cancel the coroutines and return their tasks."""
        for timed in list(self._timed):
            timed.detach()
        self._link.detach()
        # The loop is left last: until then, a thread that ends the node waits for this one.
        return self.dispatcher.detach()

    def refuse(self, why: str) -> None:
        """End every spin in a forked child, and refuse new ones."""
        self._refusal = why
        self._taking = threading.Lock()
        ended, loop = self.dispatcher.ended, self.dispatcher.loop
        if loop is not None and loop.is_running():
            # For a child that goes on in the loop: Python 3.14 refuses to end its task otherwise.
            loop.call_soon(asyncio._set_running_loop, loop)  # noqa: SLF001  public, by its docs
        if self.dispatcher.end(ForkedError(why)) and ended is not None:
            ended.exception()  # a child that exits at once never retrieves it
        self.dispatcher.loop = self._own_loop = self._home = None

    def check_process(self) -> None:
        """Refuse to spin in a forked child.

        Raises:
            ForkedError: this process is a forked child.
        """
        if self._refusal:
            raise ForkedError(self._refusal)

    async def spin(self) -> None:
        """Run callbacks in the running loop until `shut_down` or an exception."""
        self.was_spun = True
        self.warn_if_ended("spin")
        if running_loop() is None:
            raise SpinError(
                f"{self._name} is spun by asyncio, and no event loop of asyncio runs here: write "
                "`asyncio.run(main())`; under trio `spin(node)` runs in a thread of its own"
            )
        while self._is_waiting:
            await asyncio.sleep(_RETRY_SEC)
        ended = self._take(asyncio.get_running_loop())
        if ended is None:
            raise SpinError(f"{self._name} is being spun already: spin it in one place")
        self.dispatcher.one = None
        try:
            await self._until(None, ended)
        finally:
            cancelled = self.detach()
            if cancelled:
                await asyncio.wait(cancelled, timeout=LAST_STEPS_SEC)

    async def once(self, timeout_sec: float | None) -> None:
        """Run callbacks until one has run, or the timeout has passed."""
        one = self.dispatcher.one = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                self.dispatcher(self._link)
                await one
        if not self._by_steps:
            self.dispatcher.one = None  # another thread spins the node, and goes on
        elif not one.done():
            one.set_result(None)  # run nothing more until the next call

    @property
    def is_attached(self) -> bool:
        """Whether callbacks run in a loop; False once the node's tasks are cancelled at its end."""
        return self.dispatcher.loop is not None and not self._is_ending

    def is_in_callback(self) -> bool:
        """Whether an event loop runs in this thread: waiting would block it."""
        return running_loop() is not None

    def _wait_at_end(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """Wait for a coroutine of a hook of the end; return None after the end."""
        if not self._is_closed:
            result: _T = self.finish(work)
            return result
        discard(work)
        return None

    def _would_block(self, instead: str) -> SpinError:
        is_own = self.dispatcher.loop is running_loop()
        spun = "" if is_own else ", while `node.spin_async()` is a task"
        return SpinError(
            f"{self._name}: this would block the event loop it is called in, and the node with it: "
            f"use `{instead}` in an `async def`{spun}"
        )

    def block_on(
        self, work: Coroutine[Any, Any, _T], instead: str, *, by_steps: bool = False
    ) -> _T | None:
        """Wait in this thread for `work`, while the node's callbacks run; None if it is shut down.

        With `by_steps` they run only as far as `once` lets them.

        Raises:
            SpinError: called in a callback, which would wait for itself; `instead` is what to
                write.
            ForkedError: the node was made before this process was forked.
        """
        if self._refusal:
            discard(work)
        self.check_process()
        if self.is_in_callback():
            discard(work)
            raise self._would_block(instead)
        if self._is_ending:
            return self._wait_at_end(work)
        self.was_spun = True
        while True:
            loop = self.dispatcher.loop
            if loop is not None and loop.is_running():  # in another thread
                with contextlib.suppress(CancelledError):  # its spinning ended
                    return asyncio.run_coroutine_threadsafe(work, loop).result()
                return None
            if loop is not None and loop is not self._own_loop:
                # somebody runs this loop piece by piece, as a test does
                return loop.run_until_complete(work)
            with in_whole_steps():
                own = self._own_loop = self._own_loop or new_event_loop()
            with in_whole_steps(own):
                ended = self._take(own)
                if ended is not None:
                    return self._wait(own, ended, work, by_steps=by_steps)
            time.sleep(_RETRY_SEC)  # another thread is about to spin it

    def _wait(
        self,
        own: asyncio.AbstractEventLoop,
        ended: asyncio.Future[None],
        work: Coroutine[Any, Any, _T],
        *,
        by_steps: bool,
    ) -> _T | None:
        self._is_waiting, self._by_steps = True, by_steps
        if not by_steps:
            self.dispatcher.one = None
        waiting = self._until(work, ended)
        task = own.create_task(waiting)
        try:
            return run_until_complete(own, task)
        finally:
            if not task.done():  # Ctrl-C came before it was done
                if inspect.getcoroutinestate(waiting) == inspect.CORO_CREATED:
                    # it has not begun, so nothing else closes the work that it was given
                    discard(work)
                    self.dispatcher.spin_with(None)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    run_until_complete(own, task)
            self._is_waiting = self._by_steps = False

    def _take(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        with self._taking:
            if self.dispatcher.ended is not None:
                return None
            ended: asyncio.Future[None] = loop.create_future()
            self.dispatcher.spin_with(ended)
            return ended

    async def _until(
        self, work: Coroutine[Any, Any, _T] | None, ended: asyncio.Future[None]
    ) -> _T | None:
        loop = asyncio.get_running_loop()
        self.attach(loop)
        self._watch_no_longer()
        if self.dispatcher.is_shut_down:
            self.dispatcher.end()
        working = asyncio.ensure_future(work) if work is not None else None
        # messages may have come before, to the link or to a mailbox
        self.dispatcher.dispatch_soon()
        try:
            waits_for: set[asyncio.Future[Any]] = {ended} if working is None else {ended, working}
            with blocked.reporting(self._logger.warning, self.when_blocked):
                await asyncio.wait(waits_for, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            return working.result() if working is not None and working.done() else None
        finally:
            if self.when_unspun is not None and not self._is_ending:
                blocked.watch(self._check_unspun)
            self.dispatcher.spin_with(None)
            if working is not None:
                await _ended_with(working)

    def _check_unspun(self) -> None:
        if self.when_unspun is not None:
            self.when_unspun()

    def _watch_no_longer(self) -> None:
        if self.when_unspun is not None:
            blocked.watch_no_longer(self._check_unspun)

    def shut_down(self) -> None:
        """End the spinning, now or as soon as it begins; from any thread."""
        self.dispatcher.shut_down()
        loop = self.dispatcher.loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self.dispatcher.end)

    def wait_through(self, work: Awaitable[_T]) -> _T:
        """Run a coroutine that needs no callback of the node, in this thread.

        Raises:
            SpinError: the coroutine waits, and this is a callback.
        """
        if self.is_in_callback():
            return run_through(work)
        if self._is_elsewhere() and self.dispatcher.loop is not None:
            return asyncio.run_coroutine_threadsafe(_result(work), self.dispatcher.loop).result()
        return run_here(_result(work), None)

    # The end

    def end(self) -> None:
        """Stop running callbacks; `finish` then runs the hooks of the end.

        Coroutines that another thread runs are cancelled first: none may move again what the safe
        state stops.
        """
        self._is_ending = True
        self.dispatcher.shut_down()
        self._watch_no_longer()
        loop = self.dispatcher.loop
        if loop is not None and self._is_elsewhere():
            ending = self._cut_short()
            try:
                asyncio.run_coroutine_threadsafe(ending, loop).result(_CUT_SHORT_SEC)
            except RuntimeError:  # closed meanwhile
                discard(ending)
            except (TimeoutError, CancelledError):
                pass  # a callback blocks it, or it has ended

    async def _cut_short(self) -> None:
        if tasks := self.dispatcher.cancel():
            await asyncio.wait(tasks, timeout=_CUT_SHORT_SEC)

    def finish(self, work: Awaitable[Any]) -> Any:
        """Wait in this thread for a coroutine of a hook of the end.

        No callback runs meanwhile. Messages are read, so that the hook may call services.

        Raises:
            SpinError: the coroutine has not ended in time, and was cancelled.
        """
        result, error = self._outcome(work)
        if error is not None:
            raise error
        return result

    def _outcome(self, work: Awaitable[Any]) -> Outcome:
        # The hooks are run even if a callback that destroys its node is still on the stack.
        self.dispatcher.is_calling = False
        loop = self.dispatcher.loop
        if loop is None or not self._is_elsewhere():
            self.detach()
            return run_here(self._finish(work), self._home)
        # Another thread spins it.
        begun = threading.Event()

        async def run() -> Outcome:
            begun.set()
            return await last_steps(work)

        running = asyncio.run_coroutine_threadsafe(run(), loop)
        if begun.wait(LAST_STEPS_SEC) or not running.cancel():
            return running.result()
        return run_here(last_steps(work), None)  # a callback blocks that loop

    async def _finish(self, work: Awaitable[Any]) -> Outcome:
        loop = asyncio.get_running_loop()

        def read(readable: Readable) -> None:
            readable.drain()
            self.dispatcher.call_drained()
            if not readable.arm():
                loop.call_soon(read, readable)

        # The hook has to run even if nothing can be read: there may be no broker, and no thread
        # that could dial one at the very end of a process.
        with contextlib.suppress(Exception):
            self._link.attach(loop, read, self._on_outage)
        try:
            return await last_steps(work)
        finally:
            with contextlib.suppress(Exception):
                self._link.detach()

    def warn_if_ended(self, what: str) -> None:
        """Warn of the first use of the node after its end; from any thread.

        It is no error: at Ctrl-C a thread may publish while the node ends.
        """
        if self._is_closed and not self._is_late_use_reported:
            self._is_late_use_reported = True
            self._logger.warning(
                f"{what}: {self._name} has been destroyed, so this does nothing, nor does what "
                "uses the node after this; use it before destroy_node() only"
            )

    def close(self) -> None:
        """Leave the loop for good."""
        self._is_closed = True
        self._stop_spinning()
        self.dispatcher.close()
        self.detach()
        own = self._own_loop
        if own is not None and not own.is_running():
            without_loop(lambda: close_loop(own))

    def _stop_spinning(self) -> None:
        """End the spinning; wait for another thread's, unless a callback blocks it."""
        self.shut_down()
        until_sec = time.monotonic() + LAST_STEPS_SEC
        if not self._is_elsewhere():
            self.dispatcher.end()
        while self._is_elsewhere() and time.monotonic() < until_sec:
            time.sleep(_RETRY_SEC)

    def _is_elsewhere(self) -> bool:
        """Whether the node's loop runs in another thread."""
        loop = self.dispatcher.loop
        return loop is not None and loop.is_running() and loop is not running_loop()


async def _result(work: Awaitable[_T]) -> _T:
    return await work
