"""Limits unconfirmed bytes to machines behind a router. No network, no clock.

This machine's own link is checked for room. Behind a router other buffers fill while the next link
is slow: its socket, and 64 KiB of TLS for each connection, which are 1.8 s at 300 kbit/s. Some
messages therefore request a confirmation from the receiving uplink. A late confirmation means that
the path is slow. It also gives the limit of unconfirmed bytes: what is sent within `_QUEUE_SEC`
more than an empty path takes.

- **A path that stands still is not slow** (`LinkClock`): packets were lost, or a process had to
  wait for a processor. A few late bytes do not make a path slow either.
- **A path is slow until nothing has had to wait for a second.** The time of an empty path is
  measured every ten seconds: nothing is sent until all has arrived.
- If several machines read, the first confirmation counts: a slow machine delays no other. A machine
  at the other end of this machine's link counts as never late.
- A machine that never confirms, such as an uplink of an earlier version, has no window.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from dsmq_nodes.gateways.uplink.pacing.link_clock import STILL_SEC, LinkClock

_LATE_SEC: Final = 0.3  # longer than an empty path, and twice as long: the path is slow
_LATE_BYTES: Final = 12 * 1024  # if so much is unconfirmed
_QUEUE_SEC: Final = 0.25
_LEAST_WINDOW_BYTES: Final = 4 * 1024
_CALM_SEC: Final = 1.0
_SPAN_SEC: Final = 10.0
_ASK_BYTES: Final = 8 * 1024  # between two requests
_ASK_SEC: Final = 0.05  # likewise, while the path may be slow
_DOUBT_SEC: Final = 0.05  # it may be slow if a confirmation takes longer
_AGAIN_SEC: Final = 1.0  # then another message requests one: the last may be lost
_NEAR_SEC: Final = 10.0  # the pause of requests to a machine at the other end of the link
_SILENCE_SEC: Final = 3.0  # then the confirming machine is gone, as its lease is over
_MOST_ASKS: Final = 256


@dataclass(slots=True)
class _Ask:
    """A message with a request: its sending time, and the sent and unconfirmed bytes up to it."""

    asked_sec: float
    at_sec: float  # the same by the clock of the path
    sent_bytes: int
    in_flight_bytes: int


class FarWindow:
    """The unconfirmed bytes, and whether more may be sent."""

    def __init__(self) -> None:
        """Begin with nothing sent."""
        self._sent_bytes = 0
        self._near_until_sec = -inf
        self.forget()

    def forget(self) -> None:
        """Forget everything about the path."""
        self._clock = LinkClock()
        self._clock.patience_sec = _SILENCE_SEC
        self._confirmed_bytes = self._sent_bytes
        self._confirmed_sec = -inf  # no confirmation yet
        self._asks: dict[tuple[str, int], _Ask] = {}  # unconfirmed, by topic and id
        self._asked_bytes, self._asked_sec = self._sent_bytes - _ASK_BYTES, -inf
        self._most_bytes = inf  # inf: the path is not slow
        self._full_sec = -inf
        self._least_sec, self._least_since_sec = inf, -inf
        self._is_emptying = False

    @property
    def _in_flight_bytes(self) -> int:
        return self._sent_bytes - self._confirmed_bytes

    # Sending

    def has_room(self, now_sec: float) -> bool:
        """Whether another message may be sent."""
        if self._confirmed_sec == -inf or not self._asks:
            return True
        oldest = next(iter(self._asks.values()))
        if now_sec - max(self._confirmed_sec, oldest.asked_sec) > _SILENCE_SEC:
            self.forget()
            return True
        trip_sec = self._clock.read(now_sec) - oldest.at_sec  # so far
        self._update_limit(oldest, trip_sec, now_sec, most_bytes=self._most_bytes)
        if not self._is_full():
            return True
        self._full_sec = now_sec
        return now_sec - self._asked_sec > _AGAIN_SEC

    def _is_full(self) -> bool:
        if self._is_emptying:  # as soon as the last message has a request
            return self._asked_bytes == self._sent_bytes
        return self._in_flight_bytes >= self._most_bytes

    def count_sent(self, topic: str, message_id: int, size: int, now_sec: float) -> bool:
        """Add a sent message; return whether it has to request a confirmation."""
        self._sent_bytes += size
        if not self._is_to_ask(now_sec):
            return False
        if not self._asks:
            self._clock.moved(now_sec, is_waiting=True)
        elif len(self._asks) >= _MOST_ASKS:
            del self._asks[next(iter(self._asks))]
        self._asked_bytes, self._asked_sec = self._sent_bytes, now_sec
        self._asks[topic, message_id] = _Ask(
            now_sec, self._clock.read(now_sec), self._sent_bytes, self._in_flight_bytes
        )
        return True

    def count_unasked(self, size: int) -> None:
        """Add a sent message that cannot request a confirmation."""
        self._sent_bytes += size

    def _is_to_ask(self, now_sec: float) -> bool:
        if now_sec < self._near_until_sec:
            return False
        if self._is_emptying or self._sent_bytes - self._asked_bytes >= _ASK_BYTES:
            return True
        return self._may_be_slow(now_sec) and now_sec - self._asked_sec >= _ASK_SEC

    def _may_be_slow(self, now_sec: float) -> bool:
        oldest = next(iter(self._asks.values()), None)
        is_late = oldest is not None and self._clock.read(now_sec) - oldest.at_sec > _DOUBT_SEC
        return is_late or self._most_bytes < inf

    # Confirmations

    def confirmed(self, topic: str, message_id: int, now_sec: float, *, is_near: bool) -> None:
        """Process a confirmation; `is_near`: its machine is at the other end of the link."""
        if is_near:
            self.forget()
            self._near_until_sec = now_sec + _NEAR_SEC
            return
        ask = self._asks.get((topic, message_id))
        if ask is None:  # another machine has already confirmed it
            return
        was_full = self._is_full()
        while next(iter(self._asks.values())) is not ask:  # the path loses some
            del self._asks[next(iter(self._asks))]
        del self._asks[topic, message_id]
        trip_sec = self._clock.read(now_sec) - ask.at_sec
        self._clock.moved(now_sec, is_waiting=bool(self._asks))
        self._confirmed_bytes, self._confirmed_sec = ask.sent_bytes, now_sec
        self._least_sec = min(self._least_sec, trip_sec)
        self._clock.patience_sec = self._least_sec + STILL_SEC
        if was_full:
            self._full_sec = now_sec
        elif now_sec - self._full_sec > _CALM_SEC:
            self._most_bytes = inf
        self._update_limit(ask, trip_sec, now_sec, most_bytes=inf)
        self._measure_again(now_sec)

    def _measure_again(self, now_sec: float) -> None:
        """Let the path become empty at times, to measure how long it takes then."""
        if self._is_emptying and not self._in_flight_bytes:
            self._is_emptying = False
            self._least_sec, self._least_since_sec = inf, now_sec
        elif self._most_bytes < inf and now_sec - self._least_since_sec > _SPAN_SEC:
            self._is_emptying = True

    def _update_limit(
        self, ask: _Ask, trip_sec: float, now_sec: float, *, most_bytes: float
    ) -> None:
        """Update the limit from the time of a message; `most_bytes` is its upper bound."""
        if self._most_bytes == inf:
            is_late = trip_sec > self._least_sec + max(_LATE_SEC, self._least_sec)
            if not is_late or self._in_flight_bytes < _LATE_BYTES:
                return
            self._full_sec = self._least_since_sec = now_sec
        if trip_sec > 0:
            window_bytes = ask.in_flight_bytes * (self._least_sec + _QUEUE_SEC) / trip_sec
            self._most_bytes = min(most_bytes, max(window_bytes, _LEAST_WINDOW_BYTES))
