"""The last messages of a filter, found again by their stamps."""

import bisect
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from dsmq_nodes.errors import MessageError
from dsmq_nodes.graph.callback import Result
from dsmq_nodes.message_filters.simple_filter import SimpleFilter, StampLike, as_ns, stamp_ns

ItemT = TypeVar("ItemT")


class Cache(SimpleFilter[ItemT], Generic[ItemT]):
    """Keeps the newest `cache_size` messages of a filter, and gives every one on."""

    def __init__(
        self,
        source: SimpleFilter[ItemT] | None = None,
        cache_size: int = 1,
        *,
        now_ns: Callable[[], int] | None = None,
    ) -> None:
        """Keep messages.

        Args:
            source: where they come from; None: from `add` alone.
            cache_size: how many are kept.
            now_ns: the time that a message without a header has; without it such a message is an
                error.
        """
        super().__init__()
        self.cache_size = cache_size
        self._now_ns = now_ns
        self._kept: list[tuple[int, int, ItemT]] = []  # by stamp, then in the order they came
        self._count = 0
        self._lock = threading.Lock()
        if source is not None:
            source.register_callback(self.add)

    def add(self, message: ItemT) -> Result:
        """Keep a message; the oldest one goes if there are too many.

        Raises:
            MessageError: it has no header, and `now_ns` was not given.
        """
        stamp = stamp_ns(message)
        if stamp is None:
            if self._now_ns is None:
                raise MessageError(f"{type(message).__name__} has no header: give Cache `now_ns`")
            stamp = self._now_ns()
        with self._lock:
            self._count += 1
            bisect.insort(self._kept, (stamp, self._count, message), key=_place)
            del self._kept[: max(len(self._kept) - self.cache_size, 0)]
        return self.signal(message)

    def get_interval(self, start: StampLike, end: StampLike) -> list[ItemT]:
        """The messages from one stamp to another, both included, the oldest first."""
        first, last = as_ns(start), as_ns(end)
        with self._lock:
            return [message for stamp, _, message in self._kept if first <= stamp <= last]

    def get_elem_after_time(self, stamp: StampLike) -> ItemT | None:
        """The oldest message of that stamp or a later one."""
        when = as_ns(stamp)
        with self._lock:
            return next((message for at, _, message in self._kept if at >= when), None)

    def get_elem_before_time(self, stamp: StampLike) -> ItemT | None:
        """The newest message of that stamp or an earlier one."""
        when = as_ns(stamp)
        with self._lock:
            return next((message for at, _, message in reversed(self._kept) if at <= when), None)

    def get_last(self) -> ItemT | None:
        """The message with the newest stamp."""
        with self._lock:
            return self._kept[-1][2] if self._kept else None

    def get_latest_ns(self) -> int | None:
        """The newest stamp, ns."""
        with self._lock:
            return self._kept[-1][0] if self._kept else None

    def get_oldest_ns(self) -> int | None:
        """The oldest stamp, ns."""
        with self._lock:
            return self._kept[0][0] if self._kept else None


def _place(kept: tuple[int, int, Any]) -> tuple[int, int]:
    return kept[:2]
