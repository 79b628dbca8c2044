"""Evaluates the measurements: percentiles, a histogram, a verdict. Pure.

The verdict
===========
A setup *carries* as many nodes as half of its CPU is enough for, where a node is a process that
publishes one topic at the measured rate, to the measured number of subscribers::

    nodes = 0.5 x cores / (rate x CPU seconds a message of publisher, subscribers and broker)

and no more than half of one core lets the broker carry, as it is one process::

    nodes = 0.5 / (rate x CPU seconds a message of the broker)

The other half is for what the nodes do with their messages. CPU that processes use in any case is
also charged to the messages, so this is on the safe side. The CPU of a broker that was started
elsewhere is not known: half of its throughput at full speed is used instead. The result is rounded
down to one digit. A setup that loses messages at the rate, or whose p99 latency is longer than the
time to the next message, carries none.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

EDGES_US: Final = tuple(step * 10.0**power for power in range(6) for step in (1, 2, 5))
"""The lower edges of a histogram's buckets; the last has no end, the first begins at 0."""

_SHARE: Final = 0.5
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the least value that `percent` of all values do not exceed; 0 without values."""
    if not ordered:
        return 0.0
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def histogram(ordered: Sequence[float]) -> list[int]:
    """Return how many values are in each bucket: from its edge up to the next."""
    counts = [0] * len(EDGES_US)
    at = 0
    for value in ordered:
        while at + 1 < len(EDGES_US) and value >= EDGES_US[at + 1]:
            at += 1
        counts[at] += 1
    return counts


def span(histograms: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return the first bucket with a value, and the one after the last; (0, 1) without values."""
    used = [at for counts in histograms for at, count in enumerate(counts) if count]
    return (min(used), max(used) + 1) if used else (0, 1)


def strip(counts: Sequence[int]) -> str:
    """Return a histogram in one line, one character a bucket; no filled bucket is blank."""
    most = max(counts, default=0) or 1
    return "".join(_BLOCKS[math.ceil(count / most * (len(_BLOCKS) - 1))] for count in counts)


def bucket_name(at: int) -> str:
    """Return a bucket as a text: `20-50 us`."""
    begin = EDGES_US[at] if at else 0.0
    if at + 1 == len(EDGES_US):
        return f"over {shown_us(begin)}"
    end = EDGES_US[at + 1]
    unit, size = ("ms", 1000.0) if end > 1000 else ("us", 1.0)
    return f"{begin / size:g}-{end / size:g} {unit}"


def shown_us(value_us: float) -> str:
    """Return a duration as a text with its unit."""
    return f"{value_us / 1000:.3g} ms" if value_us >= 1000 else f"{value_us:.0f} us"


@dataclass(frozen=True, slots=True)
class Load:
    """The measurements of a case, for the verdict.

    Attributes:
        rate_hz: the rate at which it was measured.
        lost: how many messages did not come, at that rate.
        p99_us: the latency, at that rate.
        cpu_sec: the CPU time for one message: of publisher, subscribers and, if it is known,
            broker.
        broker_cpu_sec: the broker's CPU time for one message; None: not known.
        flood_per_sec: the messages a second that arrived at full speed.
        cores: the number of the machine's cores.
        is_shared: whether the messages do not wait for the broker.
    """

    rate_hz: float
    lost: int
    p99_us: float
    cpu_sec: float
    broker_cpu_sec: float | None
    flood_per_sec: float
    cores: int
    is_shared: bool = False


def carried_nodes(load: Load) -> int:
    """Return how many nodes a setup carries, as defined above."""
    if load.lost or load.p99_us * 1e-6 > 1 / load.rate_hz:
        return 0
    nodes = _SHARE * load.cores / max(load.rate_hz * load.cpu_sec, 1e-9)
    if load.broker_cpu_sec is not None:
        nodes = min(nodes, _SHARE / max(load.rate_hz * load.broker_cpu_sec, 1e-9))
    elif not load.is_shared:
        nodes = min(nodes, _SHARE * load.flood_per_sec / load.rate_hz)
    return _rounded_down(nodes)


def _rounded_down(number: float) -> int:
    if number < 1:
        return 0
    size = int(10 ** math.floor(math.log10(number)))
    return int(number // size) * size


def verdict(load: Load) -> str:
    """Return the verdict in a sentence, with its reason."""
    nodes = carried_nodes(load)
    rate = f"{load.rate_hz:g} Hz"
    if not nodes:
        return f"this setup does not carry a node at {rate}: {_why_not(load)}"
    return f"this setup carries {nodes} node{'' if nodes == 1 else 's'} at {rate}"


def _why_not(load: Load) -> str:
    if load.lost:
        return f"{load.lost} messages were lost"
    if load.p99_us * 1e-6 > 1 / load.rate_hz:
        return f"p99 is {shown_us(load.p99_us)}, longer than the time to the next message"
    return f"a message takes {shown_us(load.cpu_sec * 1e6)} of CPU"
