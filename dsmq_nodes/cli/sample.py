"""`topic hz | bw | delay --sample`: measured by subscribing, as ros2 does."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dsmq_nodes.cli.counters import size, table_shown
from dsmq_nodes.cli.lookup import find_published
from dsmq_nodes.errors import CommandError

if TYPE_CHECKING:
    from dsmq_nodes.cli.session import Session

_EVERY_SEC: Final = 1.0


class Spread:
    """The newest values, at most so many: their mean and how far they are apart."""

    def __init__(self, most: int) -> None:
        self.values: deque[float] = deque(maxlen=most)

    @property
    def mean(self) -> float:
        """Their mean; there must be one."""
        return sum(self.values) / len(self.values)

    @property
    def deviation(self) -> float:
        """Their standard deviation."""
        mean = self.mean
        return math.sqrt(sum((value - mean) ** 2 for value in self.values) / len(self.values))

    def __str__(self) -> str:
        """How ros2 shows it, in seconds."""
        return (
            f"\tmin: {min(self.values):.3f}s max: {max(self.values):.3f}s "
            f"std dev: {self.deviation:.5f}s window: {len(self.values)}"
        )


class Arrivals:
    """The times between the last messages, `window` of them."""

    def __init__(self, window: int) -> None:
        self.gaps = Spread(window)
        self._last_sec: float | None = None

    def add(self, at_sec: float, text: str) -> None:
        """A message has come."""
        if self._last_sec is not None:
            self.gaps.values.append(at_sec - self._last_sec)
        self._last_sec = at_sec

    @property
    def rate_hz(self) -> float:
        """Messages a second; there must be two."""
        return 1.0 / self.gaps.mean if self.gaps.mean else 0.0

    def row(self, topic: str) -> tuple[str, ...]:
        """As a line of ros2's table."""
        gaps = self.gaps
        seconds = (min(gaps.values), max(gaps.values), gaps.deviation)
        shown = (f"{self.rate_hz:.3f}", *(f"{each:.3f}" for each in seconds))
        return topic, *shown, str(len(gaps.values))

    def __str__(self) -> str:
        """What ros2 prints; empty before there are two messages."""
        return f"average rate: {self.rate_hz:.3f}\n{self.gaps}" if self.gaps.values else ""


class Sizes:
    """The sizes of the last messages, as text, and when they came."""

    def __init__(self, window: int) -> None:
        self._sizes = Spread(window)
        self._times_sec: deque[float] = deque(maxlen=window)

    def add(self, at_sec: float, text: str) -> None:
        """A message has come."""
        self._times_sec.append(at_sec)
        self._sizes.values.append(len(text.encode()))

    def __str__(self) -> str:
        sizes, count = self._sizes, len(self._times_sec)
        if count < 2:
            return ""
        # Up to now, not to the last message: a topic that has become silent slows down.
        span_sec = time.monotonic() - self._times_sec[0]
        shown = (sizes.mean, min(sizes.values), max(sizes.values))
        mean, low, high = map(size, shown)
        return (
            f"{size(sum(sizes.values) / span_sec)}/s from {count} messages\n"
            f"\tMessage size mean: {mean} min: {low} max: {high}"
        )


class Delays:
    """How much older than now the stamps in the messages' headers are."""

    def __init__(self, window: int) -> None:
        self._delays = Spread(window)

    def add(self, at_sec: float, text: str) -> None:
        """A message has come.

        Raises:
            CommandError: it has no header.
        """
        stamp = _stamp_sec(text)
        if stamp is None:
            raise CommandError(
                "msg does not have header: its messages tell no time; without --sample it is "
                "measured from publish()"
            )
        self._delays.values.append(time.time_ns() * 1e-9 - stamp)

    def __str__(self) -> str:
        if not self._delays.values:
            return ""
        return f"average delay: {self._delays.mean:.3f}\n{self._delays}"


def _stamp_sec(text: str) -> float | None:
    try:
        message: Any = msgspec.json.decode(text)
        stamp = message["header"]["stamp"]
        return float(stamp["sec"] + stamp["nanosec"] * 1e-9)
    except (msgspec.MsgspecError, KeyError, TypeError):
        return None


def measure(
    session: "Session", names: Sequence[str], new: Callable[[], Arrivals | Sizes | Delays]
) -> None:
    """Print once a second what is measured of topics, for ever."""
    topics = [find_published(session, name).name for name in names]
    measured = {topic: new() for topic in topics}
    for topic in topics:
        session.subscribe(topic)
    due_sec = time.monotonic()
    if isinstance(measured[topics[0]], Sizes):
        print(f"Subscribed to [{topics[0]}]", flush=True)
    while True:
        due_sec += _EVERY_SEC
        if not _listen(session, measured, due_sec):
            print("no new messages", file=sys.stderr)
        elif shown := _shown(measured):
            print(shown, flush=True)


def _shown(measured: dict[str, Any]) -> str:
    if len(measured) == 1:
        return str(next(iter(measured.values())))
    rows = [each.row(topic) for topic, each in measured.items() if str(each)]
    head = ("topic", "rate", "min_delta", "max_delta", "std_dev", "window")
    return table_shown([head, *rows]) if rows else ""


def _listen(session: "Session", measured: dict[str, Any], until_sec: float) -> bool:
    heard = False
    while (left_sec := until_sec - time.monotonic()) > 0:
        reply = session.next_message(measured, left_sec)
        if reply is not None:
            measured[reply.topic].add(time.monotonic(), reply.text or "")
            heard = True
    return heard
