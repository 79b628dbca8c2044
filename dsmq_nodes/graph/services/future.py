"""Futures: the results of calls, for coroutines, callbacks and threads alike."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dsmq_nodes.graph.callback import callback_name, check_takes, discard
from dsmq_nodes.graph.log.logger import Logger
from dsmq_nodes.graph.spin.dispatcher import Dispatcher
from dsmq_nodes.graph.spin.event_loop import wake

if TYPE_CHECKING:
    from dsmq_nodes.graph.callback import Result

T = TypeVar("T")
U = TypeVar("U")


class Future(Generic[T]):
    """The result of `call_async` and similar calls: `await` it, or add a callback.

    Unlike asyncio's future, it belongs to a node and not to an event loop: it may be made before
    the node spins, and awaited in any loop. An exception that is never fetched is logged.

    Attributes:
        on_cancel: called when the future is cancelled.
    """

    _is_ignored = True  # until `__init__` has run: an object that could not be made is deleted too

    def __init__(self, what: str, dispatcher: Dispatcher, logger: Logger) -> None:
        self._what = what
        self._dispatcher = dispatcher
        self._logger = logger
        self.on_cancel: Callable[[], object] | None = None
        self._done = False
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._was_asked = False
        self._is_ignored = False
        self._callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        """Whether it has a result or an exception, or was cancelled."""
        return self._done

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return isinstance(self._exception, asyncio.CancelledError)

    def result(self) -> T:
        """Return the result; None, as in rclpy, while it is not done.

        Raises:
            Exception: the call failed with it.
            CancelledError: the future was cancelled.
        """
        exception = self.exception()
        if exception is not None:
            raise exception
        return self._result  # type: ignore[return-value]  # None only before it is done

    def exception(self) -> BaseException | None:
        """Return the exception; None when there is none, or it is not done."""
        self._was_asked = self._done
        return self._exception

    def add_done_callback(self, callback: "Callable[[Future[T]], Result]") -> None:
        """Call `callback(future)` in the thread that spins the node, once the future is done."""
        check_takes(callback, "a future's callback", "future")

        def run() -> None:
            self._dispatcher.soon(lambda: callback(self), callback)

        self._when_done(run)

    def then(
        self, convert: Callable[[T], U], failed: Callable[[], None] = lambda: None
    ) -> "Future[U]":
        """Return a future of `convert(result)`; `convert` is called at once. For the kit's own use.

        `failed` is called instead if there is an exception, or the future is cancelled.
        """
        other: Future[U] = Future(self._what, self._dispatcher, self._logger)
        other.on_cancel = self.cancel

        def done() -> None:
            error = self.exception()
            if error is not None:
                failed()
                other.set_exception(error)
            else:
                other.set_result(convert(self.result()))

        self._when_done(done)
        return other

    def set_result(self, result: T) -> None:
        """Set the result; later calls have no effect."""
        self._finish(result, None)

    def set_exception(self, exception: BaseException) -> None:
        """Set the exception; later calls have no effect."""
        self._finish(None, exception)

    def cancel(self) -> bool:
        """Stop waiting for the result; False when the future is done already."""
        is_cancelled = self._finish(None, asyncio.CancelledError())
        if is_cancelled and self.on_cancel is not None:
            self.on_cancel()
        return is_cancelled

    def ignore(self) -> None:
        """Do not log an exception: the result is not wanted."""
        self._is_ignored = True

    def _finish(self, result: T | None, exception: BaseException | None) -> bool:
        """Set the result or the exception; False if the future is done already."""
        if self._done:
            return False
        self._result, self._exception = result, exception
        self._done = True
        self._run_callbacks()
        return True

    def _when_done(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        if self._done:
            self._run_callbacks()

    def _run_callbacks(self) -> None:
        while True:
            try:  # another thread may add a callback now, or take the last one
                callback = self._callbacks.pop(0)
            except IndexError:
                return
            callback()

    def __await__(self) -> Generator[Any, None, T]:
        if not self._done:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._when_done(partial(wake, woken))
            try:
                yield from woken
            except asyncio.CancelledError:
                self.cancel()
                raise
        return self.result()

    def __del__(self) -> None:
        if self._is_ignored or self._was_asked or self.cancelled():
            return
        if self._exception is not None:
            self._logger.error(f"{self._what}: {self._exception} (nobody has asked for the result)")


def run_as_future(work: Awaitable[T], dispatcher: Dispatcher, logger: Logger) -> Future[T]:
    """Run a coroutine as soon as the node spins; the future is its result, and may cancel it."""
    future: Future[T] = Future(callback_name(work), dispatcher, logger)
    future.ignore()  # the dispatcher reports an exception
    dispatcher.begin(_run(work, future), work)
    return future


async def _run(work: Awaitable[T], future: Future[T]) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None or future.done():
        discard(work)
        return
    future.on_cancel = partial(loop.call_soon_threadsafe, task.cancel)
    try:
        future.set_result(await work)
    except BaseException as error:
        future.set_exception(error)
        raise
