"""Deadlines and leases: what has to happen again and again, and who is told when it does not.

Both are watched in the I/O thread.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from dsmq_nodes.rclpy.impl.nodes.ends import SUBSCRIPTION, End, ends
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.impl.topics.event_infos import (
    PublisherEventType,
    SubscriptionEventType,
    count_one,
)


class Deadline:
    """Calls back each time that a period has gone by without `heard`."""

    def __init__(self, period_sec: float, missed: Callable[[], object]) -> None:
        self._period_sec = period_sec
        self._missed = missed
        self._due_sec = time.monotonic() + period_sec
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        io.soon(self._watch)

    def heard(self) -> None:
        """It has happened: a new period begins."""
        self._due_sec = time.monotonic() + self._period_sec

    def _watch(self) -> None:
        if self._is_closed:
            return
        now_sec = time.monotonic()
        if now_sec >= self._due_sec:
            self._due_sec = now_sec + self._period_sec
            self._missed()
        delay_sec = max(self._due_sec - now_sec, 0.0)
        self._timer = asyncio.get_running_loop().call_later(delay_sec, self._watch)

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True


class Lease:
    """The lease of a publisher that shows by hand that it is alive."""

    def __init__(self, lease_sec: float, end: End) -> None:
        self._lease_sec = lease_sec
        self._end = end
        self._is_alive = True
        self._heard_sec = time.monotonic()
        self._is_closed = False
        io.soon(self._watch)

    @classmethod
    def of(cls, qos: Any, end: End) -> "Lease | None":
        """The lease that a profile asks for."""
        lease_ns = qos.liveliness_lease_duration.nanoseconds
        by_hand = qos.liveliness.name == "MANUAL_BY_TOPIC"
        return cls(lease_ns * 1e-9, end) if by_hand and lease_ns else None

    def heard(self) -> None:
        """It is alive."""
        self._heard_sec = time.monotonic()
        if not self._is_alive:
            self._is_alive = True
            self._tell(1)

    def _watch(self) -> None:
        if self._is_closed:
            return
        left_sec = self._heard_sec + self._lease_sec - time.monotonic()
        if left_sec <= 0 and self._is_alive:
            self._is_alive = False
            if self._end.events is not None:
                lost = PublisherEventType.RCL_PUBLISHER_LIVELINESS_LOST
                self._end.events.happen(lost, count_one)
            self._tell(-1)
        asyncio.get_running_loop().call_later(max(left_sec, self._lease_sec / 10), self._watch)

    def _tell(self, change: int) -> None:
        def live(info: Any) -> None:
            info.alive_count += change
            info.alive_count_change += change
            info.not_alive_count -= change
            info.not_alive_count_change -= change

        for each in ends.named(SUBSCRIPTION, self._end.name):
            if each.events is not None:
                kind = SubscriptionEventType.RCL_SUBSCRIPTION_LIVELINESS_CHANGED
                each.events.happen(kind, live)

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True
