"""Points in time, by one of the kinds of clocks."""

from functools import total_ordering
from typing import Any, TypeGuard

from dsmq_nodes.rclpy.clock_type import ClockType
from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.impl.interface_named import interface

_MOST_NS = 2**63


@total_ordering
class Time:
    """A point in time: nanoseconds since the beginning of its clock's time."""

    def __init__(
        self,
        *,
        seconds: float = 0,
        nanoseconds: float = 0,
        clock_type: ClockType = ClockType.SYSTEM_TIME,
    ) -> None:
        if not isinstance(clock_type, ClockType):
            raise TypeError("Clock type must be a ClockType enum")
        if seconds < 0:
            raise ValueError("Seconds value must not be negative")
        if nanoseconds < 0:
            raise ValueError("Nanoseconds value must not be negative")
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if total >= _MOST_NS:
            raise OverflowError("Total nanoseconds value is too large to store in C time point.")
        self._ns = total
        self._clock_type = clock_type

    @property
    def nanoseconds(self) -> int:
        """The time, ns."""
        return self._ns

    @property
    def clock_type(self) -> ClockType:
        """The kind of its clock."""
        return self._clock_type

    def seconds_nanoseconds(self) -> tuple[int, int]:
        """Return the whole seconds, and the nanoseconds beyond them."""
        return self._ns // S_TO_NS, self._ns % S_TO_NS

    def __repr__(self) -> str:
        return f"Time(nanoseconds={self._ns}, clock_type={self._clock_type.name})"

    def __add__(self, other: Any) -> "Time":
        if not isinstance(other, Duration):
            return NotImplemented
        try:
            return Time(nanoseconds=self._ns + other.nanoseconds, clock_type=self._clock_type)
        except OverflowError as error:
            raise OverflowError("Addition leads to overflow in C storage.") from error

    def __radd__(self, other: Any) -> "Time":
        return self.__add__(other)

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, Time):
            if self._clock_type != other.clock_type:
                raise TypeError("Can't subtract times with different clock types")
            return Duration(nanoseconds=self._ns - other.nanoseconds)
        if isinstance(other, Duration):
            try:
                return Time(nanoseconds=self._ns - other.nanoseconds, clock_type=self._clock_type)
            except ValueError as error:
                raise ValueError("Subtraction leads to negative time.") from error
        return NotImplemented

    def _is_like(self, other: object) -> TypeGuard["Time"]:
        if not isinstance(other, Time):
            return False
        if self._clock_type != other.clock_type:
            raise TypeError("Can't compare times with different clock types")
        return True

    def __eq__(self, other: object) -> bool:
        return self._is_like(other) and self._ns == other.nanoseconds

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> bool:
        return self._ns < other.nanoseconds if self._is_like(other) else NotImplemented

    def to_msg(self) -> Any:
        """Return the time as builtin_interfaces/msg/Time."""
        seconds, nanoseconds = self.seconds_nanoseconds()
        return interface("builtin_interfaces/msg/Time")(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: Any, clock_type: ClockType = ClockType.ROS_TIME) -> "Time":
        """Return the time in a builtin_interfaces/msg/Time.

        Raises:
            TypeError: it is something else.
        """
        if not isinstance(msg, interface("builtin_interfaces/msg/Time")):
            raise TypeError("Must pass a builtin_interfaces.msg.Time object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec, clock_type=clock_type)
