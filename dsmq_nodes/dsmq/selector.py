"""The event loop of nodes and brokers, on a selector that is exact and takes any descriptor.

On Linux asyncio's default selector, epoll, rounds timers to whole milliseconds (lateness at 1 kHz:
median 546 us). `select()` does not round (120 us), but takes no descriptor above 1,023. So here
`select()` waits for one descriptor, that of epoll, and epoll then returns at once what is ready.
Only the last moments of a long wait are by `select()`.

The functions that read messages are called directly from here when they wake a sleeping loop: those
of a node's bell and its socket, and of a broker's connections. Through asyncio's queue of handles
the callback of a message comes 14 % later (text at 1 kHz, p50 41 us instead of 36). Handles that
are already in that queue run first. When a call leaves the loop nothing to do, the selector waits
again by itself: compiled, a wake then calls no Python function except the node's callback. Timers
of nodes also tick from here (`Ticks`): 21 calls of Python functions instead of 36.
"""

import asyncio
import contextlib
import functools
import math
import os
import select
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

from typing_extensions import override

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.due_calls import DueCall, DueCalls
from dsmq_nodes.speedups import wait

_SELECTS: Final = 1024  # FD_SETSIZE
_LONGEST_SEC: Final = 1e6  # a longer timeout is refused by epoll
_LONG_SEC: Final = 0.1
_ROUNDED_SEC: Final = 0.002  # epoll rounds to whole milliseconds
_NONE: Final[tuple[int, ...]] = ()
_MOST: Final = 64  # events at once; the others come the next time
_NO_CALLS: Final[dict[int, Callable[[], object]]] = {}
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def new_selector() -> selectors.BaseSelector:
    """Return a selector with exact timeouts; kqueue and select of other systems are exact, too.

    Raises:
        OSError: the process has no file descriptor left for it.
    """
    return ExactSelector() if sys.platform == "linux" else selectors.DefaultSelector()


if sys.platform == "linux":

    class ExactSelector(selectors.EpollSelector):
        """Epoll without rounding; a forked process gets one of its own, as with `select`."""

        _selector: select.epoll  # as the parent calls it

        def __init__(self) -> None:
            super().__init__()
            self._straight: dict[int, Callable[[], object]] = {}
            self.loop: Any = None  # the loop that uses this selector
            self.ticks = Ticks(self)
            _selectors.add(self)

        @override
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            ready, wait_for = [], self._wait_and_tick if self.ticks.heap else self._wait
            for fd, events in wait_for(timeout):
                if (key := self._fd_to_key.get(fd)) is not None:  # type: ignore[attr-defined]
                    mask = _WRITE if events & ~select.EPOLLIN else 0
                    mask |= _READ if events & ~select.EPOLLOUT else 0
                    ready.append((key, mask & key.events))
            return ready

        def _wait_and_tick(self, timeout: float | None) -> list[tuple[int, int]]:
            """Do as `_wait`, and call due ticks, after what the loop has to do already."""
            loop, ticks, heap = self.loop, self.ticks, self.ticks.heap
            if timeout is not None and timeout <= 0:
                loop.call_soon(ticks.call)
                return self._wait(timeout)
            epoll, wait_for = self._selector.fileno(), wait or self._wait_here
            known, now_sec = len(loop._scheduled), time.monotonic()  # noqa: SLF001
            until_sec = math.inf if timeout is None else now_sec + timeout
            while True:
                left_sec = (min(until_sec, heap[0][0]) if heap else until_sec) - now_sec
                calls = self._straight if left_sec > 0 else _NO_CALLS
                found = wait_for(epoll, left_sec, calls, loop)
                ticks.call()
                now_sec = time.monotonic()
                is_new = found or loop._ready or len(loop._scheduled) != known  # noqa: SLF001
                if is_new or now_sec >= until_sec:
                    return found

        def _wait(self, timeout: float | None) -> list[tuple[int, int]]:
            """Wait, and make the direct calls, until there is something else to do.

            That is an event of another descriptor, which is returned, a new handle or timer of the
            loop, or the end of the timeout.
            """
            calls = self._straight if timeout is None or timeout > 0 else _NO_CALLS
            return (wait or self._wait_here)(self._selector.fileno(), timeout, calls, self.loop)

        def _wait_here(
            self,
            epoll: int,
            timeout: float | None,
            calls: dict[int, Callable[[], object]],
            loop: Any,
        ) -> list[tuple[int, int]]:
            handles, timers = loop._ready, loop._scheduled  # noqa: SLF001
            left_sec, known = timeout, len(timers)
            until_sec = 0.0 if timeout is None else time.monotonic() + timeout
            while True:
                events = self._poll(epoll, left_sec)
                others = []
                for fd, event in events:
                    if event != select.EPOLLOUT and (call := calls.get(fd)) is not None:
                        loop.call(call)
                        event &= select.EPOLLOUT  # noqa: PLW2901
                    if event:
                        others.append((fd, event))
                if others or not events or handles or len(timers) != known:
                    return others
                if timeout is not None and (left_sec := until_sec - time.monotonic()) <= 0:
                    return others

        def _poll(self, epoll: int, timeout: float | None) -> list[tuple[int, int]]:
            if timeout is not None and timeout > _LONG_SEC:  # one system call instead of two
                return self._selector.poll(min(timeout - _ROUNDED_SEC, _LONGEST_SEC), _MOST)
            if timeout is not None and timeout > 0:
                if epoll >= _SELECTS:
                    descriptors.ready([epoll], timeout_sec=timeout)
                else:
                    select.select([epoll], _NONE, _NONE, timeout)
            return self._selector.poll(None if timeout is None else 0, _MOST)

        def call_straight(self, fd: int, call: Callable[[], object] | None) -> None:
            """Call back in `select` when a descriptor is readable; None: return the event."""
            if call is not None:
                self._straight[fd] = call
            else:
                self._straight.pop(fd, None)

        @override
        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            key = super().unregister(fileobj)
            self._straight.pop(key.fd, None)
            return key

        def replace_the_parents(self) -> None:
            """Get an epoll of its own for a forked process: changes must not reach the parent's."""
            inherited, self._selector = self._selector, select.epoll()
            for key in [*(self.get_map() or {}).values()]:
                events = select.EPOLLIN if key.events & _READ else 0
                events |= select.EPOLLOUT if key.events & _WRITE else 0
                with contextlib.suppress(OSError):
                    self._selector.register(key.fd, events)
            inherited.close()

    class Ticks(DueCalls):
        """Calls that a selector makes when they are due: a timeline (graph/time/timeline.py)."""

        def __init__(self, selector: ExactSelector) -> None:
            super().__init__()
            self.time = time.monotonic
            self._selector = selector
            self._is_calling = False

        def call_at(self, when: float, callback: Callable[[], object]) -> DueCall:
            """Call back at a time; soon, if that time has passed already."""
            if not self._is_calling:
                # does nothing, except to shorten the selector's wait
                self._selector.loop.call_soon(int)
            return self.add(when, callback)

        def call(self) -> None:
            """Make the calls that are due, as many as there are now: each may make another due."""
            heap, now_sec = self.heap, time.monotonic()
            self._is_calling = True
            try:
                for _ in range(len(heap)):
                    if not heap or heap[0][0] > now_sec or (due := self.pop(now_sec)) is None:
                        break  # usually the second condition ends it, without a call
                    self._selector.loop.call(due[1])
            finally:
                self._is_calling = False

    _selectors: Final[WeakSet[ExactSelector]] = WeakSet()

    def _in_the_child() -> None:
        for each in list(_selectors):
            each.replace_the_parents()

    os.register_at_fork(after_in_child=_in_the_child)


class StraightLoop(asyncio.SelectorEventLoop):
    """asyncio's loop on such a selector."""

    __slots__ = ("calls",)  # used at each wake
    time = staticmethod(time.monotonic)  # without a call of a Python function

    def __init__(self, selector: Any) -> None:
        super().__init__(selector)
        self._exact = selector if hasattr(selector, "call_straight") else None
        if self._exact is not None:
            self._exact.loop = self
        self.calls = 0

    def add_straight(self, fd: Any, callback: Callable[..., object], *args: Any) -> None:
        """Do as `add_reader`; but the selector itself calls back."""
        number = _number(fd)
        self.add_reader(number, callback, *args)
        if self._exact is not None:
            self._exact.call_straight(number, functools.partial(callback, *args))

    @override
    def close(self) -> None:
        super().close()
        if self._exact is not None:
            self._exact.ticks.heap.clear()

    @override
    def stop(self) -> None:
        super().stop()
        if not self.is_closed():
            self.call_soon(int)  # does nothing, except to end the selector's wait

    @override
    def remove_reader(self, fd: Any) -> bool:
        if self._exact is not None:
            self._exact.call_straight(_number(fd), None)
        return super().remove_reader(fd)  # finds a closed socket too

    def call(self, callback: Callable[[], object]) -> None:
        """Call back from the selector."""
        self.calls += 1
        try:
            callback()
        except Exception as error:  # noqa: BLE001  as asyncio handles exceptions of its handles
            self.failed(callback, error)

    @override
    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Do as asyncio's method, except that a cancelled callback is no failure.

        Streams of Python before 3.13 ask the cancelled task of a connection for its exception, so
        that each program with `asyncio.start_server` would end with a traceback.
        """
        if not isinstance(context.get("exception"), asyncio.CancelledError):
            super().call_exception_handler(context)

    def failed(self, callback: Callable[[], object], error: Exception) -> None:
        """Report an exception that a callback has raised."""
        self.call_exception_handler({"message": f"Exception in {callback}", "exception": error})


def _number(fd: Any) -> int:
    """Return a descriptor's number; with a socket, `selectors` makes its text each time: 0.1 ms."""
    number: int = fd if isinstance(fd, int) else fd.fileno()
    return number


def new_loop(kind: type[StraightLoop] = StraightLoop) -> StraightLoop:
    """Make a loop of a kind.

    Raises:
        OSError: the process has no file descriptor left for it.
    """
    selector = new_selector()
    try:
        for each in socket.socketpair():  # tried first: asyncio would leave a half-made loop
            each.close()
        return kind(selector)
    except OSError:
        selector.close()
        raise


def add_straight(
    loop: asyncio.AbstractEventLoop, fd: Any, callback: Callable[..., object], *args: Any
) -> None:
    """Do as `add_reader`; if the loop is one of ours, without its queue of handles."""
    add = loop.add_straight if isinstance(loop, StraightLoop) else loop.add_reader
    add(fd, callback, *args)


def timeline_of(loop: asyncio.AbstractEventLoop) -> Any:
    """Return the timeline of a node's timers; if the loop is one of ours, without its queue."""
    exact = loop._exact if isinstance(loop, StraightLoop) else None  # noqa: SLF001
    return loop if exact is None else exact.ticks


def calls_of(loop: asyncio.AbstractEventLoop) -> int:
    """Return how often the selector of a loop has called back; 0 for a loop of another kind."""
    return loop.calls if isinstance(loop, StraightLoop) else 0
