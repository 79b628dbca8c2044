"""Futures and tasks: executors run tasks, whose results are futures."""

import asyncio
import inspect
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Coroutine, Generator
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Steps(threading.local):
    """Whether a thread is in a step of a `Task`, and the asyncio loop of that moment."""

    is_in_one = False
    loop: asyncio.AbstractEventLoop | None = None  # the loop that ran already when the step began


_steps = _Steps()


def _is_awaited_by_a_task() -> bool:
    """Whether the caller awaits in an executor's task itself, not in asyncio within the task."""
    return _steps.is_in_one and _running_loop() is _steps.loop


class FutureState(Enum):
    """The state of a future."""

    PENDING = "PENDING"
    CANCELLED = "CANCELLED"
    FINISHED = "FINISHED"


class Future(Generic[T]):
    """The result of work that ends later; `await` it, or add callbacks."""

    def __init__(self, *, executor: Any = None) -> None:
        self._state = FutureState.PENDING
        self._result: T | None = None
        self._exception: BaseException | None = None
        self._exception_fetched = False
        self._callbacks: list[Callable[[Future[T]], object]] = []
        self._lock = threading.Lock()
        self._executor: Any = lambda: None
        self._set_executor(executor)

    def __del__(self) -> None:
        if self._exception is not None and not self._exception_fetched:
            print(  # noqa: T201
                "The following exception was never retrieved: " + str(self._exception),
                file=sys.stderr,
            )

    def __await__(self) -> Generator[Any, None, T | None]:
        while self._pending():
            # Only a task knows what to do with it: asyncio takes no future but its own.
            yield self if _is_awaited_by_a_task() else None
        return self.result()

    def _pending(self) -> bool:
        return self._state is FutureState.PENDING

    def cancel(self) -> None:
        """Give up waiting; `done()` stays False, as in rclpy."""
        with self._lock:
            if not self._pending():
                return
            self._state = FutureState.CANCELLED
        self._schedule_or_invoke_done_callbacks()

    def cancelled(self) -> bool:
        """Whether the future was cancelled."""
        return self._state is FutureState.CANCELLED

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._state is FutureState.FINISHED

    def result(self) -> T | None:
        """Return the result; None while there is none.

        Raises:
            BaseException: the exception that was set instead.
        """
        if self._exception is not None:
            self._exception_fetched = True
            raise self._exception
        return self._result

    def exception(self) -> BaseException | None:
        """Return the exception that was set, if any."""
        self._exception_fetched = True
        return self._exception

    def set_result(self, result: T) -> None:
        """Set the result, and call the callbacks."""
        with self._lock:
            self._result = result
            self._state = FutureState.FINISHED
        self._schedule_or_invoke_done_callbacks()

    def set_exception(self, exception: BaseException) -> None:
        """Set an exception, and call the callbacks."""
        with self._lock:
            self._exception = exception
            self._exception_fetched = False
            self._state = FutureState.FINISHED
        self._schedule_or_invoke_done_callbacks()

    def _schedule_or_invoke_done_callbacks(self) -> None:
        with self._lock:
            executor = self._executor()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._hand_over(executor, callback)

    def _hand_over(self, executor: Any, callback: Callable[["Future[T]"], object]) -> None:
        if executor is not None and not isinstance(callback, _Resumption):
            executor.create_task(callback, self)
            return
        try:
            callback(self)
        except Exception as error:  # noqa: BLE001  the others are to be called too
            warnings.warn(f"Unhandled exception in done callback: {error}", stacklevel=2)

    def _set_executor(self, executor: Any) -> None:
        self._executor = (lambda: None) if executor is None else weakref.ref(executor)

    def add_done_callback(self, callback: Callable[["Future[T]"], object]) -> None:
        """Call `callback(future)` when the future is done; as a task if it has an executor."""
        with self._lock:
            if self._pending():
                self._callbacks.append(callback)
                return
            executor = self._executor()
        if executor is None:
            callback(self)  # an exception of the callback is raised to the caller
        else:
            self._hand_over(executor, callback)

    def remove_done_callback(self, callback: Callable[["Future[T]"], object]) -> bool:
        """Remove a callback; return whether it was registered."""
        with self._lock:
            if callback not in self._callbacks:
                return False
            self._callbacks.remove(callback)
            return True


class Task(Future[T]):
    """A function or coroutine that an executor runs; each call of the task is one step of it."""

    def __init__(
        self,
        handler: Callable[..., Any] | Coroutine[Any, Any, T],
        args: Any = None,
        kwargs: Any = None,
        executor: Any = None,
    ) -> None:
        super().__init__(executor=executor)
        self._handler: Any = handler
        self._args = args or ()
        self._kwargs = kwargs or {}
        if inspect.iscoroutinefunction(handler):
            self._handler = handler(*self._args, **self._kwargs)
            self._args, self._kwargs = (), {}
        self._is_executing = False
        self._turn = threading.Lock()
        self._waits = False  # for a future, which resumes it
        self._is_taken = False  # somebody is about to run a step
        self._has_ended_the_program = False  # by SystemExit, for example; the task keeps its state

    def __call__(self) -> None:
        """Run one step, unless another thread runs one."""
        if not self._pending() or not self._turn.acquire(blocking=False):
            return
        try:
            if not self._pending():
                return
            self._is_executing = True
            if inspect.iscoroutine(self._handler):
                self._execute_coroutine_step(self._handler)
            else:
                self._run_function()
            self._is_executing = False
        except BaseException:
            self._has_ended_the_program = True
            raise
        finally:
            self._is_taken = False
            self._turn.release()

    def _run_function(self) -> None:
        try:
            if not callable(self._handler):
                raise AssertionError  # noqa: TRY004  as there, when it runs
            result = self._handler(*self._args, **self._kwargs)
        except Exception as error:  # noqa: BLE001  it is the task's outcome
            self.set_exception(error)
        else:
            self.set_result(result)
        self._complete_task()

    def _execute_coroutine_step(self, work: Coroutine[Any, Any, T]) -> None:
        self._waits = False
        before = _steps.is_in_one, _steps.loop
        _steps.is_in_one, _steps.loop = True, _running_loop()
        try:
            waits_for = work.send(None)
        except StopIteration as end:
            self.set_result(end.value)
            self._complete_task()
        except Exception as error:  # noqa: BLE001  it is the task's outcome
            self.set_exception(error)
            self._complete_task()
        else:
            self._resume_after(waits_for)
        finally:
            _steps.is_in_one, _steps.loop = before

    def _resume_after(self, waits_for: object) -> None:
        executor = self._executor()
        if isinstance(waits_for, Future):
            self._waits = True
            waits_for.add_done_callback(_Resumption(self, executor))
        elif executor is not None:
            executor.wake()  # after any other yielded value, the next step runs then

    def take(self) -> bool:
        """Claim the next step, which the caller then runs; False if there is none now."""
        if self._is_taken or self._waits or self._is_executing or not self._pending():
            return False
        self._is_taken = True
        return True

    def is_over(self) -> bool:
        """Whether there is no further step."""
        return self._has_ended_the_program or not self._pending()

    def resume(self, executor: Any) -> None:
        """Allow the next step: the awaited future is done."""
        self._waits = False
        if executor is not None:
            executor.wake()

    def _complete_task(self) -> None:
        self._handler = None
        self._args, self._kwargs = (), {}

    def executing(self) -> bool:
        """Whether a step of the task runs now."""
        return self._is_executing

    def cancel(self) -> None:
        """End a coroutine at the place where it waits.

        Raises:
            ValueError: the coroutine runs now.
        """
        if self._pending() and inspect.iscoroutine(self._handler):
            self._handler.close()
        super().cancel()


class _Resumption:
    """Resumes a task when a future is done; called at once, not as a task."""

    def __init__(self, task: Task[Any], executor: Any) -> None:
        self._task = task
        self._executor = None if executor is None else weakref.ref(executor)

    def __call__(self, _: Future[Any]) -> None:
        self._task.resume(None if self._executor is None else self._executor())
