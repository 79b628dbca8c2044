"""Clocks: system time, steady time, and ROS time, which a simulation may set."""

from collections.abc import Callable
from typing import Any, Self

from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.context import Context
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.exceptions import NotInitializedException
from dsmq_nodes.rclpy.impl.clock_source import ClockChange, ClockSource
from dsmq_nodes.rclpy.impl.wakeup import Wakeup
from dsmq_nodes.rclpy.time import Time
from dsmq_nodes.rclpy.utilities import get_default_context


class JumpThreshold:
    """The smallest jumps of a clock that a callback is called for."""

    def __init__(
        self,
        *,
        min_forward: Duration | None,
        min_backward: Duration | None,
        on_clock_change: bool = True,
    ) -> None:
        if min_forward is not None and min_forward.nanoseconds <= 0:
            raise ValueError("min_forward must be a positive non-zero duration")
        if min_backward is not None and min_backward.nanoseconds >= 0:
            raise ValueError("min_backward must be a negative non-zero duration")
        if min_forward is None and min_backward is None and not on_clock_change:
            raise ValueError("At least one jump threshold must be enabled")
        self.min_forward = min_forward
        self.min_backward = min_backward
        self.on_clock_change = on_clock_change


class TimeJump:
    """A jump of a clock."""

    def __init__(self, clock_change: ClockChange, delta: Duration) -> None:
        if not isinstance(clock_change, ClockChange):
            raise TypeError("clock_change must be an instance of rclpy.clock.ClockChange")
        self._clock_change = clock_change
        self._delta = delta

    @property
    def clock_change(self) -> ClockChange:
        """Whether ROS time was activated or deactivated."""
        return self._clock_change

    @property
    def delta(self) -> Duration:
        """The length of the jump."""
        return self._delta


class JumpHandle:
    """Callbacks at jumps of a clock, until `unregister`."""

    def __init__(
        self,
        *,
        clock: "Clock",
        threshold: JumpThreshold,
        pre_callback: Callable[[], object] | None,
        post_callback: Callable[[TimeJump], object] | None,
    ) -> None:
        if pre_callback is None and post_callback is None:
            raise ValueError("One of pre_callback or post_callback must be callable")
        if pre_callback is not None and not callable(pre_callback):
            raise ValueError("pre_callback must be callable if given")
        if post_callback is not None and not callable(post_callback):
            raise ValueError("post_callback must be callable if given")
        self._clock: Clock | None = clock
        self._pre_callback = pre_callback
        self._post_callback = post_callback
        forward, backward = threshold.min_forward, threshold.min_backward
        clock.handle.add_clock_callback(
            self,
            threshold.on_clock_change,
            forward.nanoseconds if forward is not None else 0,
            backward.nanoseconds if backward is not None else 0,
        )

    def before(self) -> None:
        """Call the callback before a jump of the clock."""
        if self._pre_callback is not None:
            self._pre_callback()

    def after(self, change: ClockChange, delta_ns: int) -> None:
        """Call the callback after a jump of the clock."""
        if self._post_callback is not None:
            self._post_callback(TimeJump(change, Duration(nanoseconds=delta_ns)))

    def unregister(self) -> None:
        """Stop calling the callbacks."""
        if self._clock is not None:
            self._clock.handle.remove_clock_callback(self)
            self._clock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.unregister()


class Clock:
    """A clock of one type; a clock of ROS time is a `ROSClock`."""

    _clock_type: ClockType
    _source: ClockSource

    def __new__(cls, *, clock_type: ClockType = ClockType.SYSTEM_TIME) -> Self:
        """Return a clock of a type."""
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        self: Any = super().__new__(ROSClock if clock_type is ClockType.ROS_TIME else cls)
        self._source = ClockSource(clock_type)
        self._clock_type = clock_type
        return self  # type: ignore[no-any-return]

    @property
    def clock_type(self) -> ClockType:
        """The type of the clock."""
        return self._clock_type

    @property
    def handle(self) -> ClockSource:
        """The source of the time."""
        return self._source

    def __repr__(self) -> str:
        return f"Clock(clock_type={self._clock_type.name})"

    def now(self) -> Time:
        """Return the current time."""
        return Time(nanoseconds=self._source.now_ns(), clock_type=self._clock_type)

    def create_jump_callback(
        self,
        threshold: JumpThreshold,
        *,
        pre_callback: Callable[[], object] | None = None,
        post_callback: Callable[[TimeJump], object] | None = None,
    ) -> JumpHandle:
        """Call `pre_callback()` before a jump, and `post_callback(time_jump)` after it."""
        return JumpHandle(
            clock=self,
            threshold=threshold,
            pre_callback=pre_callback,
            post_callback=post_callback if callable(post_callback) else None,
        )

    def sleep_until(self, until: Time, context: Context | None = None) -> bool:
        """Sleep until a time of this clock.

        Returns False if the context was shut down, or ROS time was activated or deactivated.

        Raises:
            ValueError: the time is of another type of clock.
            NotInitializedException: the context is not valid.
        """
        context = get_default_context() if context is None else context
        if not context.ok():
            raise NotInitializedException
        if until.clock_type != self._clock_type:
            raise ValueError("until's clock type does not match this clock's type")
        wakeup = Wakeup()
        changed: list[ClockChange] = []
        threshold = JumpThreshold(min_forward=Duration(nanoseconds=1), min_backward=None)

        def jumped(jump: TimeJump) -> None:
            if jump.clock_change is not ClockChange.ROS_TIME_NO_CHANGE:
                changed.append(jump.clock_change)
            wakeup.set()

        with self.create_jump_callback(threshold, post_callback=jumped), context.waking(wakeup):
            while context.ok() and not changed:
                left_ns = until.nanoseconds - self._source.now_ns()
                if left_ns <= 0:
                    return True
                wakeup.wait(None if self._source.is_overridden else left_ns * 1e-9)
        return not changed and context.ok()

    def sleep_for(self, rel_time: Duration, context: Context | None = None) -> bool:
        """Sleep for a duration; see `sleep_until`."""
        return self.sleep_until(self.now() + rel_time, context)


class ROSClock(Clock):
    """ROS time: system time, or the time of a simulation."""

    def __new__(cls) -> Self:
        """Return a clock of ROS time."""
        return Clock.__new__(Clock, clock_type=ClockType.ROS_TIME)  # type: ignore[return-value]

    @property
    def ros_time_is_active(self) -> bool:
        """Whether the clock shows the time of a simulation."""
        return self._source.is_overridden

    def _set_ros_time_is_active(self, enabled: bool) -> None:
        self._source.set_ros_time_override_is_enabled(enabled)

    def set_ros_time_override(self, time: Time) -> None:
        """Set the time that the clock shows while ROS time is active.

        Raises:
            TypeError: `time` is not an rclpy Time.
        """
        if not isinstance(time, Time):
            raise TypeError(
                f"Time must be specified as rclpy.time.Time. Received type: {type(time)}"
            )
        self._source.set_ros_time_override(time.nanoseconds)
