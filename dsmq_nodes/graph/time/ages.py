"""How old a message is, as far as both ends can know it: their wall clocks may differ.

A message has two times: its stamp, by the publisher's wall clock, and its arrival in the topic's
log, by a monotonic clock that we share with the queue. The time since its arrival is certain. The
time from the stamp to the arrival is the transit plus the difference of the clocks; one
message cannot tell these apart. The least value of the last seconds can: no delay stays above a
second, so a value above that means a clock that is behind, and one below zero a clock that is
ahead.

That difference changes when a clock is set, and a message that the network delayed looks like one
whose publisher's clock was set back. These rules tell them apart:

- Messages of a publisher come in order. A stamp below the one before it is from a clock that was
  set back. If the message came shortly after the one before it, it is as late as that one was.
- After a longer silence it may also have been delayed. Numbers that begin again are from a
  publisher that was restarted, whose machine may have lost the time meanwhile, or from messages
  that are repeated. Delayed or repeated messages come faster than they were sent; so the clock of
  such a publisher is believed once it has continued for a second.
- When our own clock is set, we notice it, and by how much. The next message of each publisher shows
  whether its stamp is by the same clock.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dsmq_nodes.graph.time.clock import BaseClock

if TYPE_CHECKING:
    from dsmq_nodes.dsmq.log import Entry

LATEST_SEC: Final = 3.0  # a command without a timeout, or a goal: who gave it may have left
_LONGEST_TRANSIT_NS: Final = 10**9
_WINDOW_NS: Final = 10 * 10**9  # the least value of two such windows counts
_STEP_NS: Final = 10**8  # more than our wall clock is slewed: it was set
_CLOCK_SET_NS: Final = 86_400 * 10**9  # no message takes a day from its stamp to the log
_CONFIRMED_NS: Final = 10**9  # longer than delayed or repeated messages take to come
_MOST_SENDERS: Final = 1000


class _Transits:
    """The times of one publisher's messages from stamp to log; the shortest of 10 to 20 s."""

    __slots__ = (
        "_at_ns",
        "_began",
        "_began_ns",
        "_now",
        "_old",
        "_seq",
        "_stamp_ns",
        "_transit_ns",
    )

    def __init__(self, msg: "Entry", now_ns: int, transit_ns: int) -> None:
        self._begin(now_ns, transit_ns)
        self._began: tuple[int, int] | None = (
            None  # when its numbers began again, and the transit then
        )
        self._remember(msg, transit_ns)

    def _begin(self, now_ns: int, shortest_ns: int) -> None:
        self._began_ns = now_ns
        self._now = self._old = shortest_ns

    def _remember(self, msg: "Entry", transit_ns: int) -> None:
        self._seq, self._stamp_ns, self._at_ns, self._transit_ns = (
            msg.seq,
            msg.stamp,
            msg.at,
            transit_ns,
        )

    @property
    def _shortest_ns(self) -> int:
        return min(self._now, self._old)

    def our_clock_was_set(self, by_ns: int, transit_ns: int) -> None:
        """Lengthen the times by the step of our clock, unless the publisher's was set, too."""
        late_ns = transit_ns - self._shortest_ns
        late_otherwise_ns = late_ns - by_ns
        # No transit is much below the shortest one; otherwise the clock explains as much as it can.
        if late_otherwise_ns >= -_STEP_NS and not -_STEP_NS <= late_ns < late_otherwise_ns:
            self._shift(by_ns)
            self._transit_ns += by_ns

    def _shift(self, by_ns: int) -> None:
        self._now += by_ns
        self._old += by_ns

    def add(self, msg: "Entry", now_ns: int, transit_ns: int) -> int:
        """Add a message; return the shortest transit that holds for it."""
        if now_ns - self._began_ns > _WINDOW_NS:
            self._began_ns, self._old, self._now = now_ns, self._now, transit_ns
        late_ns, shorter_ns = self._transit_ns - self._shortest_ns, self._shortest_ns - transit_ns
        is_set_back = msg.seq > self._seq and msg.stamp < self._stamp_ns
        if is_set_back and msg.at - self._at_ns <= _CONFIRMED_NS:
            self._shift(transit_ns - self._transit_ns)
        elif shorter_ns > _LONGEST_TRANSIT_NS and late_ns > max(_STEP_NS, msg.at - self._at_ns):
            # Its clock was set forward, and it came shortly after a message that was delayed.
            self._begin(now_ns, transit_ns - late_ns)
        elif -shorter_ns > _CLOCK_SET_NS or self._is_confirmed(msg, transit_ns, is_set_back):
            self._begin(now_ns, transit_ns)
        self._remember(msg, transit_ns)
        self._now = min(self._now, transit_ns)
        return self._shortest_ns

    def _is_confirmed(self, msg: "Entry", transit_ns: int, is_set_back: bool) -> bool:
        """Whether a publisher that was restarted or set back has continued by its new clock."""
        if transit_ns - self._shortest_ns <= _STEP_NS:
            self._began = None
            return False
        began = self._began
        is_again = is_set_back or (msg.seq <= self._seq and (msg.seq > 0 or began is None))
        if is_again or (began is not None and transit_ns < began[1] - _STEP_NS):
            began = self._began = msg.at, transit_ns
        return began is not None and msg.at - began[0] >= _CONFIRMED_NS


class Ages:
    """The ages of one subscription's messages."""

    def __init__(self, topic_name: str, clock: BaseClock, warn: Callable[[str], None]) -> None:
        self._topic_name = topic_name
        self._clock = clock
        self._warn = warn
        self._transits: dict[str, _Transits] = {}  # by sender
        self._ahead_ns = 0  # our wall clock minus our monotonic one
        # by how much our clock was set since each sender's last message
        self._set_by_ns: dict[str, int] = {}
        self._warned_of: set[str] = set()

    def age_ns(self, msg: "Entry") -> int:
        """Return the age of a message, in ns."""
        wall_ns, now_ns = self._clock.now_ns(), round(self._clock.monotonic_sec() * 1e9)
        by_stamp_ns = wall_ns - msg.stamp
        if not msg.at or not msg.stamp:
            return by_stamp_ns  # from an original server, or without a stamp
        self._check_our_clock(wall_ns, now_ns)
        in_log_ns = now_ns - msg.at
        off_ns = self._off_ns(msg, now_ns, by_stamp_ns - in_log_ns)
        return by_stamp_ns - off_ns

    def least_ns(self, msg: "Entry") -> int:
        """Return the least possible age of a message, in ns, whatever the publisher's clock says.

        That is the time since its arrival, and its delay before that.
        """
        return round(self._clock.monotonic_sec() * 1e9) - msg.at + self.delay_ns(msg)

    def delay_ns(self, msg: "Entry") -> int:
        """Return how much longer its transit was than its sender's shortest one of late, in ns."""
        wall_ns, now_ns = self._clock.now_ns(), round(self._clock.monotonic_sec() * 1e9)
        self._check_our_clock(wall_ns, now_ns)
        # Clients without a name cannot be told apart, and each may have a clock of its own.
        if not msg.stamp or not msg.sender:
            return 0
        transit_ns = wall_ns - msg.stamp - (now_ns - msg.at)
        return transit_ns - self._shortest_ns(msg, now_ns, transit_ns)

    def _off_ns(self, msg: "Entry", now_ns: int, transit_ns: int) -> int:
        """Return the known difference between the publisher's clock and ours, in ns."""
        off_ns, sender = self._shortest_ns(msg, now_ns, transit_ns), msg.sender
        if 0 <= off_ns <= _LONGEST_TRANSIT_NS:
            return 0
        if abs(off_ns) > _LONGEST_TRANSIT_NS and sender not in self._warned_of:
            self._warned_of = (
                {*self._warned_of, sender} if len(self._warned_of) < _MOST_SENDERS else {sender}
            )
            how = "after" if off_ns > 0 else "before"
            self._warn(
                f"{self._topic_name}: messages from {sender or 'a client'} come "
                f"{abs(off_ns) * 1e-9:.1f} s {how} their stamps, so its clock is off; for the "
                "lifespan their age counts from their arrival: set the clocks (chrony, timedatectl)"
            )
        return off_ns

    def _shortest_ns(self, msg: "Entry", now_ns: int, transit_ns: int) -> int:
        """Return the shortest time from stamp to log in the last seconds, this message included."""
        sender = msg.sender
        transits = self._transits.get(sender)
        if transits is None:
            if len(self._transits) >= _MOST_SENDERS:
                self._transits.clear()
            self._transits[sender] = _Transits(msg, now_ns, transit_ns)
            return transit_ns
        if (set_by_ns := self._set_by_ns.pop(sender, 0)) != 0:
            transits.our_clock_was_set(set_by_ns, transit_ns)
        return transits.add(msg, now_ns, transit_ns)

    def _check_our_clock(self, wall_ns: int, now_ns: int) -> None:
        ahead_ns = wall_ns - now_ns
        by_ns = ahead_ns - self._ahead_ns
        if self._ahead_ns and abs(by_ns) > _STEP_NS:
            known = self._set_by_ns
            self._set_by_ns = {sender: known.get(sender, 0) + by_ns for sender in self._transits}
        self._ahead_ns = ahead_ns
