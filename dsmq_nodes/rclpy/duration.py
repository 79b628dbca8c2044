"""Lengths of time, in nanoseconds."""

import math
from functools import total_ordering
from typing import Any

from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.impl.interface_named import interface

_MOST_NS = 2**63


@total_ordering
class Duration:
    """A length of time; negative ones are allowed."""

    def __init__(self, *, seconds: float = 0, nanoseconds: float = 0) -> None:
        total = int(seconds * S_TO_NS) + int(nanoseconds)
        if not -_MOST_NS <= total < _MOST_NS:
            raise OverflowError("Total nanoseconds value is too large to store in C duration.")
        self._ns = total

    @property
    def nanoseconds(self) -> int:
        """The length, ns."""
        return self._ns

    def __repr__(self) -> str:
        return f"Duration(nanoseconds={self._ns})"

    def __str__(self) -> str:
        return "Infinite" if self._ns == _MOST_NS - 1 else f"{self._ns} nanoseconds"

    def __eq__(self, other: object) -> bool:
        return self._ns == other.nanoseconds if isinstance(other, Duration) else False

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: Any) -> bool:
        return self._ns < other.nanoseconds if isinstance(other, Duration) else NotImplemented

    def __add__(self, other: Any) -> "Duration":
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self._ns + other.nanoseconds)

    def __sub__(self, other: Any) -> "Duration":
        if not isinstance(other, Duration):
            return NotImplemented
        return Duration(nanoseconds=self._ns - other.nanoseconds)

    def __mul__(self, factor: Any) -> "Duration":
        if not isinstance(factor, (int, float)):
            return NotImplemented
        if factor == math.inf:
            return Infinite
        if not math.isfinite(factor):
            raise ValueError("Can't multiply duration with nan")
        return Duration(nanoseconds=self._ns * factor)

    def to_msg(self) -> Any:
        """Return the duration as builtin_interfaces/msg/Duration."""
        seconds, nanoseconds = divmod(self._ns, S_TO_NS)
        return interface("builtin_interfaces/msg/Duration")(sec=seconds, nanosec=nanoseconds)

    @classmethod
    def from_msg(cls, msg: Any) -> "Duration":
        """Return the duration in a builtin_interfaces/msg/Duration.

        Raises:
            TypeError: it is something else.
        """
        if not isinstance(msg, interface("builtin_interfaces/msg/Duration")):
            raise TypeError("Must pass a builtin_interfaces.msg.Duration object")
        return cls(seconds=msg.sec, nanoseconds=msg.nanosec)

    def get_c_duration(self) -> int:
        """Return the length for the C side, ns."""
        return self._ns


Infinite = Duration(nanoseconds=_MOST_NS - 1)
