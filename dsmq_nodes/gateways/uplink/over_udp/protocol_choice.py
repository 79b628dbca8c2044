"""Chooses TCP or UDP for a link whose address leaves that open. Does no I/O.

TCP needs less processor time, but stands still when many packets are lost. A link therefore begins
with TCP, and changes to UDP once the kernel has resent a considerable part of its packets. A link
that is too slow for its load loses packets too, but the waiting ones make each round trip long:
such a link stays as it is. Before the TCP link is ended, the router is tested by UDP
(`udp_question.py`). If that gets no answer, or the link comes back by TCP all the same, UDP is not
tried for a while, each time for longer.
"""

from typing import Final, NamedTuple

_LEAST_SENT: Final = 40  # packets; a link that stands still sends fewer
_MOST_AGAIN: Final = 0.15  # TCP works well up to a tenth
# A round trip longer than twice the shortest one by this: packets wait in a queue. At 300 kbit/s
# for 700 it is 0.2 to 0.6 s longer; a resent packet makes it 0.05 s longer, and 0.1 s at times.
_LONG_SEC: Final = 0.15
_PAUSE_SEC: Final = 10.0
_LONGEST_PAUSE_SEC: Final = 600.0


class LinkCounts(NamedTuple):
    """The kernel's counters of a TCP connection.

    Attributes:
        sent: the number of packets sent, including resent ones.
        again: the number of resent packets, except those that had already arrived.
        round_trip_sec: the current round-trip time.
        shortest_sec: the shortest recent round-trip time.
    """

    sent: int
    again: int
    round_trip_sec: float
    shortest_sec: float

    @property
    def is_queued(self) -> bool:
        """Whether packets wait in a queue on the path."""
        return self.round_trip_sec > 2 * self.shortest_sec + _LONG_SEC


class ProtocolChoice:
    """The choice of protocol of one machine.

    Attributes:
        is_udp: whether the next connection is by UDP.
    """

    def __init__(self) -> None:
        """Begin with TCP."""
        self.is_udp = False
        self._sent = self._again = 0
        self._not_before_sec = 0.0
        self._pause_sec = _PAUSE_SEC

    def take_counts(self, found: LinkCounts, now_sec: float) -> float | None:
        """Process the link's counts; return the share of resent packets if UDP is to be tested."""
        sent, again = found.sent - self._sent, found.again - self._again
        if sent < _LEAST_SENT and not found.is_queued:
            return None
        self._sent, self._again = found.sent, found.again
        loses = again >= _MOST_AGAIN * sent and not found.is_queued
        return again / sent if loses and now_sec >= self._not_before_sec else None

    def asked(self, now_sec: float, *, is_answered: bool) -> None:
        """Note the result of the test: the next connection is by UDP if the router answered."""
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
