"""ROS's tf2_py on this kit's `tf`: the buffer without a node, and its exceptions."""

from copy import copy
from typing import Any, Final

from dsmq_nodes.errors import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from dsmq_nodes.messages import Time as OurTime
from dsmq_nodes.rclpy.constants import S_TO_NS
from dsmq_nodes.rclpy.duration import Duration
from dsmq_nodes.rclpy.interfaces import from_ros, to_ros
from dsmq_nodes.rclpy.logging import get_logger
from dsmq_nodes.rclpy.packages.tf2_py.drawing import drawn
from dsmq_nodes.rclpy.packages.tf2_py.velocity import velocity_of
from dsmq_nodes.rclpy.time import Time
from dsmq_nodes.tf import BufferCore as OurBuffer
from dsmq_nodes.tf.rigid import Vector

_CACHE_SEC = 10.0
_ORIGIN: Final = (0.0, 0.0, 0.0)
_logger = get_logger("tf2")


class TimeoutException(TransformException):
    """A transform was not known in time."""


class BufferCore:
    """Transforms between frames; a lookup does not wait."""

    def __init__(self, cache_time: Duration | None = None) -> None:
        sec = _CACHE_SEC if cache_time is None else cache_time.nanoseconds * 1e-9
        self._frames = OurBuffer(sec)

    def set_transform(self, transform: Any, authority: str) -> None:
        """Add a transform; one that is invalid or too old is logged and ignored."""
        self._add(transform, authority, is_static=False)

    def set_transform_static(self, transform: Any, authority: str) -> None:
        """Add a transform that holds at all times; an invalid one is logged and ignored."""
        self._add(transform, authority, is_static=True)

    def _add(self, transform: Any, authority: str, *, is_static: bool) -> None:
        ours = _ours(transform)
        try:
            kept = self._frames.set_transform(ours, authority, is_static=is_static)
        except InvalidArgumentException as error:
            text = f'Ignoring transform from authority "{authority}": {error}'
            _logger.error(text)  # noqa: TRY400  a logger of rclpy has no traceback
            return
        if not kept:
            stamp = ours.header.stamp
            _logger.warning(
                f"TF_OLD_DATA ignoring data from the past for frame {ours.child_frame_id} at time "
                f"{stamp.to_nanoseconds() * 1e-9:f} according to authority {authority}"
            )

    def lookup_transform_core(self, target_frame: str, source_frame: str, time: Any) -> Any:
        """Return the transform from `source_frame` to `target_frame`."""
        return to_ros(self._frames.lookup(target_frame, source_frame, _our_time(time)))

    def lookup_transform_full_core(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
    ) -> Any:
        """Return the transform between two times, by a frame that stands still."""
        times = _our_time(target_time), _our_time(source_time)
        found = self._frames.lookup_full(
            target_frame, times[0], source_frame, times[1], fixed_frame
        )
        return to_ros(found)

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Any
    ) -> tuple[int, str]:
        """Return whether a transform is known, 1 or 0, and why not."""
        try:
            self._frames.lookup(target_frame, source_frame, _our_time(time))
        except TransformException as error:
            return 0, str(error)
        return 1, ""

    def can_transform_full_core(self, *words: Any, **more: Any) -> tuple[int, str]:
        """Return the same between two times; arguments as `lookup_transform_full_core`."""
        try:
            self.lookup_transform_full_core(*words, **more)
        except TransformException as error:
            return 0, str(error)
        return 1, ""

    def get_latest_common_time(self, target_frame: str, source_frame: str) -> Time:
        """Return the latest time at which a transform is known."""
        found = self._frames.get_latest_common_time(target_frame, source_frame)
        return Time(nanoseconds=found.to_nanoseconds())

    def clear(self) -> None:
        """Forget all transforms except static ones."""
        self._frames.clear()

    def all_frames_as_yaml(self) -> str:
        """Return all frames with their parents, as YAML."""
        return self._frames.all_frames_as_yaml()

    def all_frames_as_string(self) -> str:
        """Return all frames with their parents, one a line."""
        frames = self._frames.frames()
        return "".join(f"Frame {each.name} exists with parent {each.parent}.\n" for each in frames)

    def lookupVelocityCore(  # noqa: N802
        self, tracking_frame: str, observation_frame: str, time: Any, averaging_interval: Any
    ) -> tuple[Vector, Vector]:
        """Return the linear and angular velocity of a frame in another one, around a time."""
        return self.lookupVelocityFullCore(
            tracking_frame,
            observation_frame,
            observation_frame,
            _ORIGIN,
            tracking_frame,
            time,
            averaging_interval,
        )

    def lookupVelocityFullCore(  # noqa: N802  tf2's order
        self,
        tracking_frame: str,
        observation_frame: str,
        reference_frame: str,
        reference_point: Vector,
        reference_point_frame: str,
        time: Any,
        averaging_interval: Any,
    ) -> tuple[Vector, Vector]:
        """Return the velocity of a point fixed to the frame, in the axes of `reference_frame`."""
        reference = reference_frame, reference_point, reference_point_frame
        time_ns, interval_ns = (
            _nanoseconds(time, "time"),
            _nanoseconds(averaging_interval, "duration"),
        )
        frames = tracking_frame, observation_frame
        return velocity_of(self._frames, *frames, reference, time_ns, interval_ns)

    def _chain(
        self,
        target_frame: str,
        target_time: Any,
        source_frame: str,
        source_time: Any,
        fixed_frame: str,
    ) -> list[str]:
        """Return the path of frames from `source_frame` by `fixed_frame` to `target_frame`."""
        to_fixed = self._path(fixed_frame, source_frame, source_time)
        return [*to_fixed, *self._path(target_frame, fixed_frame, target_time)[1:]]

    def _path(self, target_frame: str, source_frame: str, time: Any) -> list[str]:
        self._frames.lookup(target_frame, source_frame, _our_time(time))  # raises, if it is unknown
        parents = {frame.name: frame.parent for frame in self._frames.frames()}
        up, down = _upwards(source_frame, parents), _upwards(target_frame, parents)
        meet = next((frame for frame in up if frame in down), None)
        if meet is None:  # it has another parent now
            raise ConnectivityException(f'"{target_frame}" and "{source_frame}" are not connected')
        return [*up[: up.index(meet) + 1], *reversed(down[: down.index(meet)])]

    def _allFramesAsDot(self, time: Any = None) -> str:  # noqa: N802
        now_ns = 0 if time is None else _nanoseconds(time, "time")
        return drawn(self._frames.frames(), now_ns)

    def _frameExists(self, frame: str) -> bool:  # noqa: N802
        return frame in self._getFrameStrings()

    def _getFrameStrings(self) -> list[str]:  # noqa: N802
        frames = self._frames.frames()
        return list(dict.fromkeys(name for each in frames for name in (each.name, each.parent)))


def _our_time(time: Any) -> OurTime:
    return OurTime.from_nanoseconds(_nanoseconds(time, "time"))


def _ours(transform: Any) -> Any:
    if isinstance(transform.header.stamp, Time):  # tf2 takes both
        transform = copy(transform)
        transform.header = copy(transform.header)
        transform.header.stamp = transform.header.stamp.to_msg()
    return from_ros(transform)


def _nanoseconds(given: Any, kind: str) -> int:
    """Return the nanoseconds of a message, of rclpy's class, or of anything that has them.

    Raises:
        TypeError: it has none.
    """
    if hasattr(given, "sec") and hasattr(given, "nanosec"):
        return int(given.sec * S_TO_NS + given.nanosec)
    if hasattr(given, "nanoseconds"):
        return int(given.nanoseconds)
    raise TypeError(f"{kind} must have sec and nanosec, or nanoseconds.")


def _upwards(frame: str, parents: dict[str, str]) -> list[str]:
    path = [frame]
    while (parent := parents.get(path[-1])) is not None and parent not in path:  # it may be a loop
        path.append(parent)
    return path
