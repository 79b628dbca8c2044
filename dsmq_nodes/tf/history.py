"""The history of one frame: its places in its parent."""

from bisect import bisect_left, insort
from typing import NamedTuple

from dsmq_nodes.tf.rigid import Rigid


class Sample(NamedTuple):
    """The place of a frame in `parent` at a time, in ns."""

    stamp_ns: int
    parent: str
    rigid: Rigid


class History:
    """The samples of one frame over the last `keep_ns`; a static one holds at all times.

    Attributes:
        is_static: whether the sample holds at all times.
        broadcaster: the node of the newest sample; empty if unknown.
    """

    def __init__(self, keep_ns: int) -> None:
        self.is_static = False
        self.broadcaster = ""
        self._keep_ns = keep_ns
        self._samples: list[Sample] = []

    @property
    def newest(self) -> Sample:
        """The newest sample; there always is one."""
        return self._samples[-1]

    @property
    def oldest(self) -> Sample:
        """The oldest sample."""
        return self._samples[0]

    @property
    def rate_hz(self) -> float:
        """The number of samples a second; 0 with fewer than two samples."""
        span_ns = self.newest.stamp_ns - self.oldest.stamp_ns
        return (len(self._samples) - 1) / (span_ns * 1e-9) if span_ns else 0.0

    def __bool__(self) -> bool:
        return bool(self._samples)

    def add(self, sample: Sample, *, is_static: bool) -> bool:
        """Add a sample; return False when it is too old and was not kept."""
        if is_static or self.is_static:
            self.is_static = is_static
            self._samples = [sample]
            return True
        samples = self._samples
        if not samples or sample.stamp_ns > samples[-1].stamp_ns:
            samples.append(sample)
            self._forget()
            return True
        if sample.stamp_ns < samples[-1].stamp_ns - self._keep_ns:
            return False
        at = bisect_left(samples, sample.stamp_ns, key=_stamp)
        if samples[at].stamp_ns == sample.stamp_ns:
            samples[at] = sample  # the same time again: the last one counts
        else:
            insort(samples, sample, key=_stamp)
        return True

    def clear(self) -> None:
        """Forget all samples that are not static."""
        if not self.is_static:
            self._samples.clear()

    def at(self, stamp_ns: int) -> Sample | None:
        """Return the place of the frame at a time, interpolated; None when unknown.

        Between two samples with different parents it is the earlier sample.
        """
        samples = self._samples
        if self.is_static:
            return samples[0]
        if not samples or stamp_ns > samples[-1].stamp_ns:
            return None
        at = bisect_left(samples, stamp_ns, key=_stamp)
        after = samples[at]
        if after.stamp_ns == stamp_ns:
            return after
        if at == 0:
            return None
        before = samples[at - 1]
        if before.parent != after.parent:
            return before
        share = (stamp_ns - before.stamp_ns) / (after.stamp_ns - before.stamp_ns)
        return Sample(stamp_ns, before.parent, before.rigid.towards(after.rigid, share))

    def _forget(self) -> None:
        samples = self._samples
        first_ns = samples[-1].stamp_ns - self._keep_ns
        if samples[0].stamp_ns < first_ns:
            del samples[: bisect_left(samples, first_ns, key=_stamp)]


def _stamp(sample: Sample) -> int:
    return sample.stamp_ns
