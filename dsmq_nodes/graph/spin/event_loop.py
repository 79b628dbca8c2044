"""The event loop that nodes run in.

It is asyncio's loop over a selector of ours (dsmq/selector.py), for exact timers.
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, Final, NoReturn, TypeVar

from typing_extensions import override

from dsmq_nodes.dsmq import descriptors
from dsmq_nodes.dsmq.selector import StraightLoop, new_loop
from dsmq_nodes.errors import NodeConfigurationError, SpinError
from dsmq_nodes.graph.callback import as_error, discard, to_await

LAST_STEPS_SEC: Final = 1.0  # for cancelled coroutines to end
LAST_HOOK_SEC: Final = 3.0  # for each hook of a node's end; two fit before the launcher kills
_SPARES: Final = 3  # the descriptors of a loop: epoll, a pair of sockets
_CHECK_SEC: Final = 0.1
_T = TypeVar("_T")

_spares: Final[list[int]] = []


class _NodeLoop(StraightLoop):
    """A loop that ends when the kit itself is out of memory: no timeout can be relied upon then."""

    @override
    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, MemoryError | SystemError):  # the latter without memory for a frame
            raise error
        super().call_exception_handler(context)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop whose timers are exact.

    Raises:
        NodeConfigurationError: the process has no file descriptor left for it.
    """
    try:
        return new_loop(_NodeLoop)
    except OSError as error:
        if not descriptors.is_full(error):
            raise
    while _spares:
        os.close(_spares.pop())
    try:
        return new_loop(_NodeLoop)
    except OSError as error:
        if not descriptors.is_full(error):
            raise
        raise NodeConfigurationError(f"no event loop: {descriptors.no_more(error)}") from error


def reserve_spares() -> None:
    """Reserve descriptors for one more loop, which the end of a node needs."""
    with contextlib.suppress(OSError):
        while len(_spares) < _SPARES:
            _spares.append(os.open(os.devnull, os.O_RDONLY))


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks of a loop, give them a moment to end, and close the loop."""
    cancel_tasks(loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
    reserve_spares()


def cancel_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the tasks of a loop, and give them a moment to end."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=LAST_STEPS_SEC))


def run_until_complete(loop: asyncio.AbstractEventLoop, work: Awaitable[_T]) -> _T:
    """Do as the loop's own method, such that the loop can run again after an exception."""
    task = asyncio.ensure_future(work, loop=loop)
    try:
        return loop.run_until_complete(task)
    except BaseException:
        if task.done():  # the stop callback may still be queued, and would stop the next run
            loop.call_soon(loop.stop)
            loop.run_forever()
        raise


def refuse_in_loop(what: str, instead: str) -> None:
    """Check that no event loop runs in this thread: a second one would block it.

    Raises:
        SpinError: an event loop runs here; the text says what to write instead.
    """
    if running_loop() is not None:
        raise SpinError(
            f"{what} runs an event loop of its own, and one runs here already, as in a notebook or "
            f"an `async def`: write {instead}"
        )


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def call_in(
    loop: asyncio.AbstractEventLoop | None, function: Callable[..., object], *args: Any
) -> None:
    """Call a function in the thread that runs a loop; at once if no other thread does."""
    if loop is not None and loop.is_running() and running_loop() is not loop:
        with contextlib.suppress(RuntimeError):  # closed meanwhile
            loop.call_soon_threadsafe(function, *args)
    else:
        function(*args)


def wake(waiting: "asyncio.Future[None]") -> None:
    """Wake the coroutine that awaits a future in its loop, from any thread."""
    if running_loop() is not waiting.get_loop():
        with contextlib.suppress(RuntimeError):  # that loop is closed
            waiting.get_loop().call_soon_threadsafe(_set, waiting)
    else:
        _set(waiting)


def _set(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


class Notifier:
    """Wakes the coroutines that wait for a change, in any loop: a condition without a lock."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; it is asked again after each `notify_all`."""
        while True:
            notified: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(notified)  # first: another thread may notify at any moment
            try:
                if condition():
                    return
                await notified
            finally:
                self._waiting.discard(notified)

    def notify_all(self) -> None:
        """Wake all; from any thread."""
        for notified in tuple(self._waiting):
            wake(notified)


Outcome = tuple[Any, BaseException | None]
"""A coroutine's result, or its exception."""


async def last_steps(work: Awaitable[Any]) -> Outcome:
    """Await a hook of a node's end, for `LAST_HOOK_SEC` at most.

    Exceptions are returned: a raised SystemExit would end the loop with all its tasks.
    """
    task = asyncio.ensure_future(_outcome(work))
    done, _ = await asyncio.wait({task}, timeout=LAST_HOOK_SEC)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=LAST_STEPS_SEC)
        _watch_the_end()
        late = f"it still waited after {LAST_HOOK_SEC:g} s and was not run to its end"
        return None, SpinError(late)
    return task.result()


@functools.cache  # once a process
def _watch_the_end() -> None:
    """Let the process end even if a hook hangs in a thread, as in `asyncio.to_thread`.

    Python waits for such threads when it ends, without a limit.
    """

    def watch() -> None:
        checks = 0
        while checks * _CHECK_SEC < LAST_STEPS_SEC:
            checks = checks + 1 if _awaited_threads() else 0
            time.sleep(_CHECK_SEC)
        _exit_now(1)

    with contextlib.suppress(RuntimeError):  # Python ends, and has waited already
        threading.Thread(target=watch, daemon=True).start()


def _exit_now(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def exit_despite_threads(number: int, _: FrameType | None) -> None:
    """Handle a signal after the end of all nodes: it ends the wait for threads."""
    if left := ", ".join(_awaited_threads()):  # without any, the process ends by itself
        name = signal.Signals(number).name
        sys.stderr.write(f"{name}: ended; the nodes have ended, but not these threads: {left}\n")
        _exit_now(128 + number)


def report_threads() -> None:
    """Report, after a moment, the threads that Python waits for at its end."""

    def report() -> None:
        threading.main_thread().join()
        time.sleep(LAST_STEPS_SEC)
        if left := ", ".join(_awaited_threads()):
            sys.stderr.write(
                f"the nodes have ended, and the process waits for these threads: {left}: end them "
                "in on_shutdown, or make them with daemon=True; Ctrl-C ends it now\n"
            )

    if _lasting_threads():
        threading.Thread(target=report, daemon=True).start()


def _awaited_threads() -> list[str]:
    """Return the names of the threads for which Python waits now that the main thread has ended."""
    return _lasting_threads() if getattr(threading, "_SHUTTING_DOWN", False) else []


def _lasting_threads() -> list[str]:
    main = threading.main_thread()
    return [each.name for each in threading.enumerate() if each is not main and not each.daemon]


async def _outcome(work: Awaitable[Any]) -> Outcome:
    try:
        return await work, None
    except asyncio.CancelledError as error:
        return None, as_error(error)
    except BaseException as error:  # noqa: BLE001  see `last_steps`
        return None, error


def run_through(work: Awaitable[_T]) -> _T:
    """Return the result of an awaitable that does not wait.

    Raises:
        SpinError: `work` waits.
    """
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: _T = end.value
        return result
    steps.close()
    raise SpinError("it waits, which it cannot in a callback: let it answer without `await`")


def run_here(main: Coroutine[Any, Any, _T], home: asyncio.AbstractEventLoop | None) -> _T:
    """Run a coroutine to its end while this thread waits, even inside a running loop.

    It runs in `home` if that loop exists and is free, else in a loop of its own.
    """

    def run() -> _T:
        if home is not None and not (home.is_closed() or home.is_running()):
            return run_until_complete(home, main)
        loop = new_event_loop()
        try:
            return loop.run_until_complete(main)
        finally:
            close_loop(loop)

    try:
        return without_loop(run)
    finally:
        discard(main)  # if there was no thread for it


def run_hook_here(hook: Callable[[], object]) -> None:
    """Run a hook, `def` or `async def`, in this thread, which is not the node's.

    Raises:
        BaseException: the hook raised it; SpinError: it still waited after `LAST_HOOK_SEC`.
    """
    work = to_await(hook(), hook)
    if work is not None:
        _, error = run_here(last_steps(work), None)
        if error is not None:
            raise error


def without_loop(run: Callable[[], _T]) -> _T:
    """Run a function that runs a loop; in another thread if a loop runs here, as in a notebook."""
    here = running_loop()
    if here is None:
        return run()
    outcome: concurrent.futures.Future[_T] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def target() -> None:
        try:
            outcome.set_result(context.run(run))
        except BaseException as error:  # noqa: BLE001  it is raised in the thread that waits
            outcome.set_exception(error)

    try:
        threading.Thread(target=target, daemon=True).start()
    except RuntimeError:  # the system gives no thread, nor does Python 3.12.1 at its end
        with _interrupted(here):
            return run()
    return outcome.result()


@contextlib.contextmanager
def _interrupted(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let another loop run in this thread, inside a step of its running loop."""
    # From Python 3.14 on a thread has one current task, before that a loop has one.
    swap_task = getattr(asyncio.tasks, "_swap_current_task", lambda *_: None)
    task = swap_task(loop, None)
    asyncio._set_running_loop(None)  # noqa: SLF001  this function is for loops, as ours is one
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)  # noqa: SLF001
        swap_task(loop, task)
