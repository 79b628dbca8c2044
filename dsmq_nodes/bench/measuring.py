"""The publishing and subscribing processes of a benchmark, over any transport.

They take orders as lines of JSON on their standard input, answer with such lines, and end when
their input ends: so none outlives the process that started it.

A publisher writes `{"shared": ...}` when its subscribers are there. On the order `{"rate": HZ,
"count": N}` or `{"seconds": S}` it publishes, and answers `{"sent", "dropped", "cpu_sec"}`. A
subscriber writes `ready`. On the order `"begin"` it counts again from zero, on `"seen"` it answers
how many messages it can account for, on `"report"` its results.

This module needs the standard library only: the processes of other systems run it, too.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator

WARM_HZ = 100.0
WARM = 20  # messages that are not counted: the time in them is 0
_CLOCK_EVERY = 16  # messages between two readings of the clock


def write_answer(answer: object) -> None:
    """Write an answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def paced(rate_hz: float, count: int) -> Iterator[int]:
    """Yield 1 to `count`, each when it is due; late ones follow at once."""
    began_sec = time.perf_counter()
    for number in range(1, count + 1):
        ahead_sec = began_sec + number / rate_hz - time.perf_counter()
        if ahead_sec > 0:
            time.sleep(ahead_sec)
        yield number


def flooded(seconds: float) -> Iterator[int]:
    """Yield 1, 2, 3 ... as fast as they are taken, for a time."""
    until_sec = time.perf_counter() + seconds
    number = 0
    while number % _CLOCK_EVERY or time.perf_counter() < until_sec:
        number += 1
        yield number


def publish(
    send: Callable[[int], object], dropped: Callable[[], int], *, shared: bool = False
) -> None:
    """Publish on orders.

    Args:
        send: builds and publishes a message that carries the given time, in ns.
        dropped: returns how many messages were not sent.
        shared: whether the messages go through shared memory.
    """
    for _ in paced(WARM_HZ, WARM):
        send(0)
    write_answer({"shared": shared})
    for line in sys.stdin:
        order = json.loads(line)
        before, cpu_sec, sent = dropped(), time.process_time(), 0
        for sent in _numbers(order):  # noqa: B007  the last one is used
            send(time.perf_counter_ns())
        cpu_sec = time.process_time() - cpu_sec
        write_answer({"sent": sent, "dropped": dropped() - before, "cpu_sec": cpu_sec})


def _numbers(order: dict[str, float]) -> Iterator[int]:
    if "seconds" in order:
        return flooded(order["seconds"])
    return paced(order["rate"], int(order["count"]))


class Meter:
    """A subscriber's counters."""

    def __init__(self, dropped: Callable[[], int] = lambda: 0) -> None:
        """Begin; `dropped` returns how many messages the system itself reports as lost."""
        self._dropped = dropped
        self._begin()

    def _begin(self) -> None:
        self._latencies_ns: list[int] = []
        self._first_ns = self._last_ns = 0
        self._dropped_before = self._dropped()
        self._cpu_before_sec = time.process_time()

    def got(self, built_ns: int) -> None:
        """Count a message that has come, decoded, and was built at that time, in ns."""
        if not built_ns:
            return
        now_ns = time.perf_counter_ns()
        self._first_ns = self._first_ns or built_ns
        self._last_ns = now_ns
        self._latencies_ns.append(now_ns - built_ns)

    def obey(self) -> None:
        """Carry out orders until the input ends."""
        for line in sys.stdin:
            order = json.loads(line)
            if order == "begin":
                self._begin()
            write_answer(self._report() if order == "report" else self._seen())

    def _seen(self) -> int:
        return len(self._latencies_ns) + self._dropped() - self._dropped_before

    def _report(self) -> dict[str, object]:
        received = len(self._latencies_ns)
        took_sec = max(self._last_ns - self._first_ns, 1) * 1e-9
        return {
            "received": received,
            "dropped": self._dropped() - self._dropped_before,
            "per_sec": received / took_sec,
            "latencies_ns": self._latencies_ns,
            "cpu_sec": time.process_time() - self._cpu_before_sec,
        }
