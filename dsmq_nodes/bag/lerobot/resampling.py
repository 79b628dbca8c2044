"""Resamples topics of several rates to frames: at each tick the newest message of each topic.

A tick takes the newest message whose stamp is not later than the tick: a control loop would have
had that message. If a message is older than its topic's limit, the tick gives no frame: a gap ends
an episode and is never filled. Nothing is interpolated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SECOND_NS: Final = 1_000_000_000
Integers = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass
class Samples:
    """The messages of a topic within an episode; stamps increase.

    Attributes:
        stamps_ns: the stamps of the messages.
        max_age_ns: the greatest age of a message at a tick.
        oldest_ns: the stamp of the oldest value in each message; `stamps_ns` if no value is held.
    """

    stamps_ns: Integers
    max_age_ns: int
    oldest_ns: Integers


@dataclass
class Frames:
    """An unbroken run of frames.

    Attributes:
        taken: for each topic, the message number of each frame.
        worst_age_ns: for each topic, the greatest age of a message.
    """

    taken: dict[str, Integers]
    worst_age_ns: dict[str, int]

    def __len__(self) -> int:
        return len(next(iter(self.taken.values())))


@dataclass(frozen=True)
class Gap:
    """Ticks without a frame between two runs, and the topic with the oldest message there.

    Attributes:
        begin_ns: the first tick.
        ticks: the number of ticks.
        topic: the topic with the oldest message.
        age_ns: the age of that message.
        taken: the number of that message in its topic.
    """

    begin_ns: int
    ticks: int
    topic: str
    age_ns: int
    taken: int


def resample(topics: Mapping[str, Samples], fps: int, most_frames: int) -> Iterator[Frames | Gap]:
    """Yield the runs of frames, and the gaps between them, in order.

    Args:
        topics: the messages of each topic; at least one each.
        fps: ticks per second.
        most_frames: a longer run is split.
    """
    begin = max(int(each.stamps_ns[0]) for each in topics.values())
    end = min(int(each.stamps_ns[-1]) for each in topics.values())
    if end < begin:
        return
    count = ((end - begin + 1) * fps - 1) // SECOND_NS + 1  # ticks are rounded down to ns
    ticks = begin + np.arange(count, dtype=np.int64) * SECOND_NS // fps
    taken: dict[str, Integers] = {}
    ages: dict[str, Integers] = {}
    for topic, samples in topics.items():
        taken[topic] = np.searchsorted(samples.stamps_ns, ticks, "right") - 1
        ages[topic] = ticks - samples.oldest_ns[taken[topic]]
    fresh = np.logical_and.reduce([ages[name] <= topics[name].max_age_ns for name in topics])
    for first, after, is_fresh in _stretches(fresh):
        if not is_fresh:
            at = {name: first + int(ages[name][first:after].argmax()) for name in topics}
            over = {name: int(ages[name][at[name]]) for name in topics}
            worst = max(over, key=lambda name: over[name] - topics[name].max_age_ns)
            number = int(taken[worst][at[worst]])
            yield Gap(int(ticks[first]), after - first, worst, over[worst], number)
            continue
        for part in range(first, after, most_frames):
            cut = slice(part, min(part + most_frames, after))
            yield Frames(
                {name: each[cut] for name, each in taken.items()},
                {name: int(each[cut].max()) for name, each in ages.items()},
            )


def _stretches(fresh: NDArray[Any]) -> Iterator[tuple[int, int, bool]]:
    """Yield runs of equal values: the first index, the index after the last, the value."""
    edges = [0, *(np.flatnonzero(np.diff(fresh)) + 1).tolist(), len(fresh)]
    for first, after in pairwise(edges):
        yield first, after, bool(fresh[first])
