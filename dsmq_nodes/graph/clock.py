"""The clocks of a node: wall time for stamps, monotonic time for intervals."""

import time

from dsmq_nodes.messages.base import Duration, Time


class Clock:
    """This machine's clocks."""

    def now(self) -> Time:
        """Wall clock time, since 1970-01-01 UTC, for stamps."""
        return Time.from_nanoseconds(self.now_ns())

    def now_ns(self) -> int:
        """Wall clock time in nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def monotonic_sec(self) -> float:
        """Seconds by a clock that never steps, for intervals; its zero means nothing."""
        return time.monotonic()


def seconds(duration: Duration | float) -> float:
    """A length of time in seconds: what takes one takes a number or a Duration."""
    return duration.to_nanoseconds() * 1e-9 if isinstance(duration, Duration) else duration
