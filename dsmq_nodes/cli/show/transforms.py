"""Transforms on the command line."""

import math
import sys
import time
from collections.abc import Iterator
from typing import Final

from dsmq_nodes.errors import CommandError, InvalidArgumentException, TransformException
from dsmq_nodes.messages.base import Time
from dsmq_nodes.messages.geometry import TransformStamped
from dsmq_nodes.messages.tf2 import TFMessage
from dsmq_nodes.printable import one_line
from dsmq_nodes.tf.core import BufferCore, Frame
from dsmq_nodes.tf.rigid import Rigid, roll_pitch_yaw, rotate
from dsmq_nodes.tools.session import Session
from dsmq_nodes.topic_names import TF_STATIC_TOPIC, TF_TOPIC

_PAUSE_SEC: Final = 2.0  # between two reports that there is no transform yet


class _Listener:
    """Fills a buffer from a session."""

    def __init__(self, session: Session) -> None:
        self.buffer = BufferCore()
        self._session = session
        for topic in (TF_STATIC_TOPIC, TF_TOPIC):
            session.subscribe(topic, type_name=TFMessage.type_name)

    def listen(self, seconds: float) -> None:
        """Take the transforms that come within this time."""
        until_sec = time.monotonic() + seconds
        while (left_sec := until_sec - time.monotonic()) > 0:
            reply = self._session.next_message([TF_TOPIC, TF_STATIC_TOPIC], left_sec)
            if reply is None:
                return
            message = self._session.understood(reply, TFMessage.from_json, exact=True)
            for transform in message.transforms if message is not None else ():
                try:
                    self.buffer.set_transform(
                        transform, reply.sender, is_static=reply.topic == TF_STATIC_TOPIC
                    )
                except (InvalidArgumentException, ArithmeticError) as error:
                    who = one_line(reply.sender) or "a client"
                    self._session.skip(reply.topic, f"ignored, from {who}: {error}")


def transforms_within(session: Session, seconds: float) -> BufferCore:
    """Return a buffer with the transforms that are published within `seconds`."""
    listener = _Listener(session)
    listener.listen(seconds)
    return listener.buffer


def echo_transform(
    session: Session,
    frame: str,
    child: str,
    period_sec: float,
    *,
    once: bool,
    timeout_sec: float | None,
) -> None:
    """Print the pose of a frame in another, repeatedly.

    Raises:
        CommandError: the transform was not known within the timeout.
    """
    listener = _Listener(session)
    began_sec = complained_sec = time.monotonic()
    is_known = False
    step_sec = min(period_sec, 0.1)
    while True:
        listener.listen(period_sec if is_known else step_sec)
        try:
            found = listener.buffer.lookup(frame, child, Time())
        except TransformException as error:
            now_sec = time.monotonic()
            if timeout_sec is not None and not is_known and now_sec - began_sec > timeout_sec:
                raise CommandError(f"no transform within {timeout_sec:g} s: {error}") from None
            if now_sec - complained_sec > _PAUSE_SEC:
                complained_sec = now_sec
                print(f"Waiting for transform {frame} -> {child}: {error}", file=sys.stderr)
            continue
        is_known = True
        print("\n".join(_shown(found)), flush=True)
        if once:
            return


def _shown(found: TransformStamped) -> Iterator[str]:
    stamp = found.header.stamp
    translation, rotation = rigid = Rigid.from_msg(found.transform)
    angles = roll_pitch_yaw(rotation)
    yield f"At time {stamp.sec}.{stamp.nanosec:09d}"
    yield f"- Translation: {_numbers(translation)}"
    yield f"- Rotation: in Quaternion (xyzw) {_numbers(rotation)}"
    yield f"- Rotation: in RPY (radian) {_numbers(angles)}"
    yield f"- Rotation: in RPY (degree) {_numbers(tuple(map(math.degrees, angles)))}"
    yield "- Matrix:"
    axes = [rotate(rotation, axis) for axis in ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0))]
    rows = zip(*axes, rigid.translation, strict=True)
    for row in (*rows, (0.0, 0.0, 0.0, 1.0)):
        yield " ".join(f"{_rounded(value):6.3f}" for value in row)


def _numbers(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{_rounded(value):.3f}' for value in values)}]"


def _rounded(value: float) -> float:
    return round(value, 3) + 0.0  # no -0.000


def tree_lines(frames: list[Frame]) -> Iterator[str]:
    """Yield the lines of all trees, a line for each frame."""
    children: dict[str, list[Frame]] = {}
    for frame in frames:
        children.setdefault(frame.parent, []).append(frame)
    names = {frame.name for frame in frames}
    roots = [parent for parent in sorted(children) if parent not in names]
    for root in roots:
        yield root
        yield from _branches(children, root, "")
    if not roots:
        yield f"no tree: the frames {', '.join(sorted(names))} form a loop"


def _branches(children: dict[str, list[Frame]], parent: str, indent: str) -> Iterator[str]:
    below = children.get(parent, [])
    for number, frame in enumerate(below, start=1):
        is_last = number == len(below)
        how = "static" if frame.is_static else f"{frame.rate_hz:.1f} Hz"
        who = frame.broadcaster or "a client"
        yield f"{indent}{'└─' if is_last else '├─'} {frame.name}  ({how}, {who})"
        yield from _branches(children, frame.name, indent + ("   " if is_last else "│  "))
