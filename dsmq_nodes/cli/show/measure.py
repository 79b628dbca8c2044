"""`topic hz | bw | delay`: from the broker's counters, or measured by subscribing.

Only `--sample` reads each message, as ros2 does, and measures the shortest and the longest gap.
"""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dsmq_nodes.cli.listing import columns
from dsmq_nodes.errors import CommandError, MessageError
from dsmq_nodes.json_text import json_reader
from dsmq_nodes.tools.counters import Count, Window, follow
from dsmq_nodes.tools.lookup import find_published
from dsmq_nodes.tools.stamps import time_in
from dsmq_nodes.topic_names import CLOCK_TOPIC, NODES_TOPIC

if TYPE_CHECKING:
    from dsmq_nodes.tools.graph_model import TopicCounters
    from dsmq_nodes.tools.session import Session

_EVERY_SEC: Final = 1.0
_SLOW_HZ: Final = 100.0
_SMALL_BYTES: Final = 10_000
_DAY_SEC: Final = 86400.0
_ANOTHER_TIME_SEC: Final = _DAY_SEC  # no message takes this long, and no clock is this wrong


class Spread:
    """The newest values, a bounded number of them, with their mean and deviation."""

    def __init__(self, most: int) -> None:
        self.values: deque[float] = deque(maxlen=most)

    @property
    def mean(self) -> float:
        """The mean of the values; there must be one value."""
        return sum(self.values) / len(self.values)

    @property
    def deviation(self) -> float:
        """The standard deviation of the values."""
        mean = self.mean
        return math.sqrt(sum((value - mean) ** 2 for value in self.values) / len(self.values))

    def __str__(self) -> str:
        """Return the values in ros2's form, in seconds."""
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
        """Add a message."""
        if self._last_sec is not None and at_sec < self._last_sec:
            self.gaps.values.clear()  # a simulation or a recording was restarted
        elif self._last_sec is not None:
            self.gaps.values.append(at_sec - self._last_sec)
        self._last_sec = at_sec

    @property
    def rate_hz(self) -> float:
        """The number of messages a second; there must be two messages."""
        return 1.0 / self.gaps.mean if self.gaps.mean else 0.0

    def row(self, topic: str) -> tuple[str, ...]:
        """Return a line of ros2's table."""
        gaps = self.gaps
        seconds = (min(gaps.values), max(gaps.values), gaps.deviation)
        shown = (f"{self.rate_hz:.3f}", *(f"{each:.3f}" for each in seconds))
        return topic, *shown, str(len(gaps.values))

    def __str__(self) -> str:
        """Return the text in ros2's form; empty before the second message."""
        return f"average rate: {self.rate_hz:.3f}\n{self.gaps}" if self.gaps.values else ""


class Sizes:
    """The sizes of the last messages, as text, and their times."""

    def __init__(self, window: int) -> None:
        self._sizes = Spread(window)
        self._times_sec: deque[float] = deque(maxlen=window)

    def add(self, at_sec: float, text: str) -> None:
        """Add a message."""
        self._times_sec.append(at_sec)
        self._sizes.values.append(len(text.encode("utf-8", "surrogatepass")))

    def __str__(self) -> str:
        sizes, count = self._sizes, len(self._times_sec)
        if count < 2:
            return ""
        # Up to now, not to the last message, so that the rate of a silent topic falls.
        span_sec = time.monotonic() - self._times_sec[0]
        shown = (sizes.mean, min(sizes.values), max(sizes.values))
        mean, low, high = map(size, shown)
        return (
            f"{size(sum(sizes.values) / span_sec)}/s from {count} messages\n"
            f"\tMessage size mean: {mean} min: {low} max: {high}"
        )


class Delays:
    """The age of the stamps in the messages' headers."""

    def __init__(self, window: int, *, has_header: bool, is_far: bool = False) -> None:
        """Measure a topic.

        Args:
            window: the number of messages to measure over.
            has_header: whether the topic's type is known to have one; else the messages show it.
            is_far: whether the topic is of another machine.
        """
        self._is_far = is_far
        self._delays = Spread(window)
        self._from_another_time_sec = 0.0
        self._has_header = has_header

    def add(self, at_sec: float, text: str) -> None:
        """Add a message.

        Raises:
            MessageError: the message has no stamp, and others had one.
        """
        stamp_sec = time_in(text, "header", "stamp")
        self._has_header = self._has_header or stamp_sec is not None
        if stamp_sec is None and self._has_header:
            raise MessageError("it has no header with a stamp")
        if stamp_sec is None:
            return
        delay_sec = at_sec - stamp_sec
        if abs(delay_sec) < _ANOTHER_TIME_SEC:
            self._delays.values.append(delay_sec)
        else:
            self._from_another_time_sec = delay_sec

    def __str__(self) -> str:
        return f"average delay: {self._delays.mean:.3f}\n{self._delays}" if self else ""

    def __bool__(self) -> bool:
        return bool(self._delays.values)

    @property
    def why_none(self) -> str:
        """The reason why the messages have no delay; empty when some have.

        Raises:
            CommandError: none of the messages has a header.
        """
        if not self._has_header:
            without = "an uplink brings it, which does not tell when it was published there"
            if not self._is_far:
                without = "without --sample it is measured from publish()"
            raise CommandError(f"msg does not have header: its messages have no stamp; {without}")
        if self or not self._from_another_time_sec:
            return ""
        days = abs(self._from_another_time_sec) / _DAY_SEC
        where = "before" if self._from_another_time_sec > 0 else "after"
        return (
            f"no delay is known: the stamps are {days:.0f} days {where} now: of a recording or a "
            "simulation? --use-sim-time measures by /clock"
        )


def _wall_sec() -> float:
    return time.time_ns() * 1e-9


class _Time:
    """The time: of this machine, or of the last message on `/clock`."""

    def __init__(self, session: "Session", *, is_sim: bool, is_of_day: bool) -> None:
        """Choose a clock; `is_of_day`: the wall clock, for stamps, else one that never jumps."""
        self.topics = [CLOCK_TOPIC] if is_sim else []
        self._read_sec = None if is_sim else _wall_sec if is_of_day else time.monotonic
        self._clock_sec: float | None = None
        for topic in self.topics:
            session.subscribe(topic, depth=1)

    def take_clock(self, text: str) -> None:
        """Take a message of `/clock`."""
        found = time_in(text, "clock")
        if found is None:
            raise MessageError("it has no time")
        self._clock_sec = found

    @property
    def now_sec(self) -> float | None:
        """The current time; None before the first message of `/clock`."""
        return self._clock_sec if self._read_sec is None else self._read_sec()


Measure = Arrivals | Sizes | Delays


def measure(
    session: "Session",
    names: Sequence[str],
    new: Callable[[], Measure],
    *,
    use_sim_time: bool = False,
) -> None:
    """Print the measured figures of topics once a second, until Ctrl-C."""
    topics = _topics(session, names)
    measured = {topic: new() for topic in topics}
    is_of_day = isinstance(measured[topics[0]], Delays)
    clock = _Time(session, is_sim=use_sim_time, is_of_day=is_of_day)
    for topic in topics:
        session.subscribe(topic)
    due_sec = time.monotonic()
    if isinstance(measured[topics[0]], Sizes):
        print(f"Subscribed to [{topics[0]}]", flush=True)
    while True:
        due_sec += _EVERY_SEC
        has_come = _listen(session, measured, clock, due_sec)
        if clock.now_sec is None:
            print("no /clock has come: does anybody publish it?", file=sys.stderr)
        elif not has_come:
            print("no new messages", file=sys.stderr)
        elif shown := _shown(measured):
            print(shown, flush=True)
        elif why := "".join(
            each.why_none for each in measured.values() if isinstance(each, Delays)
        ):
            print(why, file=sys.stderr)


def _shown(measured: dict[str, Any]) -> str:
    if len(measured) == 1:
        return str(next(iter(measured.values())))
    rows = [each.row(topic) for topic, each in measured.items() if str(each)]
    head = ("topic", "rate", "min_delta", "max_delta", "std_dev", "window")
    return table_shown([head, *rows]) if rows else ""


def _listen(session: "Session", measured: dict[str, Any], clock: _Time, until_sec: float) -> bool:
    has_come, topics = False, [*measured, *clock.topics]
    while (left_sec := until_sec - time.monotonic()) > 0:
        reply = session.next_message(topics, left_sec)
        if reply is None:
            continue
        if reply.topic in clock.topics:
            session.understood(reply, clock.take_clock)
        if reply.topic in measured and (now_sec := clock.now_sec) is not None:
            has_come = True
            session.understood(reply, partial(measured[reply.topic].add, now_sec), exact=True)
    return has_come


def rate_shown(change: Count) -> str:
    """Return a rate as ros2 shows it, without figures that are not counted."""
    return (
        f"average rate: {change.messages / change.at_sec:.3f}\n"
        f"\tdropped: {change.dropped} window: {change.messages}"
    )


def bandwidth_shown(change: Count) -> str:
    """Return bytes a second as ros2 shows them."""
    if not change.messages:
        return ""
    return (
        f"{size(change.size_bytes / change.at_sec)}/s from {change.messages} messages\n"
        f"\tMessage size mean: {size(change.size_bytes / change.messages)}"
    )


def size(size_bytes: float) -> str:
    """Return a number of bytes as ros2 shows it."""
    for unit, factor in (("MB", 1e6), ("KB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.2f} {unit}"
    return f"{size_bytes:.0f} B"


def delay_shown(topic: "TopicCounters", felt: dict[str, float]) -> str:
    """Return the age of messages on arrival, by the broker's clock or the subscriber's counters.

    Args:
        topic: the broker's counters.
        felt: for each subscriber, the median time from `publish()` to its callback, in seconds.
    """
    delays = [
        (edge.subscriber or "(client)", edge.latency_sec or felt.get(edge.subscriber, 0.0))
        for edge in topic.edges
    ]
    delays = [each for each in delays if each[1]]
    if not delays:  # without subscribers: the age at the broker
        at_broker = [each.latency_sec for each in topic.publishers if each.latency_sec]
        delays = [("(broker)", delay_sec) for delay_sec in at_broker]
    if not delays:
        return ""
    average = sum(delay_sec for _, delay_sec in delays) / len(delays)
    lines = [f"\t{name}: {delay_sec:.6f}s" for name, delay_sec in delays]
    return "\n".join([f"average delay: {average:.6f}", *lines])


def table_shown(rows: Sequence[tuple[str, ...]]) -> str:
    """Return several topics as ros2's table; the first row is the head."""
    lines = columns(rows)
    return "\n".join([lines[0], "=" * max(map(len, lines)), *lines[1:]]) + "\n"


def show_rates(session: "Session", names: Sequence[str], most: int) -> None:
    """Print the rates of topics once a second, until Ctrl-C.

    Counters count whole messages: for a slow topic, a rate by counters is wrong by one message for
    a long time. So slow topics of small messages are measured: that costs their publishers little.
    """
    topics = _topics(session, names)
    for found in follow(session, topics, most):
        if all(_is_slow(window.change) for window, _ in found.values()):
            break
        if len(found) == 1:
            _show_one(next(iter(found.values()))[0], rate_shown)
            continue
        rows = [("topic", "rate", "dropped", "window")]
        for topic, (window, _) in found.items():
            change = window.change
            if change is not None and change.messages:
                rate = f"{change.messages / change.at_sec:.3f}"
                rows.append((topic, rate, str(change.dropped), str(change.messages)))
        if len(rows) > 1:
            print(table_shown(rows), flush=True)
    measure(session, topics, partial(Arrivals, most))


def _is_slow(change: Count | None) -> bool:
    if change is None or not change.messages:
        return False
    is_small = change.size_bytes < _SMALL_BYTES * change.messages
    return is_small and change.messages < _SLOW_HZ * change.at_sec


def show_bandwidth(session: "Session", name: str, most: int) -> None:
    """Print the bandwidth of a topic once a second, until Ctrl-C."""
    began = False
    for found in follow(session, _topics(session, [name]), most):
        (window, topic), *_ = found.values()
        if not began:
            print(f"Subscribed to [{topic.name}]", flush=True)
            began = True
        _show_one(window, bandwidth_shown)


def _topics(session: "Session", names: Sequence[str]) -> list[str]:
    warn = partial(print, file=sys.stderr)
    return [find_published(session, name, warn).name for name in names]


def _show_one(window: Window, shown: Callable[[Count], str]) -> None:
    change = window.change
    if window.is_silent:
        print("no new messages", file=sys.stderr)
    elif change is not None and (text := shown(change)):
        print(text, flush=True)


def show_delay(session: "Session", name: str) -> None:
    """Print the age of a topic's messages once a second, until Ctrl-C."""
    felt: dict[str, float] = {}
    with session.another() as nodes:
        nodes.subscribe(NODES_TOPIC, depth=1000)
        for found in follow(session, _topics(session, [name]), 1):
            (_, topic), *_ = found.values()
            # The broker cannot measure the latency of a shared topic; its subscribers do.
            while topic.shared and (reply := nodes.next_message([NODES_TOPIC], 0.0)) is not None:
                statistics = nodes.understood(reply, _read_node)
                for each in statistics.subscriptions if statistics is not None else ():
                    if each.topic == topic.name and statistics is not None:
                        felt[statistics.name] = each.latency_p50_sec
            text = delay_shown(topic, felt)
            if text:
                print(text, flush=True)
            else:
                print(f"no delay is known: {_why_no_delay(topic)}", file=sys.stderr)


def _why_no_delay(topic: "TopicCounters") -> str:
    if not topic.total:
        return f"no message has come on {topic.name} yet"
    if not topic.edges:
        where = "and a delay is counted where messages arrive"
        return f"nobody subscribes to {topic.name}, {where}; --sample subscribes"
    return "none is counted yet, or no message has a stamp; try --sample"


class _Subscription(msgspec.Struct):
    topic: str
    latency_p50_sec: float = 0.0


class _Node(msgspec.Struct):
    name: str
    subscriptions: list[_Subscription] = []


_read_node: Final = json_reader(_Node)
