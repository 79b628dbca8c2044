"""Deadlines and leases: an event renews each; listeners are called when none comes in time.

Both are watched in the I/O thread.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from dsmq_nodes.rclpy.impl.nodes.ends import End
from dsmq_nodes.rclpy.impl.nodes.peer_node import io
from dsmq_nodes.rclpy.impl.topics.event_infos import SubscriptionEventType, counting

_INFINITE_NS: Final = 2**63 - 1


class Lease:
    """A lease that must be renewed in time: it begins with the first `renew`, and may begin again.

    An infinite lease ends when another object sets `is_alive` to False.

    Attributes:
        is_alive: whether it was renewed in time.
    """

    def __init__(self, lease_sec: float, expired: Callable[[], object]) -> None:
        self.is_alive = False
        self._lease_sec = lease_sec
        self._expired = expired
        self._due_sec = 0.0
        self._is_closed = False

    def renew(self) -> bool:
        """Renew the lease; return whether it begins with that."""
        self._due_sec = time.monotonic() + self._lease_sec
        begins = not self.is_alive
        if begins:
            self.is_alive = True
            if self._lease_sec < math.inf:
                io.soon(self._watch)
        return begins

    def _watch(self) -> None:
        if self._is_closed:
            return
        left_sec = self._due_sec - time.monotonic()
        if left_sec > 0:
            asyncio.get_running_loop().call_later(left_sec, self._watch)
            return
        self.is_alive = False
        self._expired()

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True


class Deadline(Lease):
    """A lease that begins again whenever it expires, and calls `missed` each time.

    In DDS, too, nothing is late before the first message of a topic.
    """

    def __init__(self, period_sec: float, missed: Callable[[], object]) -> None:
        def expired() -> None:
            self.renew()
            missed()

        super().__init__(period_sec, expired)


class Liveliness:
    """The alive publishers of a subscription's topic, among those that promise a lease.

    As in Fast DDS, a publisher of this process is alive from its first message on, or from its
    first assertion if its liveliness is manual. So is a publisher of another process with manual
    liveliness. With automatic liveliness it is alive while its process is.

    A publisher of this process with manual liveliness watches its own lease, and calls `lapsed`.
    """

    def __init__(self, end: End) -> None:
        self._end = end
        self._leases: dict[object, Lease] = {}
        self._alive_elsewhere: set[str] = set()
        self._lock = threading.Lock()

    def renew(self, publisher: End) -> None:
        """Renew the lease of a publisher that has published or asserted that it is alive."""
        lease_sec = lease_sec_of(publisher.qos)
        if not lease_sec or (publisher.events is None and not is_by_hand(publisher.qos)):
            return
        key = _key(publisher)
        with self._lock:
            lease = self._leases.get(key)
            is_first = lease is None
            if lease is None:
                watches_itself = publisher.events is not None and is_by_hand(publisher.qos)
                lease = self._leases[key] = Lease(
                    math.inf if watches_itself else lease_sec, lambda: self._count_and_notify(-1, 1)
                )
            begins = lease.renew()
        if begins:
            self._count_and_notify(1, 0 if is_first else -1)

    def lapsed(self, publisher: End) -> tuple[Callable[[], object], ...]:
        """Count a publisher of this process that has not renewed its lease in time.

        Returns:
            The listeners to call.
        """
        with self._lock:
            lease = self._leases.get(publisher)
            if lease is None or not lease.is_alive:
                return ()
            lease.is_alive = False
        return self._count(-1, 1)

    def remove(self, publisher: End) -> None:
        """Remove a publisher that has ended."""
        self._forget(_key(publisher))

    def see(self, others: list[End]) -> None:
        """Update the alive publishers of other processes."""
        seen = {each.full_node: each for each in others}
        for key in [key for key in self._leases if isinstance(key, str) and key not in seen]:
            self._forget(key)
        alive = {
            name
            for name, each in seen.items()
            if lease_sec_of(each.qos) and not is_by_hand(each.qos)
        }
        change = len(alive) - len(self._alive_elsewhere)
        self._alive_elsewhere = alive
        if change:
            self._count_and_notify(change, 0)

    def _forget(self, key: object) -> None:
        with self._lock:
            lease = self._leases.pop(key, None)
        if lease is not None:
            lease.close()
            self._count_and_notify(-1 if lease.is_alive else 0, 0 if lease.is_alive else -1)

    def _count_and_notify(self, alive: int, not_alive: int) -> None:
        for listener in self._count(alive, not_alive):
            listener()

    def _count(self, alive: int, not_alive: int) -> tuple[Callable[[], object], ...]:
        assert self._end.events is not None
        kind = SubscriptionEventType.RCL_SUBSCRIPTION_LIVELINESS_CHANGED
        change = counting(alive_count=alive, not_alive_count=not_alive)
        return self._end.events.count(kind, change)


def lease_sec_of(qos: Any) -> float:
    """Return the time within which a publisher has to show that it is alive; 0: it need not."""
    lease_ns = 0 if qos is None else qos.liveliness_lease_duration.nanoseconds
    return 0.0 if lease_ns >= _INFINITE_NS else lease_ns * 1e-9


def is_by_hand(qos: Any) -> bool:
    """Whether publishing or asserting shows that a publisher is alive, and not its process."""
    return bool(qos.liveliness.name == "MANUAL_BY_TOPIC")


def _key(publisher: End) -> object:
    """Return the key of a publisher: itself in this process, its node's name in another one."""
    return publisher.full_node if publisher.events is None else publisher
