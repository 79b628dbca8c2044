"""Whether a link goes by TCP or by UDP, where its address leaves that open. Pure.

TCP takes less processor time, and stands still where many packets are lost. So a link begins by
TCP, and goes on by UDP once the kernel has sent a good part of its packets again. A link that is
too slow for what is sent loses packets too, but those that wait there make each round trip long:
it stays as it is. Before the link by TCP is ended the router is asked by UDP (`udp_question.py`).
Where that does not get through, or the link comes back by TCP all the same, UDP is left alone for a
while, each time for longer.
"""

from typing import Final, NamedTuple

_LEAST_SENT: Final = 40  # packets; a link that stands still sends few
_MOST_AGAIN: Final = 0.15  # TCP is well up to a tenth
# A round trip, beyond twice the shortest one: packets wait in a queue. At 300 kbit/s for 700 it is
# 0.2 to 0.6 s longer; a packet that had to go again makes it 0.05 s, and 0.1 s at times.
_LONG_SEC: Final = 0.15
_PAUSE_SEC: Final = 10.0
_LONGEST_PAUSE_SEC: Final = 600.0


class LinkCounts(NamedTuple):
    """What the kernel has of a connection by TCP.

    Attributes:
        sent: packets, with those that were sent again.
        again: of these, without those that had come already the first time.
        round_trip_sec: as it is now.
        shortest_sec: the shortest round trip lately.
    """

    sent: int
    again: int
    round_trip_sec: float
    shortest_sec: float

    @property
    def is_queued(self) -> bool:
        """Whether packets wait for others on the way."""
        return self.round_trip_sec > 2 * self.shortest_sec + _LONG_SEC


class WayChoice:
    """The choice of one machine.

    Attributes:
        is_udp: the next connection is by UDP, where that gets through.
    """

    def __init__(self) -> None:
        """By TCP."""
        self.is_udp = False
        self._sent = self._again = 0
        self._not_before_sec = 0.0
        self._pause_sec = _PAUSE_SEC

    def looked(self, found: LinkCounts, now_sec: float) -> float | None:
        """Take the counts of the link; returns the share sent again, where UDP is to be asked."""
        sent, again = found.sent - self._sent, found.again - self._again
        if sent < _LEAST_SENT and not found.is_queued:
            return None
        self._sent, self._again = found.sent, found.again
        loses = again >= _MOST_AGAIN * sent and not found.is_queued
        return again / sent if loses and now_sec >= self._not_before_sec else None

    def asked(self, now_sec: float, *, is_answered: bool) -> None:
        """The router was asked by UDP: the next connection is by UDP if it has answered."""
        self.is_udp = is_answered
        if not is_answered:
            self._pause(now_sec)

    def _pause(self, now_sec: float) -> None:
        self._not_before_sec = now_sec + self._pause_sec
        self._pause_sec = min(2 * self._pause_sec, _LONGEST_PAUSE_SEC)

    def linked(self, now_sec: float, *, is_udp: bool) -> bool:
        """A connection is there; returns whether it is by TCP although UDP was chosen."""
        self._sent = self._again = 0
        if is_udp:
            self._pause_sec = _PAUSE_SEC
        has_failed = self.is_udp and not is_udp
        if has_failed:
            self.is_udp = False
            self._pause(now_sec)
        return has_failed
