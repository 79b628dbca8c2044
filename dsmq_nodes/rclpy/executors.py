"""Executors: they wait for entities that are ready, and run the callbacks in threads.

The I/O thread stores messages with the entities of nodes, and wakes the executor. In one round the
executor runs, in this order, tasks, waitables, then node by node timers, subscriptions, guard
conditions, clients and services. Each callback is a `Task`; a coroutine occupies its callback group
also while it waits.
"""

import inspect
import math
import os
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, RLock
from types import GenericAlias
from typing import Any, ClassVar, Final, Self

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.exceptions import InvalidHandle
from dsmq_nodes.rclpy.guard_condition import GuardCondition
from dsmq_nodes.rclpy.impl.c_errors import CONTEXT_IS_NOT_VALID, RCLError
from dsmq_nodes.rclpy.impl.wait_set import WaitSet
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.rclpy.task import Future, Task
from dsmq_nodes.rclpy.utilities import get_default_context

Work = tuple[Task[Any], Any, Any]
"""A callback to run, the entity that it belongs to, and its node."""

_NEVER: Final[Callable[[], bool]] = lambda: False  # noqa: E731


async def await_or_execute(callback: Callable[..., Any], *args: Any) -> Any:
    """Call a function, or await a coroutine function."""
    if inspect.iscoroutinefunction(callback):
        return await callback(*args)
    return callback(*args)


# ruff: noqa: N818  the names are rclpy's


class TimeoutException(Exception):
    """The timeout was reached."""


class ShutdownException(Exception):
    """The executor was shut down."""


class ExternalShutdownException(Exception):
    """The context was shut down, by a signal or another thread."""


class ConditionReachedException(Exception):
    """The condition that was waited for holds."""


class TimeoutObject:
    """A timeout that changes while something waits."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout


def _is_async(callback: Callable[..., Any]) -> bool:
    """Whether a callback is a coroutine function; faster than `inspect` for plain functions."""
    code = getattr(callback, "__code__", None)
    if code is not None:
        return bool(code.co_flags & inspect.CO_COROUTINE)
    return inspect.iscoroutinefunction(callback)


class Executor:
    """Runs the callbacks of nodes; a subclass decides in which threads."""

    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)  # for annotations

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__()
        self._context = get_default_context() if context is None else context
        self._nodes: list[Any] = []
        self._nodes_lock = RLock()
        self._tasks: list[Work] = []
        self._tasks_lock = Lock()
        self._wakeup = Wakeup()
        self._guard: GuardCondition | None = GuardCondition(None, None, context=self._context)
        self._guard.handle.wake = self._wakeup.set
        self._is_shutdown = False
        self._shutdown_lock = Lock()
        self._cb_iter: Generator[Work, None, None] | None = None
        self._last_args: tuple[Any, ...] | None = None
        self._last_kwargs: dict[str, Any] | None = None
        self._alone: tuple[Any, Any] | None = None  # the only entity that was ready, and its node
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._context.add_wakeup(self._wakeup)
        self._context.on_shutdown(self.wake)

    @property
    def context(self) -> Context:
        """The context whose shutdown ends `spin`."""
        return self._context

    def create_task(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Task[Any]:
        """Run a function or coroutine function at the next spinning."""
        task: Task[Any] = Task(callback, args, kwargs, executor=self)
        with self._tasks_lock:
            self._tasks.append((task, None, None))
        self._wakeup.set()
        return task

    def create_future(self) -> Future[Any]:
        """Return a future whose callbacks are tasks of this executor."""
        return Future(executor=self)

    def shutdown(self, timeout_sec: float | None = None) -> bool:
        """Stop spinning and forget the nodes."""
        with self._shutdown_lock:
            self._is_shutdown = True
        self._wakeup.set()
        with self._nodes_lock:
            self._nodes = []
        with self._shutdown_lock:
            if self._guard is not None:
                self._guard.destroy()
                self._guard = None
        self._cb_iter = None
        self._last_args = self._last_kwargs = None
        return True

    def add_node(self, node: Any) -> bool:
        """Run the callbacks of a node from now on; False if the node was added before."""
        with self._nodes_lock:
            if node in self._nodes:
                return False
            self._nodes.append(node)
        node.executor = self
        node.handle.wake()  # another executor may have asked its entities
        return True

    def remove_node(self, node: Any) -> None:
        """Stop running the callbacks of a node."""
        with self._nodes_lock:
            if node in self._nodes:
                self._nodes.remove(node)
        self._wakeup.set()

    def wake(self) -> None:
        """Wake the executor, which then checks again for ready entities."""
        self._wakeup.set()

    def get_nodes(self) -> list[Any]:
        """Return the nodes."""
        with self._nodes_lock:
            return list(self._nodes)

    # Spinning

    def spin(self) -> None:
        """Run callbacks until the executor or the context is shut down."""
        while self._context.ok() and not self._is_shutdown:
            self.spin_once()

    def _is_unfinished(self, future: Future[Any]) -> bool:
        is_open = not future.done() and not future.cancelled()
        return is_open and self._context.ok() and not self._is_shutdown

    def spin_until_future_complete(
        self, future: Future[Any], timeout_sec: float | None = None
    ) -> None:
        """Run callbacks until a future is done or the timeout is reached."""
        future.add_done_callback(lambda _: self.wake())
        if timeout_sec is None or timeout_sec < 0:
            while self._is_unfinished(future):
                self._spin_once_until_future_complete(future, timeout_sec)
            return
        until_sec = time.monotonic() + timeout_sec
        left = TimeoutObject(timeout_sec)
        while self._is_unfinished(future):
            self._spin_once_until_future_complete(future, left)
            left.timeout = until_sec - time.monotonic()
            if left.timeout <= 0:
                return

    def _run_one(
        self,
        timeout_sec: float | TimeoutObject | None = None,
        condition: Callable[[], bool] = _NEVER,
    ) -> None:
        """Run or start one callback; wait for one until a condition holds or the timeout."""
        raise NotImplementedError

    def spin_once(self, timeout_sec: float | None = None) -> None:
        """Run one callback, or wait for one until the timeout."""
        self._run_one(timeout_sec)

    def spin_once_until_future_complete(
        self, future: Future[Any], timeout_sec: float | TimeoutObject | None = None
    ) -> None:
        """Run one callback, or wait for one until a future is done or the timeout."""
        future.add_done_callback(lambda _: self.wake())
        self._spin_once_until_future_complete(future, timeout_sec)

    def _spin_once_until_future_complete(
        self, future: Future[Any], timeout_sec: float | TimeoutObject | None = None
    ) -> None:
        self._run_one(timeout_sec, future.done)

    # What is ready

    def can_execute(self, entity: Any) -> bool:
        """Whether the callback of an entity may run now."""
        group = entity.callback_group
        return not entity._executor_event and group is not None and group.can_execute(entity)  # noqa: SLF001

    def wait_for_ready_callbacks(self, *args: Any, **kwargs: Any) -> Work:
        """Wait for a callback to run; arguments: timeout_sec, nodes, condition.

        Returns a task to call, the entity that the task belongs to, and the entity's node.

        Raises:
            TimeoutException: the timeout was reached.
            ShutdownException: the executor was shut down.
            ExternalShutdownException: the context was shut down.
            ConditionReachedException: the condition holds.
        """
        while True:
            if self._cb_iter is None or self._last_args != args or self._last_kwargs != kwargs:
                self._last_args, self._last_kwargs = args, kwargs
                self._cb_iter = self._wait_for_ready_callbacks(*args, **kwargs)
            try:
                return next(self._cb_iter)
            except StopIteration:
                self._cb_iter = None

    def _wait_for_ready_callbacks(
        self,
        timeout_sec: float | TimeoutObject | None = None,
        nodes: Iterable[Any] | None = None,
        condition: Callable[[], bool] = _NEVER,
    ) -> Generator[Work, None, None]:
        """Run one round: wait until entities are ready, then yield them one by one."""
        left_sec = timeout_sec.timeout if isinstance(timeout_sec, TimeoutObject) else timeout_sec
        until_sec = None if left_sec is None or left_sec < 0 else time.monotonic() + left_sec
        if until_sec is not None and left_sec and not self._context.ok():
            raise RCLError(CONTEXT_IS_NOT_VALID.format("create timer"))  # rcl's timeout is a timer
        given = False
        while not given:
            self._wakeup.clear()
            self._check(condition)
            used = self.get_nodes() if nodes is None else list(nodes)
            self._alone = None
            for work in self._ready_tasks(used) if self._tasks else ():
                given = True
                yield work
            ready = self._ready_entities(used)
            for entity, node in ready:
                if self.can_execute(entity):
                    self._alone = (entity, node) if len(ready) == 1 and not given else None
                    given = True
                    yield self._make_handler(entity, node), entity, node
            if until_sec is not None and time.monotonic() >= until_sec:
                raise TimeoutException
            if not given:
                self._wakeup.wait(self._longest_wait_sec(used, until_sec))

    def _check(self, condition: Callable[[], bool]) -> None:
        is_shutdown = self._is_shutdown
        if not is_shutdown and not self._context.ok():
            self._context.let_callbacks_be_first()
            # After a signal, the main thread often shuts down what other threads spin.
            is_shutdown = self._is_shutdown and self._context.was_interrupted
            if not is_shutdown:
                raise ExternalShutdownException
        if is_shutdown:
            raise ShutdownException
        if condition():
            raise ConditionReachedException

    def _ready_tasks(self, nodes: list[Any]) -> Iterator[Work]:
        with self._tasks_lock:
            self._tasks = [work for work in self._tasks if not work[0].is_over()]
            known = list(self._tasks)
        for work in known:
            if (work[2] is None or work[2] in nodes) and work[0].take():
                yield work

    def _ready_entities(self, nodes: list[Any]) -> list[tuple[Any, Any]]:
        # Only timers become ready without a wake: a node's other entities are rarely asked.
        asked = []
        for node in nodes:
            handle = node.handle
            if handle.is_woken or handle.had_ready:
                # First, since a wake may come meanwhile. A Ctrl-C may come, too: it is asked again.
                handle.is_woken, handle.had_ready = False, True
                asked.append(node)
        found = [
            (each, node)
            for node in asked
            for each in tuple(node.waitables)
            if each.is_ready(None if each.wakes_itself else self._wait_set_of(each, node))
        ]
        for node in nodes:
            kinds = node.entities_by_kind
            for kind in kinds if node in asked else kinds[:1]:
                for each in tuple(kind):
                    if each.handle.is_ready():
                        found.append((each, node))  # noqa: PERF401  half the time of a new list
        ready = {id(node) for _, node in found}
        for node in nodes:
            node.handle.had_ready = id(node) in ready
        return found

    def _wait_set_of(self, waitable: Any, node: Any) -> WaitSet:
        """Return the wait set of a program's own waitable, after a check of its entities."""
        node.handle.is_woken = True  # ask again the next time: the program decides what is ready
        wait_set = WaitSet(node.handle.wake)
        with waitable:
            waitable.get_num_entities()  # in rclpy this call reserves the room for the entities
            waitable.add_to_wait_set(wait_set)
            wait_set.check()
        return wait_set

    def _longest_wait_sec(self, nodes: list[Any], until_sec: float | None) -> float | None:
        waits = [] if until_sec is None else [until_sec - time.monotonic()]
        for node in nodes:
            for timer in node.timers:
                handle = timer.handle
                handle.add_wakeup(self._wakeup)
                if not handle.is_canceled and handle.is_timed and self.can_execute(timer):
                    waits.append(handle.until_next_ns * 1e-9)
        return max(min(waits), 0.0) if waits else None

    def _make_handler(self, entity: Any, node: Any) -> Task[Any]:
        """Return a task that takes what the entity has received, and runs its callback."""
        entity._executor_event = True  # noqa: SLF001  it is not given again meanwhile
        task: Task[Any] = Task(self._handle, (entity,), executor=self)
        task.take()
        with self._tasks_lock:
            self._tasks.append((task, entity, node))
        return task

    async def _handle(self, entity: Any) -> None:
        call = self._begin(entity)
        self._wakeup.set()  # the entity may be ready again
        if call is None:
            return
        callback, args = call
        try:
            if _is_async(callback):
                await callback(*args)
            else:
                callback(*args)
        finally:
            self._end(entity)
            self._wakeup.set()

    def _begin(self, entity: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        """Take the entity's group and its next item; None if there is nothing to call."""
        group = entity.callback_group
        if self._is_shutdown or (group is not None and not group.beginning_execution(entity)):
            entity._executor_event = False  # noqa: SLF001
            return None
        call: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        try:
            call = entity.take(self)
        except InvalidHandle:
            return None  # the entity was destroyed meanwhile
        finally:
            entity._executor_event = False  # noqa: SLF001
            if call is None:
                self._end(entity)
        return call

    def _end(self, entity: Any) -> None:
        group = entity.callback_group
        if group is not None:
            group.ending_execution(entity)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()


class _Direct:
    """Runs the callback of an entity in the caller's thread; only a coroutine gets a task."""

    def __init__(self, executor: "SingleThreadedExecutor", entity: Any, node: Any) -> None:
        self._executor, self._entity, self._node = executor, entity, node
        self._error: BaseException | None = None

    def __call__(self) -> None:
        """Run the callback, or the first step of a coroutine."""
        executor, entity = self._executor, self._entity
        call = executor._begin(entity)  # noqa: SLF001
        if call is None:
            return
        callback, args = call
        if _is_async(callback):
            self._error = executor._start(entity, self._node, callback, args)  # noqa: SLF001
            return
        try:
            callback(*args)
        except StopIteration as error:  # as from the coroutine that rclpy has around a callback
            self._error = RuntimeError("coroutine raised StopIteration")
            self._error.__cause__ = error
        except Exception as error:  # noqa: BLE001  the executor raises it
            self._error = error
        finally:
            executor._end(entity)  # noqa: SLF001

    def exception(self) -> BaseException | None:
        """Return the exception of the callback, or None."""
        return self._error

    def result(self) -> None:
        """Raise the exception of the callback, if there was one."""
        if self._error is not None:
            raise self._error

    def done(self) -> bool:
        """Return True: a callback is over when it was called."""
        return True


_PLAIN: Final = Executor.spin_once, Executor.wait_for_ready_callbacks


class SingleThreadedExecutor(Executor):
    """Runs callbacks in the thread that spins."""

    def __init__(self, *, context: Context | None = None) -> None:
        super().__init__(context=context)

    def spin(self) -> None:
        """Run callbacks until the executor or the context is shut down."""
        while self._context.ok() and not self._is_shutdown:
            self.spin_once()
            self.repeat_entity()

    def repeat_entity(self) -> None:
        """Run further callbacks of one entity without whole rounds, while nothing else is ready.

        Repeated calls of `spin_once` would do the same; a subclass may override `spin_once`.
        Other entities that become ready set the wakeup, or are timers.
        """
        kind, alone = type(self), self._alone
        if alone is None or not hasattr(alone[0], "handle"):
            return  # a waitable: a whole round asks it
        if (kind.spin_once, kind.wait_for_ready_callbacks) != _PLAIN:
            return
        entity, node = alone
        if not entity.handle.is_ready():
            node.handle.had_ready = False
            return
        self._wakeup.clear()
        nodes = self.get_nodes()
        if self._ready_entities(nodes) != [alone]:
            return
        wait_sec = self._longest_wait_sec(nodes, None)
        until_sec = math.inf if wait_sec is None else time.monotonic() + wait_sec
        is_ready, wakeup = entity.handle.is_ready, self._wakeup
        handler = _Direct(self, entity, node)
        while self._is_at_work() and is_ready() and self.can_execute(entity):
            if wakeup.is_set() or time.monotonic() >= until_sec:
                return
            handler()
            handler.result()

    def _is_at_work(self) -> bool:
        return not self._tasks and not self._is_shutdown and self._context.ok()

    def _make_handler(self, entity: Any, node: Any) -> Any:
        entity._executor_event = True  # noqa: SLF001
        return _Direct(self, entity, node)

    def _start(
        self, entity: Any, node: Any, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> BaseException | None:
        """Start a coroutine, which occupies the entity's callback group until its end."""
        task: Task[Any] = Task(self._run_async, (entity, callback, args), executor=self)
        task.take()
        task()
        if task.is_over():
            return task.exception()
        with self._tasks_lock:
            self._tasks.append((task, entity, node))
        return None

    async def _run_async(
        self, entity: Any, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        try:
            await callback(*args)
        finally:
            self._end(entity)
            self._wakeup.set()

    def _run_one(
        self,
        timeout_sec: float | TimeoutObject | None = None,
        condition: Callable[[], bool] = _NEVER,
    ) -> None:
        try:
            handler, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, condition)
        except (ShutdownException, TimeoutException, ConditionReachedException):
            return
        handler()
        error = handler.exception()
        if error is not None:
            raise error


class MultiThreadedExecutor(Executor):
    """Runs callbacks in a pool of threads; by default one for each CPU that the process may use."""

    def __init__(self, num_threads: int | None = None, *, context: Context | None = None) -> None:
        super().__init__(context=context)
        if num_threads is None:
            has_mask = hasattr(os, "sched_getaffinity")  # not on every system
            num_threads = len(os.sched_getaffinity(0)) if has_mask else os.cpu_count() or 2
        if num_threads == 1:
            warnings.warn(
                "MultiThreadedExecutor is used with a single thread.\n"
                "Use the SingleThreadedExecutor instead.",
                stacklevel=2,
            )
        self._futures: list[Task[Any]] = []
        self._executor = ThreadPoolExecutor(num_threads)

    def _run_one(
        self,
        timeout_sec: float | TimeoutObject | None = None,
        condition: Callable[[], bool] = _NEVER,
    ) -> None:
        try:
            handler, _, _ = self.wait_for_ready_callbacks(timeout_sec, None, condition)
        except (
            ExternalShutdownException,
            ShutdownException,
            TimeoutException,
            ConditionReachedException,
        ):
            return
        self._executor.submit(handler)
        self._futures.append(handler)
        for each in self._futures[:]:
            if each.done():
                self._futures.remove(each)
                each.result()  # raises what the callback did

    def shutdown(self, timeout_sec: float | None = None, *, wait_for_threads: bool = True) -> bool:
        """Stop spinning, and wait for the threads."""
        success = super().shutdown(timeout_sec)
        self._executor.shutdown(wait=wait_for_threads)
        return success
