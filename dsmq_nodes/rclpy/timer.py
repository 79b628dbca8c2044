"""Timers and rates."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, Final, Self

from dsmq_nodes.rclpy.clock import Clock
from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.context import Context, ContextHandle
from dsmq_nodes.rclpy.exceptions import InvalidHandle, ROSInterruptException
from dsmq_nodes.rclpy.impl.c_errors import RCLError, TimerCancelledError, wrong_arguments
from dsmq_nodes.rclpy.impl.clock_source import ClockChange, ClockSource
from dsmq_nodes.rclpy.impl.handle import InnerHandle
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.rclpy.time import Time
from dsmq_nodes.rclpy.utilities import get_default_context

_TIMER: Final = (
    "rclpy._rclpy_pybind11.Timer(arg0: rclpy::Clock, arg1: rclpy._rclpy_pybind11.Context, "
    "arg2: typing.SupportsInt, arg3: bool)"
)


class TimerInfo:
    """The times at which a tick was due and at which it was made."""

    def __init__(
        self,
        *,
        expected_call_time: int = 0,
        actual_call_time: int = 0,
        clock_type: ClockType = ClockType.SYSTEM_TIME,
    ) -> None:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        if expected_call_time < 0 or actual_call_time < 0:
            raise ValueError("call time values must not be negative")
        self._expected = Time(nanoseconds=expected_call_time, clock_type=clock_type)
        self._actual = Time(nanoseconds=actual_call_time, clock_type=clock_type)

    @property
    def expected_call_time(self) -> Time:
        """The time at which the tick was due."""
        return self._expected

    @property
    def actual_call_time(self) -> Time:
        """The time at which the tick was made."""
        return self._actual


class TimerHandle(InnerHandle):
    """The state of a timer. Of several overdue ticks one is made, the others are skipped."""

    def __init__(
        self, clock: ClockSource, context: ContextHandle, period_ns: int, autostart: bool
    ) -> None:
        super().__init__()
        given: object = clock
        if not isinstance(given, ClockSource) or not -(2**63) <= period_ns < 2**63:
            raise wrong_arguments(_TIMER, clock, context, period_ns, autostart)
        if period_ns < 0:
            raise RCLError("failed to create timer: timer period must be non-negative")
        self._source = clock
        self.period_ns = period_ns
        self.is_canceled = not autostart
        now_ns = self._source.now_ns()
        self._last_ns = now_ns
        self._next_ns = now_ns + period_ns
        self._credit_ns = 0
        if clock.clock_type is ClockType.ROS_TIME:
            self._source.add_clock_callback(self, True, 1, -1)

    def before(self) -> None:
        """Prepare for a jump of the clock, which comes next."""
        now_ns = self._source.now_ns()
        if now_ns:
            self._credit_ns = self._next_ns - now_ns

    def after(self, change: ClockChange, _delta_ns: int) -> None:
        """Adapt the next tick to a jump of the clock."""
        now_ns = self._source.now_ns()
        if change is not ClockChange.ROS_TIME_NO_CHANGE:
            if now_ns and self._credit_ns:
                # As in rcl: the time left of the period counts as elapsed in the new time.
                self._last_ns = now_ns - self._credit_ns
                self._next_ns = self._last_ns + self.period_ns
                self._credit_ns = 0
            return
        self._credit_ns = 0
        if now_ns < self._last_ns:
            self._last_ns, self._next_ns = now_ns, now_ns + self.period_ns

    @property
    def until_next_ns(self) -> int:
        """Return the time until the next tick is due, in ns."""
        return self._next_ns - self._source.now_ns()

    @property
    def is_timed(self) -> bool:
        """Whether time alone makes the timer due: no simulation sets its clock."""
        return not self._source.is_overridden

    def add_wakeup(self, wakeup: Any) -> None:
        """Set `wakeup` when the clock jumps."""
        self._source.wakeups.add(wakeup)

    def is_ready(self) -> bool:
        """Return `is_timer_ready()`, by the name that executors use for every entity."""
        return self.is_timer_ready()

    def is_timer_ready(self) -> bool:
        """Whether a tick is due."""
        is_over = self.is_canceled or self.is_destroyed
        return not is_over and self._next_ns <= self._source.now_ns()

    def call_timer_with_info(self) -> dict[str, int]:
        """Make the tick; return the times at which the tick was due and made.

        Raises:
            TimerCancelledError: the timer was cancelled.
        """
        if self.is_canceled:
            raise TimerCancelledError("Timer has been canceled: timer is canceled")
        now_ns = self._source.now_ns()
        due_ns = self._next_ns
        self._last_ns = now_ns
        self._next_ns += self.period_ns
        if self.period_ns == 0:
            self._next_ns = now_ns
        elif self._next_ns <= now_ns:
            self._next_ns += ((now_ns - self._next_ns) // self.period_ns + 1) * self.period_ns
        return {"expected_call_time": due_ns, "actual_call_time": now_ns}

    def call_timer(self) -> None:
        """Make the tick."""
        self.call_timer_with_info()

    def get_timer_period(self) -> int:
        """Return the period in nanoseconds."""
        return self.period_ns

    def change_timer_period(self, period_ns: int) -> None:
        """Set another period, which applies from the next tick on."""
        self.period_ns = period_ns

    def is_timer_canceled(self) -> bool:
        """Whether the timer was cancelled."""
        return self.is_canceled

    def cancel_timer(self) -> None:
        """Stop ticking until the timer is reset."""
        self.is_canceled = True

    def reset_timer(self) -> None:
        """Begin a new period now."""
        now_ns = self._source.now_ns()
        self._next_ns = now_ns + self.period_ns
        self.is_canceled = False

    def time_since_last_call(self) -> int:
        """Return the nanoseconds since the last tick."""
        return self._source.now_ns() - self._last_ns

    def time_until_next_call(self) -> int | None:
        """Return the nanoseconds until the next tick; None if the timer was cancelled."""
        return None if self.is_canceled else self.until_next_ns

    def destroy_when_not_in_use(self) -> None:
        """End the timer."""
        super().destroy_when_not_in_use()
        self._source.remove_clock_callback(self)


class Timer:
    """Calls back every period; made by `Node.create_timer`."""

    def __init__(
        self,
        callback: Callable[..., Any] | None,
        callback_group: Any,
        timer_period_ns: int,
        clock: Clock,
        *,
        context: Context | None = None,
        autostart: bool = True,
    ) -> None:
        self._context = get_default_context() if context is None else context
        if self._context.handle is None:
            raise RuntimeError("Context must be initialized before create a _rclpy.Timer.")
        self._clock = clock
        self.handle = TimerHandle(
            clock.handle, self._context.handle, int(timer_period_ns), autostart
        )
        self.callback = callback
        self.callback_group = callback_group
        self._executor_event = False
        self._wake: Callable[[], object] = lambda: None

    @property
    def callback(self) -> Callable[..., Any] | None:
        """The function to call; a new one takes effect at once."""
        return self._callback

    @callback.setter
    def callback(self, value: Callable[..., Any] | None) -> None:
        self._callback, self._info_name = value, _wants_info(value)

    def destroy(self) -> None:
        """End the timer; `Node.destroy_timer` calls this."""
        self.handle.destroy_when_not_in_use()

    @property
    def clock(self) -> Clock:
        """The clock of the timer."""
        return self._clock

    @property
    def timer_period_ns(self) -> int:
        """The period; a new period applies from the next tick on."""
        with self.handle:
            return self.handle.get_timer_period()

    @timer_period_ns.setter
    def timer_period_ns(self, value: int) -> None:
        with self.handle:
            self.handle.change_timer_period(int(value))

    def is_ready(self) -> bool:
        """Whether a tick is due."""
        with self.handle:
            return self.handle.is_timer_ready()

    def is_canceled(self) -> bool:
        """Whether the timer was cancelled."""
        with self.handle:
            return self.handle.is_timer_canceled()

    def cancel(self) -> None:
        """Stop ticking until `reset`."""
        with self.handle:
            self.handle.cancel_timer()

    def reset(self) -> None:
        """Begin a new period now, also after `cancel`."""
        with self.handle:
            self.handle.reset_timer()
        self._wake()

    def time_since_last_call(self) -> int:
        """Return the nanoseconds since the last tick."""
        with self.handle:
            return self.handle.time_since_last_call()

    def time_until_next_call(self) -> int | None:
        """Return the nanoseconds until the next tick, negative if overdue, None if cancelled."""
        with self.handle:
            return self.handle.time_until_next_call()

    def take(self, _executor: Any) -> tuple[Callable[..., Any], tuple[Any, ...]] | None:
        """Make a tick: return the callback, with a `TimerInfo` if its annotation asks for one.

        Raises:
            TypeError: it has no callback.
        """
        self.handle.check()
        if self.handle.is_canceled:
            return None
        called = self.handle.call_timer_with_info()
        callback = self.callback
        if callback is None:
            raise TypeError(
                "the timer's callback is None: give a function, as `self.tick`; `self.tick()` "
                "calls it and gives what it returns"
            )
        if self._info_name is None:
            return callback, ()
        info = TimerInfo(**called, clock_type=self._clock.clock_type)
        return functools.partial(callback, **{self._info_name: info}), ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.destroy()


def _wants_info(callback: Any) -> str | None:
    """Return the parameter of a timer's callback that is annotated as `TimerInfo`, or None."""
    try:
        parameters = inspect.signature(callback).parameters.values()
    except (TypeError, ValueError):
        return None
    return next((each.name for each in parameters if each.annotation is TimerInfo), None)


class Rate:
    """Sleeps until the next tick of a timer; another thread has to spin the node."""

    def __init__(self, timer: Timer, *, context: Context) -> None:
        self._timer = timer
        self._is_shutdown = False
        self._is_destroyed = False
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._num_sleepers = 0
        self._context = context
        timer.callback = self._event.set
        context.on_shutdown(self._on_shutdown)
        self._interrupt = _Interrupt(self._interrupted)
        context.add_wakeup(self._interrupt)

    def _on_shutdown(self) -> None:
        self._is_shutdown = True
        self.destroy()

    def _interrupted(self) -> None:
        """Wake the sleepers: a signal has shut down the context."""
        self._is_shutdown = True
        self._event.set()

    def destroy(self) -> None:
        """End the rate; `Node.destroy_rate` calls this."""
        self._is_destroyed = True
        self._event.set()

    def sleep(self) -> None:
        """Sleep until the next tick.

        Raises:
            ROSInterruptException: the context was shut down.
            RuntimeError: the rate was destroyed.
        """
        if self._is_shutdown:
            raise ROSInterruptException
        if self._is_destroyed:
            raise RuntimeError("Rate cannot sleep because it has been destroyed")
        if self._timer.handle.is_destroyed:
            self.destroy()
            raise InvalidHandle("Rate cannot sleep because the timer has been destroyed")
        with self._lock:
            self._num_sleepers += 1
        try:
            self._event.wait()
        finally:
            with self._lock:
                self._num_sleepers -= 1
                if self._num_sleepers == 0 and not self._is_destroyed:
                    self._event.clear()
        self._check_context()

    def _check_context(self) -> None:
        if self._is_shutdown:
            self.destroy()
            raise ROSInterruptException


class _Interrupt(Wakeup):
    """Calls a function when the context is shut down."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call

    def set(self) -> None:
        self._call()
