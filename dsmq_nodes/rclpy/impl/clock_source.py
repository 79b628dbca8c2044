"""A clock's time in nanoseconds, and the callbacks of its jumps. Its only I/O: reading the time."""

import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.impl.c_enum import CEnum
from dsmq_nodes.rclpy.impl.handle import InnerHandle


class ClockChange(CEnum):
    """How a jump of a clock changed between system time and ROS time."""

    ROS_TIME_NO_CHANGE = 1
    ROS_TIME_ACTIVATED = 2
    ROS_TIME_DEACTIVATED = 3
    SYSTEM_TIME_NO_CHANGE = 4


class _Watch:
    """A jump callback, and the smallest jump that calls it."""

    def __init__(self, target: Any, on_clock_change: bool, forward: int, backward: int) -> None:
        self.target = target
        self._on_clock_change = on_clock_change
        self._forward, self._backward = forward, backward

    def wants(self, change: ClockChange, delta: int) -> bool:
        if change in {ClockChange.ROS_TIME_ACTIVATED, ClockChange.ROS_TIME_DEACTIVATED}:
            return self._on_clock_change
        if self._forward > 0 and delta >= self._forward:
            return True
        return self._backward < 0 and delta <= self._backward


class ClockSource(InnerHandle):
    """Reads a clock: the machine's clock, or for ROS time an override while that is active."""

    def __init__(self, clock_type: ClockType) -> None:
        super().__init__()
        self.clock_type = clock_type
        self._read = time.monotonic_ns if clock_type is ClockType.STEADY_TIME else time.time_ns
        self._is_active = False
        self._override_ns = 0
        self._watches: list[_Watch] = []
        self._lock = threading.RLock()
        self.wakeups: weakref.WeakSet[Any] = weakref.WeakSet()

    @property
    def is_overridden(self) -> bool:
        """Whether ROS time is active: the time changes only by `set_ros_time_override`."""
        return self._is_active

    def now_ns(self) -> int:
        """Return the current time."""
        return self._override_ns if self._is_active else self._read()

    def get_ros_time_override_is_enabled(self) -> bool:
        """Return `is_overridden`, by rclpy's name."""
        return self._is_active

    def set_ros_time_override_is_enabled(self, enabled: bool) -> None:
        """Use the override from now on, or no longer."""
        with self._lock:
            if self._is_active == enabled:
                return
            change = ClockChange.ROS_TIME_ACTIVATED if enabled else ClockChange.ROS_TIME_DEACTIVATED

            def apply() -> None:
                self._is_active = enabled

            self._jump(change, 0, apply)

    def set_ros_time_override(self, time_ns: int) -> None:
        """Set the time that is used while ROS time is active."""
        with self._lock:

            def apply() -> None:
                self._override_ns = time_ns

            if not self._is_active:
                apply()
                return
            self._jump(ClockChange.ROS_TIME_NO_CHANGE, time_ns - self._override_ns, apply)

    def _jump(self, change: ClockChange, delta_ns: int, apply: Callable[[], None]) -> None:
        targets = [each.target for each in self._watches if each.wants(change, delta_ns)]
        for each in targets:
            each.before()
        apply()
        for each in targets:
            each.after(change, delta_ns)
        for wakeup in list(self.wakeups):
            wakeup.set()

    def add_clock_callback(
        self,
        target: Any,
        on_clock_change: bool,
        min_forward: int,
        min_backward: int,
    ) -> None:
        """Call `target.before()` and `target.after(change, delta_ns)` at jumps."""
        self._watches.append(_Watch(target, on_clock_change, min_forward, min_backward))

    def remove_clock_callback(self, target: Any) -> None:
        """Remove the callbacks of a target."""
        self._watches = [each for each in self._watches if each.target is not target]
