"""Messages of several filters, given together when their stamps are equal, or nearly so.

Each filter has a queue of the messages with the newest stamps. Of two messages with one stamp in
one queue the later stays. What leaves a queue without a partner is counted in `dropped`.

Where stamps go back, as those of a bag that is played in a loop, all queues are emptied.
"""

import itertools
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar, TypeVarTuple, overload

from dsmq_nodes.errors import MessageError
from dsmq_nodes.graph.callback import Result
from dsmq_nodes.message_filters.simple_filter import SimpleFilter, stamp_ns

Ts = TypeVarTuple("Ts")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
Two = tuple[SimpleFilter[A], SimpleFilter[B]]
Three = tuple[SimpleFilter[A], SimpleFilter[B], SimpleFilter[C]]
Four = tuple[SimpleFilter[A], SimpleFilter[B], SimpleFilter[C], SimpleFilter[D]]
Queue = dict[int, Any]
_SECOND_NS: Final = 1_000_000_000


class _Synchronizer(SimpleFilter[*Ts], Generic[*Ts]):
    """Queues, one a filter.

    Attributes:
        dropped: how many messages left a queue without a partner.
    """

    def __init__(
        self,
        sources: Sequence[SimpleFilter[Any]],
        queue_size: int,
        now_ns: Callable[[], int] | None = None,
        by_arrival: bool = False,
    ) -> None:
        super().__init__()
        self._by_arrival = by_arrival and now_ns is not None
        self.queue_size = queue_size
        self.dropped = 0
        self._now_ns = now_ns
        self._queues: list[Queue] = [{} for _ in sources]
        self._late: list[int | None] = [None for _ in sources]  # the last stamp that was too old
        self._lock = threading.Lock()
        for number, source in enumerate(sources):
            source.register_callback(partial(self.add, number))

    def add(self, number: int, message: Any) -> Result:
        """Take a message of a filter, by the filter's number.

        Raises:
            MessageError: it has no header.
        """
        stamp = self._stamp(message)
        with self._lock:
            queue = self._queues[number]
            self.dropped += stamp in queue
            queue[stamp] = message
            while len(queue) > self.queue_size:
                del queue[min(queue)]
                self.dropped += 1
            if self._have_gone_back(number, stamp):
                self.dropped += sum(map(len, self._queues))
                for each in self._queues:
                    each.clear()
                queue[stamp] = message
                self.dropped -= 1
            given = self._match(number, stamp)
        return self.signal(*given) if given is not None else None

    def _have_gone_back(self, number: int, stamp: int) -> bool:
        """Whether the stamps of a filter have: two in a row are over a second too old, and rise."""
        queue, before = self._queues[number], self._late[number]
        is_late = stamp not in queue and max(queue, default=0) - stamp > _SECOND_NS
        self._late[number] = stamp if is_late else None
        return is_late and before is not None and stamp > before

    def _stamp(self, message: Any) -> int:
        stamp = None if self._by_arrival else stamp_ns(message)
        if stamp is not None:
            return stamp
        if self._now_ns is None:
            raise MessageError(
                f"{type(message).__name__} has no header, and so no stamp to go by: let "
                "ApproximateTimeSynchronizer take the time it arrives (`allow_headerless`)"
            )
        return self._now_ns()

    def _match(self, number: int, stamp: int) -> tuple[Any, ...] | None:
        """Take the messages that match a new one from the queues; None: they are not complete."""
        raise NotImplementedError

    def _pop_matched(self, stamps: Sequence[int]) -> tuple[Any, ...]:
        return tuple(queue.pop(at) for queue, at in zip(self._queues, stamps, strict=True))


class TimeSynchronizer(_Synchronizer[*Ts], Generic[*Ts]):
    """Gives messages with exactly the same stamp together."""

    @overload
    def __init__(self: "TimeSynchronizer[A, B]", sources: Two[A, B], queue_size: int) -> None: ...
    @overload
    def __init__(
        self: "TimeSynchronizer[A, B, C]", sources: Three[A, B, C], queue_size: int
    ) -> None: ...
    @overload
    def __init__(
        self: "TimeSynchronizer[A, B, C, D]", sources: Four[A, B, C, D], queue_size: int
    ) -> None: ...
    @overload
    def __init__(
        self: "TimeSynchronizer[*tuple[Any, ...]]",
        sources: Sequence[SimpleFilter[Any]],
        queue_size: int,
    ) -> None: ...

    def __init__(self, sources: Sequence[SimpleFilter[Any]], queue_size: int) -> None:
        """Take messages from these filters, and keep `queue_size` of each."""
        super().__init__(sources, queue_size)

    def _match(self, number: int, stamp: int) -> tuple[Any, ...] | None:
        is_whole = all(stamp in queue for queue in self._queues)
        return self._pop_matched([stamp] * len(self._queues)) if is_whole else None


class ApproximateTimeSynchronizer(_Synchronizer[*Ts], Generic[*Ts]):
    """Gives messages together whose stamps are no further apart than `slop` seconds."""

    @overload
    def __init__(
        self: "ApproximateTimeSynchronizer[A, B]",
        sources: Two[A, B],
        queue_size: int,
        slop: float,
        *,
        now_ns: Callable[[], int] | None = None,
        by_arrival: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: "ApproximateTimeSynchronizer[A, B, C]",
        sources: Three[A, B, C],
        queue_size: int,
        slop: float,
        *,
        now_ns: Callable[[], int] | None = None,
        by_arrival: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: "ApproximateTimeSynchronizer[*tuple[Any, ...]]",
        sources: Sequence[SimpleFilter[Any]],
        queue_size: int,
        slop: float,
        *,
        now_ns: Callable[[], int] | None = None,
        by_arrival: bool = False,
    ) -> None: ...

    def __init__(
        self,
        sources: Sequence[SimpleFilter[Any]],
        queue_size: int,
        slop: float,
        *,
        now_ns: Callable[[], int] | None = None,
        by_arrival: bool = False,
    ) -> None:
        """Take messages from these filters.

        Args:
            sources: the filters.
            queue_size: how many messages of each are kept.
            slop: how far apart stamps may be, s.
            now_ns: the time that a message without a header has; without it such a message is an
                error.
            by_arrival: every message has that time, whatever its header says.
        """
        super().__init__(sources, queue_size, now_ns, by_arrival)
        self.slop = slop

    def _match(self, number: int, stamp: int) -> tuple[Any, ...] | None:
        """The set that is nearest to the new message, if there is one."""
        if stamp not in self._queues[number]:
            return None  # older than all that its queue keeps
        slop_ns = round(self.slop * _SECOND_NS)
        near = [
            [stamp]
            if at == number
            else sorted((s for s in queue if abs(s - stamp) <= slop_ns), key=_distance(stamp))
            for at, queue in enumerate(self._queues)
        ]
        for stamps in itertools.product(*near):
            if max(stamps) - min(stamps) <= slop_ns:
                return self._pop_matched(stamps)
        return None


def _distance(stamp: int) -> Callable[[int], int]:
    return lambda other: abs(other - stamp)
