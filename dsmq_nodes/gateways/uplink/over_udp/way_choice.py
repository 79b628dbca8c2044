"""The choice between TCP and UDP for a link whose address leaves it open. Pure.

TCP takes less processor time, but stands still when many packets are lost. So a link begins by TCP,
and changes to UDP once the kernel has sent a large share of its packets again. A link that is too
slow for its data loses packets too, but there packets wait in a queue, which makes each round trip
long: such a link stays as it is. Before the TCP link is ended, the router is asked by UDP
(`udp_question.py`). If no UDP gets through, or the link comes back by TCP all the same, UDP is not
tried for a while, each time for longer.
"""

from typing import Final, NamedTuple

_LEAST_SENT: Final = 40  # packets; a link that stands still sends fewer
_MOST_AGAIN: Final = 0.15  # TCP works well up to a tenth
# How much a round trip exceeds twice the shortest one when packets wait in a queue. With 700 kbit/s
# sent over 300 it is 0.2 to 0.6 s longer; a packet that is sent again adds 0.05 to 0.1 s.
_LONG_SEC: Final = 0.15
_PAUSE_SEC: Final = 10.0
_LONGEST_PAUSE_SEC: Final = 600.0


class LinkCounts(NamedTuple):
    """The kernel's counters of a TCP connection.

    Attributes:
        sent: packets sent, including those that were sent again.
        again: packets sent again, except those that had arrived the first time.
        round_trip_sec: the current round trip.
        shortest_sec: the shortest recent round trip.
    """

    sent: int
    again: int
    round_trip_sec: float
    shortest_sec: float

    @property
    def is_queued(self) -> bool:
        """Whether packets wait in a queue on the way."""
        return self.round_trip_sec > 2 * self.shortest_sec + _LONG_SEC


class WayChoice:
    """The choice of one machine.

    Attributes:
        is_udp: whether the next connection is by UDP, if that gets through.
    """

    def __init__(self) -> None:
        """Start with TCP."""
        self.is_udp = False
        self._sent = self._again = 0
        self._not_before_sec = 0.0
        self._pause_sec = _PAUSE_SEC

    def looked(self, found: LinkCounts, now_sec: float) -> float | None:
        """Take the link's counters; return the share sent again if UDP is to be asked for."""
        sent, again = found.sent - self._sent, found.again - self._again
        if sent < _LEAST_SENT and not found.is_queued:
            return None
        self._sent, self._again = found.sent, found.again
        loses = again >= _MOST_AGAIN * sent and not found.is_queued
        return again / sent if loses and now_sec >= self._not_before_sec else None

    def asked(self, now_sec: float, *, is_answered: bool) -> None:
        """Note the router's answer by UDP: if there is one, the next connection is by UDP."""
        self.is_udp = is_answered
        if not is_answered:
            self._pause(now_sec)

    def _pause(self, now_sec: float) -> None:
        self._not_before_sec = now_sec + self._pause_sec
        self._pause_sec = min(2 * self._pause_sec, _LONGEST_PAUSE_SEC)

    def linked(self, now_sec: float, *, is_udp: bool) -> bool:
        """Note a new connection; return whether it is by TCP although UDP was chosen."""
        self._sent = self._again = 0
        if is_udp:
            self._pause_sec = _PAUSE_SEC
        has_failed = self.is_udp and not is_udp
        if has_failed:
            self.is_udp = False
            self._pause(now_sec)
        return has_failed
