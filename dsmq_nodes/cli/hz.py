"""`dsmq-nodes topic hz`."""

import math
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from dsmq_nodes.cli.lookup import find_published

if TYPE_CHECKING:
    from dsmq_nodes.cli.session import Session

_EVERY_SEC: Final = 1.0


class Arrivals:
    """The times between the last messages, `window` of them."""

    def __init__(self, window: int) -> None:
        self._gaps_sec: deque[float] = deque(maxlen=window)
        self._last_sec: float | None = None

    def add(self, at_sec: float) -> None:
        """A message has come."""
        if self._last_sec is not None:
            self._gaps_sec.append(at_sec - self._last_sec)
        self._last_sec = at_sec

    def __str__(self) -> str:
        """What ros2 prints; empty before there are two messages."""
        gaps = self._gaps_sec
        if not gaps:
            return ""
        mean = sum(gaps) / len(gaps)
        deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
        return (
            f"average rate: {1 / mean if mean else 0:.3f}\n"
            f"\tmin: {min(gaps):.3f}s max: {max(gaps):.3f}s "
            f"std dev: {deviation:.5f}s window: {len(gaps)}"
        )


def measure(session: "Session", name: str, window: int) -> None:
    """Print the rate of a topic once a second, for ever."""
    topic = find_published(session, name).name
    session.subscribe(topic)
    arrivals = Arrivals(window)
    due_sec = time.monotonic()
    while True:
        due_sec += _EVERY_SEC
        if not _listen(session, topic, arrivals, due_sec):
            print("no new messages", file=sys.stderr)
        elif shown := str(arrivals):
            print(shown, flush=True)


def _listen(session: "Session", topic: str, arrivals: Arrivals, until_sec: float) -> bool:
    heard = False
    while (left_sec := until_sec - time.monotonic()) > 0:
        if session.next_message([topic], left_sec) is not None:
            arrivals.add(time.monotonic())
            heard = True
    return heard
