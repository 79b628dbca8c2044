"""Calls the callbacks of one node: for messages as they are read, for timers, for finished work.

It drains a link and then dispatches, so that a slow callback gets the newest messages next. A
message goes to its callback at once (`call_now`) if nothing waits before it, else through the
mailbox of its subscription or service. A coroutine that a callback returns becomes a task, and its
mailbox waits until the task is done. `Spinner` (spinner.py) chooses the loop and ends it.
"""

import asyncio
import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from dsmq_nodes.dsmq.log import Entry
from dsmq_nodes.graph.callback import (
    BusyTime,
    Callback,
    Result,
    as_error,
    callback_name,
    discard,
    to_await,
)
from dsmq_nodes.graph.links.link import Link, Readable
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin import blocked, shutdown
from dsmq_nodes.graph.spin.event_loop import call_in, running_loop
from dsmq_nodes.graph.spin.exceptions import Exceptions
from dsmq_nodes.graph.spin.timed_steps import timed_steps

_DISPATCH_SEC: Final = 0.002  # callbacks of messages run this long before timers get their turn


class Mailbox(Protocol):
    """A queue of messages for a callback: a subscription, a service."""

    callback: Callable[..., Any] | None

    @property
    def waiting(self) -> int:
        """How many messages wait in it."""

    def dispatch(self) -> Result:
        """Call the callback with the oldest message; returns its result."""


class CallableNow(Mailbox, Protocol):
    """A mailbox that messages may bypass while none waits in it.

    Attributes:
        callback_name: the name of its callback, for logs.
        mail: the messages that wait.
    """

    callback_name: str
    mail: deque[Entry]

    def call(self, reply: Entry) -> Result:
        """Call the callback with a message that did not have to wait; returns its result."""


class Dispatcher:
    """Calls callbacks; a node has one.

    Attributes:
        loop: the loop in which callbacks are called; None: none now.
        raises: an exception in a callback ends the spinning; otherwise it is only logged.
        exceptions: the exceptions of callbacks.
        is_calling: whether a callback runs now that is not a coroutine.
        is_shut_down: whether no spinning begins any longer.
        is_over: whether no callback is called: it is shut down, or the spinning is ending or over.
        busy: how long callbacks have blocked the node, by their names.
        running: the mailboxes whose last callback is a coroutine that is not done, and its task.
        ended: a future that is done when the spinning is to end; None: nothing spins. See
            `spin_with`.
        one: a future that is done when one callback has run; None: nothing waits for that.
    """

    __slots__ = (  # used for each message or wake
        *("__dict__", "__weakref__", "_arrivals", "_is_due", "_may_call_until_sec"),
        *("_when_drained", "ended", "is_calling", "is_over", "is_shut_down", "loop", "one"),
    )

    def __init__(self, link: Link, logger: Logger, exceptions: Exceptions, *, raises: bool) -> None:
        """Call the callbacks of a node that reads `link`."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self.raises = raises
        self.exceptions = exceptions
        self.is_calling = self.is_shut_down = self.is_over = False
        self.busy: defaultdict[str, BusyTime] = defaultdict(BusyTime)
        self.running: dict[Mailbox, asyncio.Task[None]] = {}
        self.ended: asyncio.Future[None] | None = None
        self.one: asyncio.Future[None] | None = None
        self._link = link
        self._logger = logger
        self._arrivals: deque[Mailbox] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._to_begin: list[tuple[Awaitable[Any], object]] = []
        self._to_call: list[tuple[Callback, object]] = []
        self._is_due = False  # in the next turn of the loop
        self._may_call_until_sec = 0.0  # while messages are read that may bypass a mailbox
        self._time: Callable[[], float] = time.monotonic  # the loop's time
        self._when_drained: list[Callable[[], None]] = []

    # In which loop

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call callbacks in this loop from now on; call `begin_waiting` after it."""
        self.loop = loop
        self._time = loop.time

    def begin_waiting(self) -> None:
        """Begin what waited for a loop."""
        while self._to_begin:
            self.begin(*self._to_begin.pop(0))
        while self._to_call:
            self.soon(*self._to_call.pop(0))

    def cancel(self) -> set[asyncio.Task[None]]:
        """Cancel the coroutines; return their tasks, which end in the loop."""
        for task in self._tasks:
            task.cancel()
        return self._tasks.copy()

    def detach(self) -> set[asyncio.Task[None]]:
        """Leave the loop: cancel the coroutines and return their tasks."""
        cancelled, self._tasks = self.cancel(), set()
        for mailbox in self.running:
            self._arrivals.extend([mailbox] * mailbox.waiting)
        self.running.clear()
        self._is_due = False
        self.loop = None
        return cancelled

    def close(self) -> None:
        """Drop what still waits for a loop."""
        for work, _ in self._to_begin:
            discard(work)

    # Until when

    def spin_with(self, ended: asyncio.Future[None] | None) -> None:
        """Call callbacks until `ended` is done; None: the spinning has ended."""
        self.ended, self.is_over = ended, ended is None
        if ended is not None:
            shutdown.reserve_memory()  # an exception of an earlier spinning has freed it
        if self.is_shut_down:  # checked last: another thread may shut it down now
            self.is_over = True

    def shut_down(self) -> None:
        """Call no callback from now on; from any thread."""
        self.is_shut_down = True
        self.is_over = True

    def end(self, error: BaseException | None = None) -> bool:
        """End the spinning, which raises the error if there is one; False when nothing spins."""
        ended = self.ended
        if ended is None or ended.done():
            return False
        shutdown.memory_reserve.clear()  # without memory the future is done, and calls nothing
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)
        self.is_over = True
        return True

    # Calling callbacks

    def enqueue(self, mailbox: Mailbox) -> None:
        """Dispatch a mailbox soon, since a message is in it."""
        if mailbox not in self.running:
            self._arrivals.append(mailbox)

    def execute(
        self, callback: Callback, named: object = None, name: str = ""
    ) -> asyncio.Task[None] | None:
        """Call a callback; a coroutine becomes a task, an exception follows `raises`.

        Does nothing when the node is about to end: other callbacks may be due at the same moment.
        `name` is that of `named`, if the caller has it.
        """
        if self.is_over:
            return None
        loop, time = self.loop, self._time
        began_sec = time()
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
                took_sec = time() - began_sec
                self._took(name or callback_name(named or callback), took_sec, took_sec)
            if self.one is not None and not self.one.done():
                self.one.set_result(None)
        if work is None:
            return None
        if loop is None:
            self.begin(work, named or callback)
            return None
        return self._task(loop, work, named or callback)

    def begin(self, work: Awaitable[Any], named: object = None) -> None:
        """Run a coroutine as soon as there is a loop, until it is done or the spinning ends.

        From any thread.
        """
        call_in(self.loop, self._begin, work, named or work)

    def _begin(self, work: Awaitable[Any], named: object) -> None:
        if self.loop is None:
            self._to_begin.append((work, named))
        else:
            self._task(self.loop, work, named)

    def soon(self, callback: Callback, named: object) -> None:
        """Call a callback as soon as there is a loop, after those due now; from any thread."""
        loop = self.loop
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
            if not task.cancelled():
                task.exception()  # the loop raises a SystemExit, and would log it as well

        task.add_done_callback(done)
        return task

    async def _await(self, work: Awaitable[None], named: object, time: Callable[[], float]) -> None:
        try:
            name = callback_name(named)
            await timed_steps(work, time, lambda took_sec: self._took(name, took_sec, took_sec))
        except (asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  `raises` decides
            self._raised(named, error)

    def _took(self, name: str, took_sec: float, longest_sec: float, calls: int = 1) -> None:
        busy = self.busy[name]
        busy.calls += calls
        busy.busy_sec += took_sec
        if longest_sec > busy.longest_sec:  # noqa: PLR1730  max() takes three times as long
            busy.longest_sec = longest_sec
        if longest_sec > blocked.BLOCKED_SEC:
            self._logger.warning(
                f"{name} {blocked.BLOCKED_FOR} {longest_sec:.1f} s: nothing else "
                "ran; use `async def` and `await`, or `await asyncio.to_thread(...)`, unless its "
                "process stood still"
            )

    def _raised(self, named: object, error: BaseException) -> None:
        if self.raises and self.end(error):
            with contextlib.suppress(MemoryError):  # the node enters its safe state all the same
                self.exceptions.note(named, error)
        else:
            self.exceptions.log(named, error)

    # Reading and dispatching

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, between the end of draining and the next dispatch."""
        self._when_drained.append(callback)

    def call_drained(self) -> None:
        """Call the functions that wait for the end of draining."""
        while self._when_drained:
            self._when_drained.pop(0)()

    def __call__(self, readable: Readable) -> None:
        """Drain, then dispatch; a link calls this when there is something to read."""
        loop = self.loop
        if loop is None:
            return
        until_sec = self._time() + _DISPATCH_SEC
        if not (self._arrivals or self.one or self._when_drained or self.is_over):
            self._may_call_until_sec = until_sec
        readable.drain()
        self._may_call_until_sec = 0.0
        if self._when_drained:
            self.call_drained()
        if self._arrivals:
            self._dispatch_arrivals(until_sec)
        if self._is_due or self.loop is None:
            return
        if self._arrivals or not readable.arm():
            self._is_due = True
            loop.call_soon(self._dispatch_again, readable)

    def dispatch_soon(self) -> None:
        """Read and dispatch in the next turn of the loop."""
        if self.loop is not None and not self._is_due:
            self._is_due = True
            self.loop.call_soon(self._dispatch_again, self._link)

    def _dispatch_arrivals(self, until_sec: float) -> None:
        while self._arrivals and not (self.one is not None and self.one.done()):
            mailbox = self._arrivals.popleft()
            if mailbox not in self.running:
                self._dispatch(mailbox)
            if self._time() > until_sec:
                return

    def call_now(self, mailbox: CallableNow, replies: Sequence[Entry]) -> int:
        """Call a mailbox's callback with messages that have just come; return how many it took.

        If messages wait in the mailbox already, these have to wait too: they must not overtake.
        Statistics are counted once for all of them.
        """
        time, until_sec = self._time, self._may_call_until_sec
        began_sec = now_sec = time()
        if now_sec > until_sec or self.is_calling or mailbox.mail or mailbox in self.running:
            return 0
        longest_sec, called, call = 0.0, 0, mailbox.call
        self.is_calling = True
        try:
            for reply in replies:
                called += 1
                try:
                    result = call(reply)
                except BaseException as error:  # noqa: BLE001  `failed` raises others' errors
                    goes_on = self.failed(mailbox, error)
                else:
                    goes_on = not self.is_over if result is None else self.returned(mailbox, result)
                was_sec, now_sec = now_sec, time()
                longest_sec = max(longest_sec, now_sec - was_sec)
                if now_sec > until_sec or not goes_on:
                    break
        finally:
            self.is_calling = False
            self._took(mailbox.callback_name, now_sec - began_sec, longest_sec, called)
        return called

    def returned(self, mailbox: CallableNow, result: object) -> bool:
        """Continue with the result of a callback; return whether the next message may be next."""
        try:
            work = to_await(result, mailbox.callback)
        except TypeError as error:
            return self.failed(mailbox, error)
        if work is None or self.loop is None:
            return not self.is_over
        self._await_callback(mailbox, self._task(self.loop, work, mailbox.callback))
        return False

    def failed(self, mailbox: CallableNow, error: BaseException) -> bool:
        """Continue after the exception of a callback; return whether the next message may be next.

        Raises:
            BaseException: the exception is not of the callback, such as KeyboardInterrupt.
        """
        if not isinstance(error, Exception | asyncio.CancelledError):
            raise error
        self._raised(mailbox.callback, as_error(error))
        return not self.is_over

    def _dispatch_again(self, readable: Readable) -> None:
        self._is_due = False
        self(readable)

    def _dispatch(self, mailbox: Mailbox) -> None:
        task = self.execute(mailbox.dispatch, mailbox.callback)
        if task is not None:
            self._await_callback(mailbox, task)

    def _await_callback(self, mailbox: Mailbox, task: asyncio.Task[None]) -> None:
        """Dispatch nothing from a mailbox until the coroutine of its callback is done."""
        self.running[mailbox] = task
        task.add_done_callback(lambda _: self._dispatched(mailbox))

    def _dispatched(self, mailbox: Mailbox) -> None:
        if self.running.pop(mailbox, None) is None:
            return  # the node has left the loop meanwhile
        self._arrivals.extend([mailbox] * mailbox.waiting)
        self(self._link)
