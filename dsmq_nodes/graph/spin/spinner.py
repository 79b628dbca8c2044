"""Runs the callbacks of one node, in one event loop at a time."""

import asyncio
import contextlib
import inspect
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, Final, Protocol, TypeVar

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.errors import ForkedError, SpinError
from dsmq_nodes.graph.callback import (
    BusyTime,
    Callback,
    Result,
    as_error,
    callback_name,
    discard,
    to_await,
)
from dsmq_nodes.graph.links.link import Link, OnOutage, Readable
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin import blocked
from dsmq_nodes.graph.spin.event_loop import (
    LAST_STEPS_SEC,
    Outcome,
    close_loop,
    hold_spares,
    last_steps,
    new_event_loop,
    run_here,
    run_through,
    running_loop,
    without_loop,
)
from dsmq_nodes.graph.spin.exceptions import Exceptions
from dsmq_nodes.graph.spin.timed_steps import timed_steps
from dsmq_nodes.graph.time.timeline import Timeline

_T = TypeVar("_T")
_DISPATCH_SEC: Final = 0.002  # callbacks of messages run this long before timers get their turn
_RETRY_SEC: Final = 0.005


class Timed(Protocol):
    """Something that is due at a time: a timer, a watchdog."""

    def attach(self, timeline: Timeline) -> None:
        """Start, with this source of time."""

    def detach(self) -> None:
        """Stop."""


class Mailbox(Protocol):
    """A queue of messages for a callback: a subscription, a service."""

    callback: Callable[..., Any] | None

    @property
    def waiting(self) -> int:
        """How many messages wait."""

    def dispatch(self) -> Result:
        """Call the callback with the oldest message; returns its result."""


class CallableNow(Mailbox, Protocol):
    """A mailbox that messages need not pass through when none waits in it."""

    def call(self, reply: Entry) -> Result:
        """Call the callback with a message that did not have to wait; returns its result."""


async def _ended_with(working: asyncio.Future[Any]) -> None:
    """Cancel what nobody waits for any longer, and let it end while the loop still runs."""
    if working.cancel():
        if not isinstance(sys.exception(), GeneratorExit):  # else there is no loop any more
            await asyncio.wait([working], timeout=LAST_STEPS_SEC)
    elif not working.cancelled():
        working.exception()  # of a signal, say: the loop raises that, and asyncio would log it


class Spinner:
    """Runs callbacks; a node has one.

    Attributes:
        raises: an exception in a callback ends the spinning; else it is only logged.
        exceptions: those of callbacks.
        is_calling: a callback that is not a coroutine runs just now.
        timeline: the node's time; None: the event loop's.
        busy: how long callbacks have blocked the node, by their names.
    """

    def __init__(
        self,
        link: Link,
        logger: Logger,
        exceptions: Exceptions,
        name: str,
        *,
        raises: bool,
        on_outage: OnOutage,
    ) -> None:
        """Run the callbacks of the node `name`; `on_outage` is the link's."""
        hold_spares()
        self.raises = raises
        self.is_calling = False
        self.timeline: Timeline | None = None
        self.busy: defaultdict[str, BusyTime] = defaultdict(BusyTime)
        self._link = link
        self._logger = logger
        self.exceptions = exceptions
        self._name = name
        self._timed: dict[Timed, bool] = {}
        self._arrivals: deque[Mailbox] = deque()
        self.held: dict[Mailbox, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_begin: list[tuple[Awaitable[Any], object]] = []
        self._to_call: list[tuple[Callback, object]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own_loop: asyncio.AbstractEventLoop | None = None
        self._home: asyncio.AbstractEventLoop | None = None  # the last loop
        self._ended: asyncio.Future[None] | None = None
        self._one: asyncio.Future[None] | None = None  # waits for one callback to have run
        self._taking = threading.Lock()  # the thread that sets `_ended` has the node
        self._is_waiting = False  # `block_on` has the node, for a while
        self._shut_down = False
        self._refusal = ""  # why a forked child must not spin it
        self._is_ending = False  # the hooks of the end are run
        self._is_closed = False
        self._ready = False
        self._state = "ready"
        self._dispatch_due = False
        self._may_call_until_sec = 0.0  # while messages are read that need not wait
        self._time: Callable[[], float] = time.monotonic  # the loop's
        self._on_outage = on_outage
        self._when_drained: list[Callable[[], None]] = []

    # What is to be run

    def add(self, timed: Timed, *, is_steady: bool = False) -> None:
        """Drive `timed` by the node's time; with `is_steady` always by real time."""
        self._timed[timed] = is_steady
        if self._loop is not None:
            timed.attach(self._time_of(timed, self._loop))

    def _time_of(self, timed: Timed, loop: asyncio.AbstractEventLoop) -> Timeline:
        return loop if self.timeline is None or self._timed[timed] else self.timeline

    def remove(self, timed: Timed) -> None:
        """Stop driving `timed`."""
        timed.detach()
        self._timed.pop(timed, None)

    def arrived(self, mailbox: Mailbox) -> None:
        """A message is in a mailbox: dispatch it soon."""
        if mailbox not in self.held:
            self._arrivals.append(mailbox)

    def execute(self, callback: Callback, named: object = None) -> asyncio.Task[None] | None:
        """Call a callback; a coroutine becomes a task, an exception follows `raises`.

        Does nothing when the node is about to end: other callbacks of the same moment may be due.
        """
        if self._is_over():
            return None
        loop = self._loop
        began_sec = loop.time() if loop is not None else 0.0
        self.is_calling = True
        try:
            result = callback()
            work = None if result is None else to_await(result, named or callback)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  `raises` decides
            self._raised(named or callback, as_error(error))
            return None
        finally:
            self.is_calling = False
            if loop is not None:
                took_sec = loop.time() - began_sec
                self._took(named or callback, took_sec, took_sec)
            if self._one is not None and not self._one.done():
                self._one.set_result(None)
        if work is None:
            return None
        if loop is None:
            self.begin(work, named or callback)
            return None
        return self._task(loop, work, named or callback)

    def begin(self, work: Awaitable[Any], named: object = None) -> None:
        """Run a coroutine as soon as there is a loop, until it is done or the spinning ends."""
        if self._loop is None:
            self._to_begin.append((work, named))
        else:
            self._task(self._loop, work, named or work)

    def soon(self, callback: Callback, named: object) -> None:
        """Call a callback as soon as there is a loop, after those due now; from any thread."""
        loop = self._loop
        if loop is None:
            self._to_call.append((callback, named))
        elif loop is running_loop():
            loop.call_soon(self.execute, callback, named)
        else:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self.execute, callback, named)

    def _task(
        self, loop: asyncio.AbstractEventLoop, work: Awaitable[None], named: object
    ) -> asyncio.Task[None]:
        task = loop.create_task(self._await(work, named, loop.time))
        self._tasks.add(task)

        def done(_: object) -> None:
            self._tasks.discard(task)
            discard(work)  # it may have been cancelled before it began

        task.add_done_callback(done)
        return task

    async def _await(self, work: Awaitable[None], named: object, time: Callable[[], float]) -> None:
        try:
            await timed_steps(work, time, lambda took_sec: self._took(named, took_sec, took_sec))
        except Exception as error:  # noqa: BLE001  `raises` decides
            self._raised(named, error)

    def _took(self, named: object, took_sec: float, longest_sec: float, calls: int = 1) -> None:
        busy = self.busy[callback_name(named)]
        busy.calls += calls
        busy.busy_sec += took_sec
        busy.longest_sec = max(busy.longest_sec, longest_sec)
        if longest_sec > blocked.BLOCKED_SEC:
            self._logger.warning(
                f"{callback_name(named)} blocked the node for {longest_sec:.1f} s: nothing else "
                "ran; use `async def` and `await`, or `await asyncio.to_thread(...)`"
            )

    def _raised(self, named: object, error: Exception) -> None:
        if self.raises and self._ended is not None and not self._ended.done():
            self.exceptions.note(named, error)
            self._ended.set_exception(error)
        else:
            self.exceptions.tell(named, error)

    def fail(self, error: Exception) -> bool:
        """End the spinning with an error from outside callbacks; False when nothing spins."""
        if self._ended is None or self._ended.done():
            return False
        self._ended.set_exception(error)
        return True

    # Reading and dispatching

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, between the end of draining and the next dispatch."""
        self._when_drained.append(callback)

    def _has_drained(self) -> None:
        while self._when_drained:
            self._when_drained.pop(0)()

    def _read_and_dispatch(self, readable: Readable) -> None:
        """Drain, then dispatch: a slow callback sees the newest messages next, not the oldest."""
        loop = self._loop
        if loop is None:
            return
        until_sec = self._time() + _DISPATCH_SEC
        if not (self._arrivals or self._one or self._when_drained or self._is_over()):
            self._may_call_until_sec = until_sec
        readable.drain()
        self._may_call_until_sec = 0.0
        if self._when_drained:
            self._has_drained()
        if self._arrivals:
            self._dispatch_arrivals(until_sec)
        if self._dispatch_due or self._loop is None:
            return
        if self._arrivals or not readable.rest():
            self._dispatch_due = True
            loop.call_soon(self._dispatch_again, readable)

    def _dispatch_arrivals(self, until_sec: float) -> None:
        while self._arrivals and not (self._one is not None and self._one.done()):
            mailbox = self._arrivals.popleft()
            if mailbox not in self.held:
                self._dispatch(mailbox)
            if self._time() > until_sec:
                return

    def call_now(self, mailbox: CallableNow, replies: Sequence[Entry]) -> int:
        """Call a mailbox's callback with messages that have just come; returns for how many.

        They would overtake what waits already, so the others have to wait too. Statistics are
        counted once for all of them.
        """
        time, until_sec = self._time, self._may_call_until_sec
        began_sec = now_sec = time()
        if now_sec > until_sec or self.is_calling or mailbox.waiting or mailbox in self.held:
            return 0
        longest_sec, called = 0.0, 0
        self.is_calling = True
        try:
            for reply in replies:
                called += 1
                goes_on = self._call(mailbox, reply)
                was_sec, now_sec = now_sec, time()
                longest_sec = max(longest_sec, now_sec - was_sec)
                if now_sec > until_sec or not goes_on:
                    break
        finally:
            self.is_calling = False
            self._took(mailbox.callback, now_sec - began_sec, longest_sec, called)
        return called

    def _call(self, mailbox: CallableNow, reply: Entry) -> bool:
        """Call a mailbox's callback; returns whether the next message may be next."""
        try:
            result = mailbox.call(reply)
        except BaseException as error:  # noqa: BLE001  `failed` raises what is not the callback's
            return self.failed(mailbox, error)
        return not self._is_over() if result is None else self.returned(mailbox, result)

    def returned(self, mailbox: CallableNow, result: object) -> bool:
        """Go on with the result of a callback; returns whether the next message may be next."""
        try:
            work = to_await(result, mailbox.callback)
        except TypeError as error:
            return self.failed(mailbox, error)
        if work is None or self._loop is None:
            return not self._is_over()
        self._hold(mailbox, self._task(self._loop, work, mailbox.callback))
        return False

    def failed(self, mailbox: CallableNow, error: BaseException) -> bool:
        """Go on after the exception of a callback; returns whether the next message may be next.

        Raises:
            BaseException: it is none of the callback's, such as KeyboardInterrupt.
        """
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise error
        self._raised(mailbox.callback, as_error(error))
        return not self._is_over()

    def _is_over(self) -> bool:
        """Whether the node is about to end: no callback is called any more."""
        return self._shut_down or (self._ended is not None and self._ended.done())

    def _dispatch_again(self, readable: Readable) -> None:
        self._dispatch_due = False
        self._read_and_dispatch(readable)

    def _dispatch(self, mailbox: Mailbox) -> None:
        task = self.execute(mailbox.dispatch, mailbox.callback)
        if task is not None:
            self._hold(mailbox, task)

    def _hold(self, mailbox: Mailbox, task: asyncio.Task[None]) -> None:
        """Dispatch nothing of a mailbox until the coroutine of its callback is done."""
        self.held[mailbox] = task
        task.add_done_callback(lambda _: self._dispatched(mailbox))

    def _dispatched(self, mailbox: Mailbox) -> None:
        if self.held.pop(mailbox, None) is None:
            return  # the node has left the loop since
        self._arrivals.extend([mailbox] * mailbox.waiting)
        self._read_and_dispatch(self._link)

    # Spinning

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run callbacks in `loop` from now on, whenever it runs."""
        if self._loop is loop:
            return
        if self._loop is not None:
            self.detach()
        self._loop = self._home = loop
        self._time = loop.time
        if type(loop).time is asyncio.BaseEventLoop.time:  # two calls less
            self._time = time.monotonic
        for timed in list(self._timed):
            timed.attach(self._time_of(timed, loop))
        self._link.attach(loop, self._read_and_dispatch, self._on_outage)
        while self._to_begin:
            self.begin(*self._to_begin.pop(0))
        while self._to_call:
            self.soon(*self._to_call.pop(0))
        if not self._ready:
            self._ready = True
            self._link.set_state(self._state)

    def set_state(self, state: str) -> None:
        """Show this state in the graph instead of "ready", as soon as the node spins."""
        self._state = state
        if self._ready:
            self._link.set_state(state)

    def detach(self) -> set[asyncio.Task[None]]:
        """Stop running callbacks; cancels the coroutines and returns their tasks."""
        for timed in list(self._timed):
            timed.detach()
        cancelled, self._tasks = self._tasks, set()
        for task in cancelled:
            task.cancel()
        for mailbox in self.held:
            self._arrivals.extend([mailbox] * mailbox.waiting)
        self.held.clear()
        self._link.detach()
        self._dispatch_due = False
        self._loop = None
        return cancelled

    def refuse(self, why: str) -> None:
        """In a forked child: end every spin there, and refuse new ones."""
        self._refusal = why
        self._taking = threading.Lock()
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(ForkedError(why))
        self._loop = self._own_loop = self._home = None

    def check_process(self) -> None:
        """Refuse to spin in a forked child.

        Raises:
            ForkedError: this process is one.
        """
        if self._refusal:
            raise ForkedError(self._refusal)

    async def spin(self) -> None:
        """Run callbacks in the running loop until `shut_down` or an exception."""
        while self._is_waiting:
            await asyncio.sleep(_RETRY_SEC)
        ended = self._take(asyncio.get_running_loop())
        if ended is None:
            raise SpinError(f"{self._name} is being spun already: spin it in one place")
        self._one = None
        try:
            await self._until(None, ended)
        finally:
            cancelled = self.detach()
            if cancelled:
                await asyncio.wait(cancelled, timeout=LAST_STEPS_SEC)

    async def once(self, timeout_sec: float | None) -> None:
        """Run callbacks until one has run, or the time is up."""
        one = self._one = asyncio.get_running_loop().create_future()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_sec):
                self._read_and_dispatch(self._link)
                await one
        if not one.done():
            one.set_result(None)  # nothing more until the next time

    @property
    def is_attached(self) -> bool:
        """Whether callbacks run in a loop; False once the node's tasks are cancelled at its end."""
        return self._loop is not None

    def is_in_callback(self) -> bool:
        """Whether an event loop runs in this thread: waiting would block it."""
        return running_loop() is not None

    def _at_the_end(self, work: Coroutine[Any, Any, _T]) -> _T | None:
        """Wait for a coroutine of a hook of the end; not after the end."""
        if not self._is_closed:
            result: _T = self.finish(work)
            return result
        discard(work)
        return None

    def _would_block(self, instead: str) -> SpinError:
        spun = "" if self._loop is running_loop() else ", while `node.spin_async()` is a task"
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
            SpinError: in a callback, which would wait for itself; `instead` is what to write there.
            ForkedError: the node was made before this process was forked.
        """
        if self._refusal:
            discard(work)
        self.check_process()
        if self.is_in_callback():
            discard(work)
            raise self._would_block(instead)
        if self._is_ending:
            return self._at_the_end(work)
        while True:
            loop = self._loop
            if loop is not None and loop.is_running():  # in another thread
                with contextlib.suppress(CancelledError):  # its spinning ended
                    return asyncio.run_coroutine_threadsafe(work, loop).result()
                return None
            if loop is not None and loop is not self._own_loop:
                return loop.run_until_complete(work)  # it is run piece by piece, as a test does
            own = self._own_loop = self._own_loop or new_event_loop()
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
        self._is_waiting = True
        if not by_steps:
            self._one = None
        waiting = self._until(work, ended)
        task = own.create_task(waiting)
        try:
            return own.run_until_complete(task)
        finally:
            if not task.done():  # Ctrl-C came between
                if inspect.getcoroutinestate(waiting) == inspect.CORO_CREATED:
                    discard(work)  # it has not begun, so nothing else ends what it was given
                    self._ended = None
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    own.run_until_complete(task)
            self._is_waiting = False

    def _take(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None] | None:
        with self._taking:
            if self._ended is not None:
                return None
            self._ended = loop.create_future()
            return self._ended

    async def _until(
        self, work: Coroutine[Any, Any, _T] | None, ended: asyncio.Future[None]
    ) -> _T | None:
        loop = asyncio.get_running_loop()
        self.attach(loop)
        if self._shut_down:
            self._end()
        working = asyncio.ensure_future(work) if work is not None else None
        # For messages that came before, to the link or to a mailbox.
        if not self._dispatch_due:  # else that of an earlier `spin_once` is still to come
            self._dispatch_due = True
            loop.call_soon(self._dispatch_again, self._link)
        try:
            waits_for: set[asyncio.Future[Any]] = {ended} if working is None else {ended, working}
            with blocked.told(self._logger.warning):
                await asyncio.wait(waits_for, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
            return working.result() if working is not None and working.done() else None
        finally:
            self._ended = None
            if working is not None:
                await _ended_with(working)

    def shut_down(self) -> None:
        """End the spinning, now or as soon as it begins; from any thread."""
        self._shut_down = True
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def wait_through(self, work: Awaitable[_T]) -> _T:
        """Run a coroutine in this thread that needs no callback of the node.

        Raises:
            SpinError: it waits, and this is a callback.
        """
        if self.is_in_callback():
            return run_through(work)
        if self._is_elsewhere() and self._loop is not None:
            return asyncio.run_coroutine_threadsafe(_result(work), self._loop).result()
        return run_here(_result(work), None)

    # The end

    def end(self) -> None:
        """Stop running callbacks; `finish` runs the hooks of the end."""
        self._shut_down = self._is_ending = True

    def finish(self, work: Awaitable[Any]) -> Any:
        """Wait in this thread for a coroutine of a hook of the end.

        No callback runs meanwhile. Messages are read, so that the hook may call services.

        Raises:
            SpinError: it has not ended in time, and was cancelled.
        """
        result, error = self._outcome(work)
        if error is not None:
            raise error
        return result

    def _outcome(self, work: Awaitable[Any]) -> Outcome:
        self.is_calling = False  # a callback that destroys its node has been left for the hooks
        loop = self._loop
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
            self._has_drained()
            if not readable.rest():
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

    def close(self) -> None:
        """Leave the loop for good."""
        self._is_closed = True
        self._leave()
        for work, _ in self._to_begin:
            discard(work)
        self.detach()
        own = self._own_loop
        if own is not None and not own.is_running():
            without_loop(lambda: close_loop(own))

    def _leave(self) -> None:
        """End the spinning; waits for another thread's, unless a callback blocks it."""
        self.shut_down()
        until_sec = time.monotonic() + LAST_STEPS_SEC
        if not self._is_elsewhere():
            self._end()
        while self._is_elsewhere() and time.monotonic() < until_sec:
            time.sleep(_RETRY_SEC)

    def _is_elsewhere(self) -> bool:
        """Whether its loop runs in another thread."""
        loop = self._loop
        return loop is not None and loop.is_running() and loop is not running_loop()


async def _result(work: Awaitable[_T]) -> _T:
    return await work
