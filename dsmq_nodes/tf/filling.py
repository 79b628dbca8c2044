"""Fills a buffer with what broadcasters say, also after the stamps of one have gone back.

A single old stamp may be a straggler. Two in a row, with rising stamps of the same frame, mean a
clock that was set back, or a bag that was restarted: then what the broadcaster said before is
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
        self._late_ns: dict[tuple[str, str], int] = {}  # the last stamp too old, by who and frame

    def add(self, transform: TransformStamped, broadcaster: str, *, is_static: bool) -> Outcome:
        """Add a transform; says whether it was kept.

        Args:
            transform: the transform.
            broadcaster: its node; empty: unknown, and then it may be any of several.
            is_static: as in `BufferCore.set_transform`.

        Returns:
            "kept"; "late": it is too old; "gone back": it was kept, and those from before are
            forgotten, except the static ones.

        Raises:
            InvalidArgumentException: it is no transform.
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
