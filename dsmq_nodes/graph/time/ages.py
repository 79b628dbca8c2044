"""How old a message is, by what both ends can know: their wall clocks need not agree.

A message has two times: its stamp, by the publisher's wall clock, and its arrival in the topic's
log, by a monotonic clock that we share with the queue. The time since its arrival is certain. The
time from the stamp to the arrival is the delay on the way plus the difference of the clocks; one
message cannot tell these apart. The least value of the last seconds can: no delay stays above a
second, so a value above that is a clock that is behind, and one below zero a clock that is ahead.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dsmq_nodes.graph.time.clock import BaseClock

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.log import Entry

_LONGEST_WAY_NS: Final = 10**9
_WINDOW_NS: Final = 10 * 10**9  # the least of two such windows counts: a clock may be set
_STEP_NS: Final = 10**8  # our own wall clock was set by more than it is slewed
_CLOCK_SET_NS: Final = 86_400 * 10**9  # no message takes a day from its stamp to the log
_MOST_SENDERS: Final = 1000


class _Least:
    """The least of the last 10 to 20 s."""

    def __init__(self, now_ns: int, value_ns: int) -> None:
        self._began_ns = now_ns
        self._now = self._before = value_ns

    def add(self, now_ns: int, value_ns: int) -> int:
        if now_ns - self._began_ns > _WINDOW_NS:
            self._began_ns, self._before, self._now = now_ns, self._now, value_ns
        self._now = min(self._now, value_ns)
        return min(self._now, self._before)


class Ages:
    """The ages of one subscription's messages."""

    def __init__(self, topic_name: str, clock: BaseClock, warn: Callable[[str], None]) -> None:
        self._topic_name = topic_name
        self._clock = clock
        self._warn = warn
        self._least: dict[str, _Least] = {}  # from stamp to log, by sender
        self._ahead_ns = 0  # our wall clock minus our monotonic one
        self._set_ns: int | None = None  # when that was seen to change
        self._told: set[str] = set()

    def age_ns(self, msg: "Entry") -> int:
        """How old a message is."""
        wall_ns, now_ns = self._clock.now_ns(), round(self._clock.monotonic_sec() * 1e9)
        by_stamp_ns = wall_ns - msg.stamp
        if not msg.at or not msg.stamp:
            return by_stamp_ns  # from an original server, or without a stamp
        self._look_at_our_clock(wall_ns, now_ns)
        in_log_ns = now_ns - msg.at
        if self._set_ns is not None and msg.at <= self._set_ns:
            return in_log_ns  # its stamp is from before the clock was set
        off_ns = self._off_ns(msg.sender, now_ns, by_stamp_ns - in_log_ns)
        return by_stamp_ns - off_ns

    def least_ns(self, msg: "Entry") -> int:
        """How old a message is at least, whatever the publisher's clock says.

        That is the time since its arrival, and by how much longer its way was than the shortest one
        of this sender in the last seconds.
        """
        wall_ns, now_ns = self._clock.now_ns(), round(self._clock.monotonic_sec() * 1e9)
        in_log_ns = now_ns - msg.at
        self._look_at_our_clock(wall_ns, now_ns)
        # Clients without a name share theirs, and each may have a clock of its own.
        if not msg.stamp or not msg.sender or (self._set_ns is not None and msg.at <= self._set_ns):
            return in_log_ns
        way_ns = wall_ns - msg.stamp - in_log_ns
        return in_log_ns + way_ns - self._shortest_ns(msg.sender, now_ns, way_ns)

    def _off_ns(self, sender: str, now_ns: int, way_ns: int) -> int:
        """The known difference between the publisher's clock and ours."""
        off_ns = self._shortest_ns(sender, now_ns, way_ns)
        if 0 <= off_ns <= _LONGEST_WAY_NS:
            return 0
        if abs(off_ns) > _LONGEST_WAY_NS and sender not in self._told:
            self._told = {*self._told, sender} if len(self._told) < _MOST_SENDERS else {sender}
            how = "after" if off_ns > 0 else "before"
            self._warn(
                f"{self._topic_name}: messages from {sender or 'a client'} come "
                f"{abs(off_ns) * 1e-9:.1f} s {how} their stamps, so its clock is off; for the "
                "lifespan their age counts from their arrival: set the clocks (chrony, timedatectl)"
            )
        return off_ns

    def _shortest_ns(self, sender: str, now_ns: int, way_ns: int) -> int:
        """The least time from stamp to log of the last seconds, this one included."""
        least = self._least.get(sender)
        if least is None:
            if len(self._least) >= _MOST_SENDERS:
                self._least.clear()
            least = self._least[sender] = _Least(now_ns, way_ns)
        off_ns = least.add(now_ns, way_ns)
        if way_ns - off_ns > _CLOCK_SET_NS:  # the clock was set, or one stamp was wrong
            self._least[sender] = _Least(now_ns, way_ns)
            return way_ns
        return off_ns

    def _look_at_our_clock(self, wall_ns: int, now_ns: int) -> None:
        ahead_ns = wall_ns - now_ns
        if self._ahead_ns and abs(ahead_ns - self._ahead_ns) > _STEP_NS:
            self._least.clear()
            self._set_ns = now_ns
        self._ahead_ns = ahead_ns
