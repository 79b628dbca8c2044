"""ROS's tf2_py on this kit's `tf`: the buffer without a node, and its exceptions."""

from typing import Any

from dsmq_nodes.errors import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import from_ros, to_ros
from dsmq_nodes.rclpy.time import Time
from dsmq_nodes.tf import BufferCore as OurBuffer

__all__ = [
    "BufferCore",
    "ConnectivityException",
    "ExtrapolationException",
    "InvalidArgumentException",
    "LookupException",
    "TimeoutException",
    "TransformException",
]
_CACHE_SEC = 10.0


class TimeoutException(TransformException):
    """A transform was not known in time."""


class BufferCore:
    """Transforms between frames; looks up what is known now."""

    def __init__(self, cache_time: Duration | None = None) -> None:
        sec = _CACHE_SEC if cache_time is None else cache_time.nanoseconds * 1e-9
        self._frames = OurBuffer(sec)

    def set_transform(self, transform: Any, authority: str) -> None:
        """Add a transform."""
        self._frames.set_transform(_ours(transform), authority)

    def set_transform_static(self, transform: Any, authority: str) -> None:
        """Add a transform that holds at all times."""
        self._frames.set_transform(_ours(transform), authority, is_static=True)

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Any) -> Any:
        """The transform from `source_frame` to `target_frame`."""
        return to_ros(self._frames.lookup(target_frame, source_frame, our_time(time)))

    def lookup_transform_full_core(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
    ) -> Any:
        """The same between two times, by a frame that stands still."""
        times = our_time(target_time), our_time(source_time)
        found = self._frames.lookup_full(
            target_frame, times[0], source_frame, times[1], fixed_frame
        )
        return to_ros(found)

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> tuple[bool, str]:
        """Whether a transform is known, and why not."""
        try:
            self._frames.lookup(target_frame, source_frame, our_time(time))
        except TransformException as error:
            return False, str(error)
        return True, ""

    def can_transform_full_core(self, *words: Any) -> tuple[bool, str]:
        """The same between two times; arguments as `lookup_transform_full_core`."""
        try:
            self.lookup_transform_full_core(*words)
        except TransformException as error:
            return False, str(error)
        return True, ""

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """The latest time at which a transform is known."""
        found = self._frames.get_latest_common_time(target_frame, source_frame)
        return Time.from_msg(to_ros(found))

    def clear(self) -> None:
        """Forget all transforms except static ones."""
        self._frames.clear()

    def all_frames_as_yaml(self) -> str:
        """All frames with their parents, as YAML."""
        return self._frames.all_frames_as_yaml()

    def all_frames_as_string(self) -> str:
        """All frames with their parents, one a line."""
        frames = self._frames.frames()
        return "".join(f"Frame {each.name} exists with parent {each.parent}.\n" for each in frames)

    def _frameExists(self, frame: str) -> bool:  # noqa: N802
        frames = self._frames.frames()
        return any(frame in {each.name, each.parent} for each in frames)


def our_time(time: Any) -> Any:
    """A time of rclpy, or a message, as this kit's."""
    return from_ros(time.to_msg() if isinstance(time, Time) else time)


def _ours(transform: Any) -> Any:
    return from_ros(transform)
