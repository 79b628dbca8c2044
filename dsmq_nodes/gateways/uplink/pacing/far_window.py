"""The most bytes under way to machines behind a router. Pure: no network, no clock.

The uplink checks its own link for room. Behind a router, other buffers fill while the next link is
slow: the router's socket, and 64 KiB of TLS for each connection, which take 1.8 s at 300 kbit/s. So
some messages ask the receiving uplink for a confirmation. A confirmation that takes long shows that
the way is slow. The window is then the number of bytes that the way delivers within its shortest
trip time plus `_QUEUE_SEC`.

- **A way that stands still is not slow** (`LinkClock`): packets were lost, or a process had to wait
  for a processor. A way is not slow either while only a few bytes are late.
- **A way counts as slow until nothing has had to wait for a second.** The shortest trip time of a
  slow way is measured every ten seconds: nothing is sent until everything has arrived.
- With several reading machines the first confirmation counts, so that a slow machine delays no
  other. A machine at the other end of our link is never late.
- A machine that never confirms, such as an uplink of an earlier version, has no window.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from dsmq_nodes.gateways.uplink.pacing.link_clock import STILL_SEC, LinkClock

_LATE_SEC: Final = 0.3  # a trip this much longer than the shortest, and twice as long, is late
_LATE_BYTES: Final = 12 * 1024  # the way is slow only if at least this much is under way
_QUEUE_SEC: Final = 0.25
_LEAST_WINDOW_BYTES: Final = 4 * 1024
_CALM_SEC: Final = 1.0
_SPAN_SEC: Final = 10.0
_ASK_BYTES: Final = 8 * 1024  # between two messages that ask
_ASK_SEC: Final = 0.05  # the same, while the way may be slow
_DOUBT_SEC: Final = 0.05  # the way may be slow if a confirmation takes longer
_AGAIN_SEC: Final = 1.0  # then another message asks: the last one may be lost
_NEAR_SEC: Final = 10.0  # no questions for so long, after the other end of our link has confirmed
_SILENCE_SEC: Final = 3.0  # then the confirming machine is gone: its lease is over
_MOST_ASKS: Final = 256


@dataclass(slots=True)
class _Ask:
    """A message that asks: when it was sent, and the bytes sent and under way by then."""

    asked_sec: float
    at_sec: float  # the same time by the link's clock
    gone_bytes: int
    under_way_bytes: int


class FarWindow:
    """Counts sent and confirmed bytes, and decides whether more may be sent."""

    def __init__(self) -> None:
        """Start with nothing sent."""
        self._gone_bytes = 0
        self._near_until_sec = -inf
        self.forget()

    def forget(self) -> None:
        """Forget everything about the way."""
        self._clock = LinkClock()
        self._clock.patience_sec = _SILENCE_SEC
        self._came_bytes, self._came_sec = self._gone_bytes, -inf  # -inf: nobody has confirmed
        self._asks: dict[tuple[str, int], _Ask] = {}  # not confirmed yet, by topic and id
        self._asked_bytes, self._asked_sec = self._gone_bytes - _ASK_BYTES, -inf
        self._most_bytes = inf  # inf: the way is not slow
        self._full_sec = -inf
        self._least_sec, self._least_since_sec = inf, -inf
        self._is_emptying = False

    @property
    def _under_way_bytes(self) -> int:
        return self._gone_bytes - self._came_bytes

    # Sending

    def has_room(self, now_sec: float) -> bool:
        """Whether another message may be sent."""
        if self._came_sec == -inf or not self._asks:
            return True
        oldest = next(iter(self._asks.values()))
        if now_sec - max(self._came_sec, oldest.asked_sec) > _SILENCE_SEC:
            self.forget()
            return True
        trip_sec = self._clock.read(now_sec) - oldest.at_sec  # so far
        self._look(oldest, trip_sec, now_sec, most_bytes=self._most_bytes)
        if not self._is_full():
            return True
        self._full_sec = now_sec
        return now_sec - self._asked_sec > _AGAIN_SEC

    def _is_full(self) -> bool:
        if self._is_emptying:  # as soon as the last message has asked
            return self._asked_bytes == self._gone_bytes
        return self._under_way_bytes >= self._most_bytes

    def goes(self, topic: str, message_id: int, size: int, now_sec: float) -> bool:
        """Count a message that is sent; return whether it is to ask for a confirmation."""
        self._gone_bytes += size
        if not self._is_to_ask(now_sec):
            return False
        if not self._asks:
            self._clock.moved(now_sec, is_waiting=True)
        elif len(self._asks) >= _MOST_ASKS:
            del self._asks[next(iter(self._asks))]
        self._asked_bytes, self._asked_sec = self._gone_bytes, now_sec
        self._asks[topic, message_id] = _Ask(
            now_sec, self._clock.read(now_sec), self._gone_bytes, self._under_way_bytes
        )
        return True

    def goes_silently(self, size: int) -> None:
        """Count a message that is sent and cannot ask."""
        self._gone_bytes += size

    def _is_to_ask(self, now_sec: float) -> bool:
        if now_sec < self._near_until_sec:
            return False
        if self._is_emptying or self._gone_bytes - self._asked_bytes >= _ASK_BYTES:
            return True
        return self._may_be_slow(now_sec) and now_sec - self._asked_sec >= _ASK_SEC

    def _may_be_slow(self, now_sec: float) -> bool:
        oldest = next(iter(self._asks.values()), None)
        is_late = oldest is not None and self._clock.read(now_sec) - oldest.at_sec > _DOUBT_SEC
        return is_late or self._most_bytes < inf

    # Confirmations

    def came(self, topic: str, message_id: int, now_sec: float, *, is_near: bool) -> None:
        """Take a machine's confirmation; `is_near`: it is at the other end of our link."""
        if is_near:
            self.forget()
            self._near_until_sec = now_sec + _NEAR_SEC
            return
        ask = self._asks.get((topic, message_id))
        if ask is None:  # another machine has confirmed it before
            return
        was_full = self._is_full()
        while next(iter(self._asks.values())) is not ask:  # the way loses some
            del self._asks[next(iter(self._asks))]
        del self._asks[topic, message_id]
        trip_sec = self._clock.read(now_sec) - ask.at_sec
        self._clock.moved(now_sec, is_waiting=bool(self._asks))
        self._came_bytes, self._came_sec = ask.gone_bytes, now_sec
        self._least_sec = min(self._least_sec, trip_sec)
        self._clock.patience_sec = self._least_sec + STILL_SEC
        if was_full:
            self._full_sec = now_sec
        elif now_sec - self._full_sec > _CALM_SEC:
            self._most_bytes = inf
        self._look(ask, trip_sec, now_sec, most_bytes=inf)
        self._measure_again(now_sec)

    def _measure_again(self, now_sec: float) -> None:
        """Let a slow way become empty now and then, to measure its shortest trip."""
        if self._is_emptying and not self._under_way_bytes:
            self._is_emptying = False
            self._least_sec, self._least_since_sec = inf, now_sec
        elif self._most_bytes < inf and now_sec - self._least_since_sec > _SPAN_SEC:
            self._is_emptying = True

    def _look(self, ask: _Ask, trip_sec: float, now_sec: float, *, most_bytes: float) -> None:
        """Set the window by the trip of a message, to `most_bytes` at most."""
        if self._most_bytes == inf:
            is_late = trip_sec > self._least_sec + max(_LATE_SEC, self._least_sec)
            if not is_late or self._under_way_bytes < _LATE_BYTES:
                return
            self._full_sec = self._least_since_sec = now_sec
        if trip_sec > 0:
            window_bytes = ask.under_way_bytes * (self._least_sec + _QUEUE_SEC) / trip_sec
            self._most_bytes = min(most_bytes, max(window_bytes, _LEAST_WINDOW_BYTES))
