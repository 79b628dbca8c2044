"""Fill a buffer with broadcasters' transforms, also when the stamps of one have gone back.

A single old stamp may be a straggler. Two in a row, with rising stamps of the same frame, mean a
clock that was set back, or a bag that was restarted: then the broadcaster's earlier transforms are
forgotten.
"""

from typing import Final, Literal

from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.tf.core import BufferCore

_MOST_LATE: Final = 1000  # frames
Outcome = Literal["kept", "late", "gone back"]


class Filling:
    """Adds transforms to a buffer."""

    def __init__(self, buffer: BufferCore) -> None:
        self._buffer = buffer
        # the last stamp that was too old, by broadcaster and frame
        self._late_ns: dict[tuple[str, str], int] = {}

    def add(self, transform: TransformStamped, broadcaster: str, *, is_static: bool) -> Outcome:
        """Add a transform; return whether it was kept.

        Args:
            transform: the transform.
            broadcaster: its node; empty when unknown: it may then be any of several.
            is_static: as in `BufferCore.set_transform`.

        Returns:
            "kept"; "late" when the transform is too old; "gone back" when it was kept, and the
            earlier ones are forgotten, except the static ones.

        Raises:
            InvalidArgumentException: the transform is not valid.
        """
        frame = (broadcaster, transform.child_frame_id)
        if self._buffer.set_transform(transform, broadcaster, is_static=is_static):
            self._late_ns.pop(frame, None)
            return "kept"
        if not self._has_gone_back(frame, transform.header.stamp.to_nanoseconds()):
            return "late"
        self._late_ns.clear()
        self._buffer.clear(broadcaster)
        self._buffer.ignored -= 1
        self._buffer.set_transform(transform, broadcaster)
        return "gone back"

    def _has_gone_back(self, frame: tuple[str, str], stamp_ns: int) -> bool:
        if not frame[0]:
            return False
        before_ns = self._late_ns.get(frame)
        if len(self._late_ns) >= _MOST_LATE:
            self._late_ns.clear()
        self._late_ns[frame] = stamp_ns
        is_rising = before_ns is not None and stamp_ns > before_ns
        return is_rising and self._buffer.is_newest_from(*frame)
