"""A tree of coordinate frames over time, sans-I/O, without a clock or a topic. For any thread.

Every frame has one parent, and its place in the parent is known at some times of the last seconds.
A lookup climbs from both frames to their first common ancestor, and combines the steps: up from the
source, down to the target. Semantics are those of ROS 2's tf2: between two samples it interpolates;
beyond them it raises; time 0 means the latest time at which all frames on the way are known; frames
above the common ancestor do not matter.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dsmq_nodes.errors import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
)
from dsmq_nodes.graph.given import number, of_kind
from dsmq_nodes.messages.base import Header, Time
from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.printable import is_printable
from dsmq_nodes.suggest import nearest
from dsmq_nodes.tf.history import History, Sample
from dsmq_nodes.tf.rigid import IDENTITY, Rigid

_ALWAYS_NS: Final = 2**63  # later than any stamp: the end of a static transform
_MOST_NAMED: Final = 12


@dataclass(frozen=True, slots=True)
class Frame:
    """A buffer's information about one frame; times in ns, `rate_hz` over the kept samples."""

    name: str
    parent: str
    broadcaster: str
    is_static: bool
    oldest_ns: int
    newest_ns: int
    rate_hz: float


class BufferCore:
    """Transforms between frames, kept for some seconds.

    Attributes:
        ignored: how many transforms came too late to be kept.
    """

    def __init__(self, cache_time_sec: float = 10.0) -> None:
        """Make an empty buffer; it drops transforms `cache_time_sec` older than the newest."""
        self.ignored = 0
        self._keep_ns = round(number(cache_time_sec, "the time of a buffer") * 1e9)
        self._histories: dict[str, History] = {}
        self._parents: set[str] = set()
        self._lock = threading.RLock()

    # Adding transforms

    def set_transform(
        self, transform: TransformStamped, authority: str, *, is_static: bool = False
    ) -> bool:
        """Add a transform from `child_frame_id` to the header's frame.

        A slash before a frame's name is dropped, as tf2 does.

        Args:
            transform: the transform.
            authority: its broadcaster.
            is_static: whether it holds at all times, and replaces earlier ones.

        Returns:
            Whether it was kept; one that is too old is counted instead.

        Raises:
            InvalidArgumentException: a name is empty or not printable, a frame is its own parent,
                or the numbers are not a transform.
        """
        child, parent, rigid = checked(transform)
        sample = Sample(transform.header.stamp.to_nanoseconds(), parent, rigid)
        with self._lock:
            history = self._histories.setdefault(child, History(self._keep_ns))
            self._parents.add(parent)
            kept = history.add(sample, is_static=is_static)
            if kept:
                history.broadcaster = authority
            else:
                self.ignored += 1
            return kept

    def clear(self, broadcaster: str | None = None) -> None:
        """Forget all transforms except static ones; with a broadcaster, only those of that one."""
        with self._lock:
            for history in self._histories.values():
                if broadcaster is None or history.broadcaster == broadcaster:
                    history.clear()

    # Looking up transforms

    def is_newest_from(self, broadcaster: str, child_frame: str) -> bool:
        """Whether the newest transform of a frame is from this broadcaster."""
        history = self._histories.get(child_frame.lstrip("/"))
        return bool(history and history.broadcaster == broadcaster)

    def lookup(self, target_frame: str, source_frame: str, time: Time) -> TransformStamped:
        """Return the transform that takes coordinates in `source_frame` to those in `target_frame`.

        From a frame to itself it is the identity, at any time, even before the frame is known.

        Args:
            target_frame: the frame of the result.
            source_frame: the frame of the data.
            time: the time; `Time()` is the latest at which the transform is known.

        Raises:
            LookupException: one of the frames is unknown.
            ConnectivityException: the two are not in one tree.
            ExtrapolationException: the transform is not known at that time.
            InvalidArgumentException: a frame's name is empty or begins with a slash.
        """
        stamp_ns = of_kind(time, Time, "the time of a transform").to_nanoseconds()
        with self._lock:
            if target_frame == source_frame:
                self._check_name(target_frame, "target_frame")
                own = self._histories.get(target_frame)
                newest_ns = own.newest.stamp_ns if own and not own.is_static else 0
                return _stamped(target_frame, stamp_ns or newest_ns, source_frame, IDENTITY)
            self._check_frame(target_frame, "target_frame")
            self._check_frame(source_frame, "source_frame")
            stamp_ns = stamp_ns or self._latest_common_ns(target_frame, source_frame)
            rigid = self._between(target_frame, source_frame, stamp_ns)
        return _stamped(target_frame, stamp_ns, source_frame, rigid)

    def lookup_full(
        self,
        target_frame: str,
        target_time: Time,
        source_frame: str,
        source_time: Time,
        fixed_frame: str,
    ) -> TransformStamped:
        """Return the transform from `source_frame` at one time to `target_frame` at another.

        Between the two times the data stands still in `fixed_frame`.

        Raises:
            TransformException: see `lookup`.
        """
        self._check_frame(fixed_frame, "fixed_frame")
        to_fixed = self.lookup(fixed_frame, source_frame, source_time)
        to_target = self.lookup(target_frame, fixed_frame, target_time)
        rigid = Rigid.from_msg(to_target.transform).after(Rigid.from_msg(to_fixed.transform))
        stamp_ns = to_target.header.stamp.to_nanoseconds()
        return _stamped(target_frame, stamp_ns, source_frame, rigid)

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """Return the latest time at which the transform is known; 0 if it is static.

        Raises:
            TransformException: see `lookup`.
        """
        with self._lock:
            self._check_frame(target_frame, "target_frame")
            self._check_frame(source_frame, "source_frame")
            return Time.from_nanoseconds(self._latest_common_ns(target_frame, source_frame))

    def frames(self) -> list[Frame]:
        """Return every frame with a parent, by name."""
        with self._lock:
            return [
                Frame(
                    name=name,
                    parent=history.newest.parent,
                    broadcaster=history.broadcaster,
                    is_static=history.is_static,
                    oldest_ns=history.oldest.stamp_ns,
                    newest_ns=history.newest.stamp_ns,
                    rate_hz=history.rate_hz,
                )
                for name, history in sorted(self._histories.items())
                if history
            ]

    def all_frames_as_yaml(self) -> str:
        """Return each frame's parent, broadcaster, rate and times, as YAML; `{}` without any."""
        from dsmq_nodes.graph.parameters.yaml12 import to_yaml  # noqa: PLC0415  11 ms: YAML

        shown = {
            frame.name: {
                "parent": frame.parent,
                "broadcaster": frame.broadcaster or "default_authority",
                "rate": round(frame.rate_hz, 3),
                "most_recent_transform": round(frame.newest_ns * 1e-9, 3),
                "oldest_transform": round(frame.oldest_ns * 1e-9, 3),
                "buffer_length": round((frame.newest_ns - frame.oldest_ns) * 1e-9, 3),
            }
            for frame in self.frames()
        }
        return to_yaml(shown)

    # Within

    def _check_name(self, name: str, argument: str) -> None:
        if not of_kind(name, str, argument):
            raise InvalidArgumentException(f"{argument} is empty: name a frame")
        if name.startswith("/"):
            raise InvalidArgumentException(
                f'{argument} "{name}": a frame\'s name does not begin with a slash, say '
                f'"{name.lstrip("/")}"'
            )

    def _check_frame(self, name: str, argument: str) -> None:
        self._check_name(name, argument)
        if name in self._histories or name in self._parents:
            return
        known = sorted(self._parents.union(self._histories))
        close = nearest(name, known)
        if close:
            hint = f'did you mean "{close}"?'
        elif known:
            hint = (
                f"known are {', '.join(known[:_MOST_NAMED])}{', ...' * (len(known) > _MOST_NAMED)}"
            )
        else:
            hint = "no transform has come yet: is anybody publishing on /tf?"
        raise LookupException(f'{argument} "{name}" does not exist: {hint}')

    def _between(self, target: str, source: str, stamp_ns: int) -> Rigid:
        up_from_source, up = {source: IDENTITY}, IDENTITY
        for sample in self._climb(source, stamp_ns):
            up = sample.rigid.after(up)
            up_from_source[sample.parent] = up
            if sample.parent == target:
                break
        up, common = IDENTITY, target
        if target not in up_from_source:
            for sample in self._climb(target, stamp_ns):
                up, common = sample.rigid.after(up), sample.parent
                if common in up_from_source:
                    break
            else:
                raise self._unreachable(target, source, stamp_ns)
        return up.inverse().after(up_from_source[common])

    def _climb(self, frame: str, stamp_ns: int) -> Iterator[Sample]:
        """Yield the steps from a frame upwards: the place of each frame in its parent at a time."""
        passed = {frame}
        while (history := self._histories.get(frame)) is not None:
            sample = history.at(stamp_ns)
            if sample is None:
                return
            yield sample
            frame = sample.parent
            if frame in passed:
                raise _loop(passed)
            passed.add(frame)

    def _climb_newest(self, frame: str) -> Iterator[tuple[str, int]]:
        """Yield each frame from one upwards, with the latest time at which all below are known."""
        passed, until_ns = {frame}, _ALWAYS_NS
        yield frame, until_ns
        while history := self._histories.get(frame):
            if not history.is_static:
                until_ns = min(until_ns, history.newest.stamp_ns)
            frame = history.newest.parent
            if frame in passed:
                raise _loop(passed)
            passed.add(frame)
            yield frame, until_ns

    def _latest_common_ns(self, target: str, source: str) -> int:
        from_source = dict(self._climb_newest(source))
        for frame, until_ns in self._climb_newest(target):
            if frame in from_source:
                common_ns = min(until_ns, from_source[frame])
                return 0 if common_ns == _ALWAYS_NS else common_ns
        raise self._unconnected(target, source)

    def _unreachable(
        self, target: str, source: str, stamp_ns: int
    ) -> ConnectivityException | ExtrapolationException:
        """Return the error that says why two frames have no common ancestor at a time."""
        for frame in (source, target):
            for name, _ in self._climb_newest(frame):
                history = self._histories.get(name)
                if history and history.at(stamp_ns) is None:
                    return _not_known_at(stamp_ns, name, history, target, source)
        return self._unconnected(target, source)

    def _unconnected(self, target: str, source: str) -> ConnectivityException:
        roots = [list(self._climb_newest(frame))[-1][0] for frame in (target, source)]
        return ConnectivityException(
            f'"{target}" and "{source}" are not part of the same tree: "{target}" hangs from '
            f'"{roots[0]}", "{source}" from "{roots[1]}"; a transform between the two trees is '
            "missing"
        )


def checked(transform: TransformStamped) -> tuple[str, str, Rigid]:
    """Return child, parent and transform of a message.

    Raises:
        InvalidArgumentException: see `BufferCore.set_transform`.
    """
    of_kind(transform, TransformStamped, "a transform that is sent")
    child = transform.child_frame_id.lstrip("/")
    parent = transform.header.frame_id.lstrip("/")
    if not child or not parent:
        raise InvalidArgumentException(
            f'a transform needs two names: header.frame_id is "{parent}" (the parent), '
            f'child_frame_id is "{child}"'
        )
    if not (is_printable(child) and is_printable(parent)):
        raise InvalidArgumentException(
            f"a frame's name is printable, not {child!r:.100} in {parent!r:.100}"
        )
    if child == parent:
        raise InvalidArgumentException(f'frame "{child}" cannot be its own parent')
    try:
        return child, parent, Rigid.from_msg(transform.transform)
    except InvalidArgumentException as error:
        raise InvalidArgumentException(f'"{child}" in "{parent}": {error}') from None


def _stamped(target: str, stamp_ns: int, source: str, rigid: Rigid) -> TransformStamped:
    return TransformStamped(
        header=Header(stamp=Time.from_nanoseconds(stamp_ns), frame_id=target),
        child_frame_id=source,
        transform=rigid.to_msg(),
    )


def _not_known_at(
    stamp_ns: int, frame: str, history: History, target: str, source: str
) -> ExtrapolationException:
    newest_ns, oldest_ns = history.newest.stamp_ns, history.oldest.stamp_ns
    where = f'"{frame}" in "{history.newest.parent}"'
    if newest_ns == oldest_ns:
        known = f"{where} is known at {_sec(newest_ns)} only"
    else:
        known = f"{where} is known from {_sec(oldest_ns)} to {_sec(newest_ns)}"
    if stamp_ns > newest_ns:
        way, away = "future", f"{(stamp_ns - newest_ns) * 1e-9:.6f} s after the latest"
    else:
        way, away = "past", f"{(oldest_ns - stamp_ns) * 1e-9:.6f} s before the earliest"
    return ExtrapolationException(  # it begins as tf2's, which programs look for
        f"Lookup would require extrapolation into the {way}: {_sec(stamp_ns)} is {away} transform, "
        f'when looking up from "{source}" to "{target}": {known}'
    )


def _loop(frames: set[str]) -> LookupException:
    return LookupException(
        f"the frames {', '.join(sorted(frames))} form a loop: each is broadcast as a parent of the "
        "next; two nodes broadcast the same frame with different parents?"
    )


def _sec(stamp_ns: int) -> str:
    sec, nanosec = divmod(stamp_ns, 10**9)
    return f"{sec}.{nanosec // 1000:06d} s"
