"""Calls in the order of the times at which they are due."""

import heapq
from collections.abc import Callable

import msgspec

_FEW = 8  # up to this many calls, dropping cancelled ones is not worth the time


class DueCall(msgspec.Struct):
    """A scheduled call."""

    callback: Callable[[], object] | None

    def cancel(self) -> None:
        """Cancel the call; from any thread."""
        self.callback = None


class DueCalls:
    """Scheduled calls; cancelled ones are dropped before they outnumber the others."""

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, DueCall]] = []
        self._made = 0
        self._most = _FEW

    def __len__(self) -> int:
        return len(self.heap)

    def add(self, when: float, callback: Callable[[], object]) -> DueCall:
        """Schedule a call."""
        if len(self.heap) > self._most:
            self.heap[:] = [each for each in self.heap if each[2].callback is not None]
            heapq.heapify(self.heap)
            self._most = max(2 * len(self.heap), _FEW)
        self._made += 1
        call = DueCall(callback)
        heapq.heappush(self.heap, (when, self._made, call))
        return call

    def pop(self, until: float) -> tuple[float, Callable[[], object]] | None:
        """Remove the next call that is due by `until`; return its time and callback, or None."""
        while self.heap and self.heap[0][0] <= until:
            when, _, call = heapq.heappop(self.heap)
            if call.callback is not None:
                return when, call.callback
        return None
